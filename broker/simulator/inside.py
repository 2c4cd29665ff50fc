"""What M1 bars know of the inside of a longer bar: which of two levels was touched first.

Only the order comes from them. When a bar closes a position, and at which price, stays what
`market.fills.first_exit` says of the longer bar; and where the minutes do not tell (one is missing
before the touch, one touches both levels, none touches any) the stop stays the stop.
"""

import numpy as np

from market.bars import Bars
from market.fills import NO_EXIT, STOP, TARGET, ticks
from market.instrument import Instrument

_MINUTE_MS = 60_000


class Minutes:
    """The M1 bars of one symbol, beside the longer bars of its feed. Bids, as those are.

    `told`: how often they were asked and knew.
    """

    __slots__ = ("_high", "_low", "_open_ms", "told")

    def __init__(self, bars: Bars, instrument: Instrument) -> None:
        _, high, low, _, _ = ticks(bars, instrument.tick_size, instrument.point)
        self._open_ms = np.ascontiguousarray(bars.open_ms)
        self._high, self._low = high.data, low.data
        self.told = 0

    def first_touched(
        self, from_ms: int, to_ms: int, side: int, sl: int, tp: int, spread: int
    ) -> int:
        """`STOP` or `TARGET`, whichever was touched first in [from, to); `NO_EXIT` where the
        minutes do not tell.

        Levels in ticks. Longs compare bids with them, shorts bid + `spread`: that of the longer
        bar, so that a level it touches is the level that its minutes touch.
        """
        row = int(self._open_ms.searchsorted(from_ms))
        ask = 0 if side > 0 else spread
        for opened_ms in range(from_ms, to_ms, _MINUTE_MS):
            if row >= len(self._open_ms) or int(self._open_ms[row]) != opened_ms:
                return NO_EXIT
            worst, best = self._low[row] + ask, self._high[row] + ask
            if side < 0:
                worst, best = best, worst
            stopped, reached = side * (worst - sl) <= 0, side * (best - tp) >= 0
            if stopped or reached:
                return NO_EXIT if stopped and reached else STOP if stopped else TARGET
            row += 1
        return NO_EXIT
