"""The one rule that says when and where a stop or a target fills inside bars.

Labels, the simulated terminal and shadow fills all call `first_exit`. Prices are integer ticks, so
a touch is exact. Bars are bid; the ask is bid + spread.

The rule, bar by bar (bridge semantics B3–B5):

1. First tick of the bar: bid = open, ask = open + the spread of the *previous* bar (a bar's own
   spread is known only later). A level that this tick is beyond fills at this tick: worse than
   the stop, or better than the target. The tick a position was opened on is not such a tick.
2. Interior, one step: a touched stop fills at the stop, a touched target at the target. Both
   touched is the stop, and `ambiguous`. Longs compare bid with their levels, shorts ask; if the
   bar's own spread already puts the opening ask beyond a short's stop, it fills there.
"""

import numpy as np

from market.bars import Bars, Int64s
from market.compiled import kernel

NO_EXIT = 0
STOP = 1
TARGET = 2


@kernel
def first_exit(
    side: int,
    sl: int,
    tp: int,
    open_ticks: Int64s,
    high_ticks: Int64s,
    low_ticks: Int64s,
    spread_ticks: Int64s,
    first: int,
    last: int,
    opened_at_first: bool,
) -> tuple[int, int, int, bool, bool]:
    """First bar in [first, last) whose prices close a position, and how.

    `side` is +1 long or −1 short; `sl` and `tp` are levels in ticks, 0 for none. `opened_at_first`:
    the position was opened on the first tick of bar `first`.

    Returns (row, fill ticks, kind, at_open, ambiguous); row −1 and `NO_EXIT` when none does.
    """
    for row in range(first, last):
        spread_before = spread_ticks[row - 1] if row > 0 else spread_ticks[row]
        if row != first or not opened_at_first:
            tick = open_ticks[row] if side > 0 else open_ticks[row] + spread_before
            if sl != 0 and side * (tick - sl) <= 0:
                return row, tick, STOP, True, False
            if tp != 0 and side * (tick - tp) >= 0:
                return row, tick, TARGET, True, False
        spread = 0 if side > 0 else spread_ticks[row]
        worst = low_ticks[row] if side > 0 else high_ticks[row] + spread
        best = high_ticks[row] if side > 0 else low_ticks[row] + spread
        stopped = sl != 0 and side * (worst - sl) <= 0
        reached = tp != 0 and side * (best - tp) >= 0
        if stopped:
            fill = sl
            if side < 0 and open_ticks[row] + spread > sl:
                fill = open_ticks[row] + spread
            return row, fill, STOP, False, reached
        if reached:
            return row, tp, TARGET, False, False
    return -1, 0, NO_EXIT, False, False


def ticks(
    bars: Bars, tick_size: float, point: float
) -> tuple[Int64s, Int64s, Int64s, Int64s, Int64s]:
    """Open, high, low, close and spread of bars in integer ticks."""
    prices = (bars.open, bars.high, bars.low, bars.close)
    in_ticks = [np.rint(price / tick_size).astype(np.int64) for price in prices]
    spread = np.rint(bars.spread_points * (point / tick_size)).astype(np.int64)
    return in_ticks[0], in_ticks[1], in_ticks[2], in_ticks[3], spread
