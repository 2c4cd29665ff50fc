"""Market structure, one side of it: swing highs, the closes that break them, order blocks.

The other side is the same seen upside down: the callers give −low for `high`, −close for `close`
and so on. A negated number has the same digits, so no comparison and no difference changes.

A swing stands at the row of its extreme but is known only `SWING` bars later: whoever reads
`tops[s]` at a row before s + SWING looks into the future.
"""

import numpy as np
from numpy.typing import NDArray

from market.bars import Float64s, Int64s
from market.compiled import kernel

SWING = 10  # bars on each side of an extreme
LIFE = 240  # a structure is one of the last 240 bars, the row's own included: 60 hours

Int8s = NDArray[np.int8]
Flags = NDArray[np.bool_]


@kernel
def is_swing_high(high: Float64s, row: int) -> bool:
    """Above each of the 10 highs before, and not below any of the 10 after."""
    if row < SWING or row + SWING >= len(high):
        return False
    for i in range(1, SWING + 1):
        if high[row - i] >= high[row] or high[row + i] > high[row]:
            return False
    return True


@kernel
def swing_highs(high: Float64s) -> Flags:
    """Which rows are swing highs; of the last 10 that cannot be known."""
    tops = np.zeros(len(high), np.bool_)
    for row in range(len(high)):
        tops[row] = is_swing_high(high, row)
    return tops


@kernel
def broken_swings(high: Float64s, close: Float64s, tops: Flags) -> Int64s:
    """The row of the swing high that each row's close breaks, −1 for none.

    Only the last known swing high can be broken, by the first close above it, while it is among
    the last 240 bars.
    """
    broken = np.full(len(close), -1, np.int64)
    top, whole = -1, False
    for row in range(SWING, len(close)):
        if tops[row - SWING]:
            top, whole = row - SWING, True
        if whole and row - top < LIFE and close[row] > high[top]:
            broken[row] = top
            whole = False
    return broken


@kernel
def order_blocks(open_: Float64s, low: Float64s, close: Float64s, broken: Int64s) -> Int64s:
    """The row of the order block that each row's break upwards confirms, −1 for none.

    It is the last candle that closed below its open, from the broken swing's bar to the lowest of
    the lows after it up to the break (the later one of equal lows).
    """
    blocks = np.full(len(close), -1, np.int64)
    for row in range(len(close)):
        if broken[row] < 0:
            continue
        origin = broken[row] + 1
        for i in range(broken[row] + 1, row + 1):
            if low[i] <= low[origin]:
                origin = i
        for i in range(broken[row], origin + 1):
            if close[i] < open_[i]:
                blocks[row] = i
    return blocks


@kernel
def break_kinds(broken_up: Int64s, broken_down: Int64s) -> tuple[Int8s, Int8s]:
    """(side, kind) of each row's break: side +1 up, −1 down; 0 for no break.

    Kind +1 continues the break before it (BOS), −1 turns against it (CHoCH); 0 where that one is
    not among the last 240 bars.
    """
    side, kind = np.zeros(len(broken_up), np.int8), np.zeros(len(broken_up), np.int8)
    before = -LIFE
    for row in range(len(side)):
        if broken_up[row] < 0 and broken_down[row] < 0:
            continue
        side[row] = 1 if broken_up[row] >= 0 else -1
        if row - before < LIFE:
            kind[row] = side[row] * side[before]
        before = row
    return side, kind
