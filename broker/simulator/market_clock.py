"""What moves the clock of a simulated terminal that a foreign program uses.

Such a program waits with `time.sleep` or not at all, so the clock follows the wall at some speed,
or steps to the next bar whenever quotes or bars are read.
"""

import time
from collections.abc import Callable
from typing import Literal

from broker.simulator.terminal import SimulatedTerminal

Speed = float | Literal["step"]

_READS = frozenset((
    "symbol_info_tick", "copy_rates_from", "copy_rates_from_pos", "copy_rates_range",
    "copy_ticks_from", "copy_ticks_range",
))  # fmt: skip


class MarketClock:
    """Moves the terminal before each call. At the market's end it stands still."""

    def __init__(
        self, terminal: SimulatedTerminal, speed: Speed, *,
        wall_s: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._terminal = terminal
        self._speed = speed
        self._wall_s = wall_s
        self._from = (terminal.now_ms, wall_s())
        self._step_ms = min(feed.bars.timeframe.ms for feed in terminal.feeds.values())

    def before(self, function: str) -> None:
        """Moves to where the clock is when this function of the package is called."""
        now_ms = self._terminal.now_ms
        if self._speed == "step":
            due_ms = now_ms + self._step_ms if function in _READS else now_ms
        else:
            from_ms, from_s = self._from
            due_ms = from_ms + int((self._wall_s() - from_s) * self._speed * 1000)
        due_ms = min(due_ms, self._terminal.end_ms)
        if due_ms > now_ms:
            self._terminal.advance(due_ms)
