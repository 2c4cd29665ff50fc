"""How the daemon waits: for the wall clock of a live venue, or for a simulated one.

Both show the broker's time in epoch ms UTC, and both return early once a stop was requested.
"""

import time
from collections.abc import Callable
from typing import Protocol

from broker.client.paper_control import PaperControl
from broker.contract.errors import BrokerError

_SLICE_S = 0.25
_READ_EVERY_MS = 3_600_000


class StopFlag:
    """Set by Ctrl-C or SIGTERM; read between steps. Plain flags, safe in a signal handler.

    `requested`: the run ends after this cycle. `draining`: it ends once no position is open, and
    opens none before; where `waits` is set, the first request asks for that, the second for the
    end. `called`: somebody has a command for the loop, which need not wait to its end.
    """

    def __init__(self, *, waits: bool = False) -> None:
        self._waits = waits
        self.requested = False
        self.draining = False
        self.called = False

    def request(self, *_: object) -> None:
        if self._waits and not self.draining:
            self.draining = self.called = True
        else:
            self.requested = True

    def call(self) -> None:
        self.called = True

    @property
    def ends_wait(self) -> bool:
        return self.requested or self.called


class Clock(Protocol):
    """The broker's time.

    `lock_step`: time moves only while the daemon waits, and stops exactly where it waits for.
    `beats`: whether it is worth looking between closes. `end_ms`: the last instant this clock can
    show; None for one without an end.
    """

    @property
    def lock_step(self) -> bool: ...

    @property
    def beats(self) -> bool: ...

    @property
    def end_ms(self) -> int | None: ...

    def now_ms(self) -> int: ...

    def wait_until(self, instant_ms: int) -> int:
        """Waits for an instant and returns the time then; earlier only if stopped, called or at
        the end."""
        ...

    def pause(self, seconds: float) -> None:
        """Lets `seconds` of this clock's time pass, e.g. before asking an absent bridge again."""
        ...


class WallClock:
    """The host's clock, corrected by the broker's, which is read anew every hour.

    A bridge's clock that differs by more than `most_ms` (its machine may have lost the time) is
    not followed: the host's is right, and the health check names the difference.
    """

    lock_step = False
    beats = True
    end_ms = None

    def __init__(
        self, broker_now_ms: Callable[[], int], stop: StopFlag, *, most_ms: int | None = None
    ) -> None:
        """Raises `BrokerError` if the broker's clock cannot be read."""
        self._broker_now_ms = broker_now_ms
        self._most_ms = most_ms
        self._stop = stop
        self._ahead_ms, self._read_ms = self._compare()

    def now_ms(self) -> int:
        return _host_ms() + self._ahead_ms

    def wait_until(self, instant_ms: int) -> int:
        if _host_ms() - self._read_ms > _READ_EVERY_MS:
            self._ahead_ms, self._read_ms = self._compare()
        while not self._stop.ends_wait and (left_ms := instant_ms - self.now_ms()) > 0:
            time.sleep(min(left_ms / 1000, _SLICE_S))
        return self.now_ms()

    def pause(self, seconds: float) -> None:
        pause(self._stop, seconds)

    def _compare(self) -> tuple[int, int]:
        """(how far the broker is ahead, when that was read); half the way there is latency."""
        asked_ms = _host_ms()
        broker_ms = self._broker_now_ms()
        answered_ms = _host_ms()
        ahead_ms = broker_ms - (asked_ms + answered_ms) // 2
        if self._most_ms is not None and abs(ahead_ms) > self._most_ms:
            ahead_ms = 0
        return ahead_ms, answered_ms


class PaperClock:
    """A simulated terminal's clock. `speed`: simulated seconds per real one; None is at once."""

    lock_step = True

    def __init__(self, control: PaperControl, stop: StopFlag, *, speed: float | None) -> None:
        self._control = control
        self._stop = stop
        self._speed = speed
        state = control.clock()
        self._now_ms, self._end_ms = state.now_msc, state.end_msc

    @property
    def beats(self) -> bool:
        return self._speed is not None

    @property
    def end_ms(self) -> int | None:
        return self._end_ms

    def now_ms(self) -> int:
        return self._now_ms

    def wait_until(self, instant_ms: int) -> int:
        """Asks once also where the instant seems past: a bridge that was killed goes on from its
        last save, and its clock must come to the instant again before anything is read."""
        target_ms = min(instant_ms, self._end_ms)
        while not self._stop.requested:
            self._now_ms = self._control.wait_until(self._within_slice(target_ms)).now_msc
            if self._now_ms >= target_ms or self._stop.called:
                break
        return self._now_ms

    def pause(self, seconds: float) -> None:
        """Simulated time; the host's where the simulation cannot be reached or is at its end."""
        before_ms = self._now_ms
        try:
            self.wait_until(before_ms + round(seconds * 1000))
        except BrokerError:
            pause(self._stop, seconds)
            return
        if self._now_ms == before_ms:
            pause(self._stop, seconds)

    def _within_slice(self, target_ms: int) -> int:
        if self._speed is None:
            return target_ms
        return min(target_ms, self._now_ms + max(1, round(_SLICE_S * 1000 * self._speed)))


def pause(stop: StopFlag, seconds: float) -> None:
    """Sleeps in slices, so that a stop is heard."""
    until_s = time.monotonic() + seconds
    while not stop.requested and (left_s := until_s - time.monotonic()) > 0:
        time.sleep(min(left_s, _SLICE_S))


def _host_ms() -> int:
    return time.time_ns() // 1_000_000
