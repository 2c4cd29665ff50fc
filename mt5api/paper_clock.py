"""The simulated clock behind `/_paper/clock`. It moves only while somebody waits on it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Literal, Protocol

from broker.contract.wire import ClockState

Speed = float | Literal["max"]

HOLD_S = 20.0
_STEP_S = 0.25


class Market(Protocol):
    """What moves: the simulated terminal."""

    @property
    def now_ms(self) -> int: ...

    @property
    def end_ms(self) -> int: ...

    def advance(self, to_ms: int) -> object: ...


class PaperClock:
    """Waits for simulated instants.

    At speed "max" an instant is there at once. At speed x the simulated clock follows x times the
    wall clock, counted from the first wait, but never passes the instant that is waited for: every
    decision is taken exactly at its bar's close, however busy the machine is.
    """

    def __init__(
        self, market: Market, speed: Speed, *, wall_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        moved: Callable[[int], None] = lambda now_ms: None,
    ) -> None:  # fmt: skip
        """`moved` hears of every instant that the clock was moved to."""
        self._market = market
        self._moved = moved
        self._speed = speed
        self._wall_s = wall_s
        self._sleep = sleep
        self._first: tuple[int, float] | None = None

    def state(self) -> ClockState:
        return ClockState(self._market.now_ms, self._market.end_ms)

    async def wait_until(self, instant_ms: int) -> ClockState:
        """The clock's state at the instant, or after `HOLD_S` at the latest."""
        target_ms = min(instant_ms, self._market.end_ms)
        give_up_s = self._wall_s() + HOLD_S
        while self._market.now_ms < target_ms:
            due_ms = self._due_ms(target_ms)
            if due_ms > self._market.now_ms:
                self._market.advance(due_ms)
                self._moved(self._market.now_ms)
            if due_ms >= target_ms or self._wall_s() >= give_up_s:
                break
            await self._sleep(self._pause_s(target_ms))
        return self.state()

    def _due_ms(self, target_ms: int) -> int:
        """How far the clock may be by now."""
        if self._speed == "max":
            return target_ms
        if self._first is None:
            self._first = (self._market.now_ms, self._wall_s())
        from_ms, from_s = self._first
        return min(target_ms, from_ms + int((self._wall_s() - from_s) * self._speed * 1000))

    def _pause_s(self, target_ms: int) -> float:
        assert self._speed != "max"
        missing_s = (target_ms - self._market.now_ms) / 1000 / self._speed
        return min(_STEP_S, max(missing_s, 0.001))
