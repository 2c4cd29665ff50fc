"""Smart-money structure: order blocks, gaps, breaks and pools, as each row's own bars show them.

A row goes back through what its last 240 bars confirmed, newest first, and knows the lowest low
since each of them: that tells what is mitigated by now. Like `structure`, the functions here see
one side, what lies under the price; `fill` shows them the bars upside down for the other.
"""

import math

import numpy as np

from market.bars import Float64s, Int64s
from market.compiled import kernel
from ml.features.kernels.arithmetic import ratio
from ml.features.kernels.structure import (
    LIFE,
    SWING,
    Flags,
    Int8s,
    break_kinds,
    broken_swings,
    order_blocks,
    swing_highs,
)

VOLUME_BARS = 50
# The mean of a block's volume, before the oldest swing of the oldest break.
REACH = 2 * (LIFE - 1) + VOLUME_BARS
FAR = 10.0  # ATR; also the distance of what is not there
NEAR = 3.0  # ATR
POOL_WIDTH = 0.5  # ATR
RECENT = 8  # bars


@kernel
def chain(marked: Flags, low: Float64s) -> tuple[Int64s, Float64s]:
    """For each row: (the last marked row up to it or −1, the lowest low after that one)."""
    mark, lowest = np.full(len(low), -1, np.int64), np.full(len(low), np.inf)
    for row in range(len(low)):
        if marked[row]:
            mark[row] = row
        elif row > 0:
            mark[row] = mark[row - 1]
            lowest[row] = min(lowest[row - 1], low[row])
    return mark, lowest


@kernel
def gaps(high: Float64s, low: Float64s) -> Flags:
    """Which rows confirm a gap below: their low is above the high two bars before."""
    found = np.zeros(len(low), np.bool_)
    for row in range(2, len(low)):
        found[row] = low[row] > high[row - 2]
    return found


@kernel
def gap_below(row: int, high: Float64s, low: Float64s, mark: Int64s, after: Float64s) -> float:
    """The highest top of what is left of the open gaps; −inf without one.

    The newest open one has it: what fell into a newer gap fell through the tops of the older.
    """
    lowest, at = np.inf, row
    while mark[at] > row - LIFE and mark[at] >= 0:
        lowest, at = min(lowest, after[at]), mark[at]
        if lowest > high[at - 2]:
            return min(low[at], lowest)
        lowest, at = min(lowest, low[at]), at - 1
    return -np.inf


@kernel
def block_below(
    row: int, high: Float64s, low: Float64s, blocks: Int64s, mark: Int64s, after: Float64s
) -> tuple[float, int]:
    """(highest top of the unmitigated blocks, row of the newest one's break); −inf and −1."""
    top, newest = -np.inf, -1
    lowest, at = np.inf, row
    while mark[at] > row - LIFE and mark[at] >= 0:
        lowest, at = min(lowest, after[at]), mark[at]
        if lowest >= low[blocks[at]]:
            top, newest = max(top, high[blocks[at]]), max(newest, at)
        lowest, at = min(lowest, low[at]), at - 1
    return top, newest


@kernel
def pool_below(row: int, low: Float64s, atr: Float64s, mark: Int64s, after: Float64s) -> float:
    """The highest pool of two swing lows; −inf without one.

    Going back, swing lows that still hold are ever lower, so two neighbours are the closest.
    """
    later = -1
    lowest, at = np.inf, row
    while mark[at] > row - LIFE and mark[at] >= 0:
        lowest, at = min(lowest, after[at]), mark[at]
        if at + SWING <= row and low[at] <= lowest:
            if later >= 0 and low[later] - low[at] <= POOL_WIDTH * atr[later + SWING]:
                return low[later]
            later = at
        lowest, at = min(lowest, low[at]), at - 1
    return -np.inf


@kernel
def distance(price: float, level: float, atr: float) -> float:
    """(price − level) in ATR, at most 10 either way; 10 where there is no level."""
    if math.isinf(level):
        return FAR
    return min(max(ratio(price - level, atr), -FAR), FAR)


@kernel
def latest(side: Int8s, kind: Int8s, wanted: int, row: int, bars: int) -> float:
    """Side of the latest break among the last `bars` bars, of the wanted kind (0: any); else 0."""
    for i in range(row, row - bars, -1):
        if side[i] != 0 and (wanted == 0 or kind[i] == wanted):
            return float(side[i])
    return 0.0


@kernel
def volume_at(volume: Int64s, row: int) -> float:
    """Tick volume over its mean of the last 50 bars, both as of `row`; 0 for row −1."""
    if row < 0:
        return 0.0
    total = 0.0
    for i in range(row - VOLUME_BARS + 1, row + 1):
        total += volume[i]
    return ratio(volume[row] * VOLUME_BARS, total)


@kernel
def fill_side(
    out: Float64s,
    first: int,
    open_: Float64s,
    high: Float64s,
    low: Float64s,
    close: Float64s,
    atr: Float64s,
    broken: Int64s,
    bottoms: Flags,
) -> tuple[Int64s, Int64s]:
    """Block present, block distance, gap present, gap distance, pool distance in the columns.

    Returns for each row the break and the candle of the last order block, −1 for none.
    """
    blocks = order_blocks(open_, low, close, broken)
    block_mark, after_block = chain(blocks >= 0, low)
    gap_mark, after_gap = chain(gaps(high, low), low)
    swing_mark, after_swing = chain(bottoms, low)
    confirmed, candle = np.full(len(low), -1, np.int64), np.full(len(low), -1, np.int64)
    for row in range(max(first, REACH - 1), len(low)):
        into = out[row - first]
        top, at = block_below(row, high, low, blocks, block_mark, after_block)
        gap = gap_below(row, high, low, gap_mark, after_gap)
        pool = pool_below(row, low, atr, swing_mark, after_swing)
        into[1] = distance(close[row], top, atr[row])
        into[0] = 1.0 if into[1] <= NEAR else 0.0
        into[2] = 0.0 if math.isinf(gap) else 1.0
        into[3] = distance(close[row], gap, atr[row])
        into[4] = distance(close[row], pool, atr[row])
        if at >= 0:
            confirmed[row], candle[row] = at, blocks[at]
    return confirmed, candle


@kernel
def fill(
    out: Float64s,
    first: int,
    open_: Float64s,
    high: Float64s,
    low: Float64s,
    close: Float64s,
    volume: Int64s,
    atr: Float64s,
) -> None:
    """Rows from `first` on. The columns need only the `REACH` − 1 rows before it."""
    tops, bottoms = swing_highs(high), swing_highs(-low)
    up, down = broken_swings(high, close, tops), broken_swings(-low, -close, bottoms)
    side, kind = break_kinds(up, down)
    under, over = np.empty((len(out), 5)), np.empty((len(out), 5))
    bull_at, demand = fill_side(under, first, open_, high, low, close, atr, up, bottoms)
    bear_at, supply = fill_side(over, first, -open_, -low, -high, -close, atr, down, tops)
    for row in range(max(first, REACH - 1), len(close)):
        if math.isnan(atr[row - REACH + 1]):
            continue
        into, below, above = out[row - first], under[row - first], over[row - first]
        into[0], into[1] = below[0], above[0]
        into[2], into[3] = below[1], above[1]
        into[4] = volume_at(volume, demand[row] if bull_at[row] > bear_at[row] else supply[row])
        into[5], into[6] = above[2], below[2]
        into[7], into[8] = above[3], below[3]
        into[9] = latest(side, kind, 1, row, RECENT)
        into[10] = latest(side, kind, -1, row, RECENT)
        into[11] = latest(side, kind, 0, row, LIFE)
        into[12], into[13] = above[4], below[4]
