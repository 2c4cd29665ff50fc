"""The rolling floor under the margin: an exact order statistic of strictly earlier margins.

With n margins inside the look-back, the floor is the k-th largest, k = max(1, ⌊n · top_share⌋). An
order statistic is one of the values, so a rolling batch and one row alone give the same bits.
"""

import numpy as np

from market.bars import Float64s, Int64s
from market.compiled import kernel
from market.timeframe import Timeframe

_BAR_MS = Timeframe.M15.ms


def rolling_floor(
    open_ms: Int64s,
    margin: Float64s,
    *,
    lookback_ms: int,
    top_share: float,
    min_filled_share: float,
    bar_ms: int = _BAR_MS,
) -> Float64s:
    """The floor of every row, from the margins of bars that open in [open − look-back, open).

    NaN margins do not count. A row is NaN while fewer than `min_filled_share` of the bars that
    fit into the look-back have a margin.
    """
    needed = _needed(lookback_ms, min_filled_share, bar_ms)
    ascending = np.argsort(margin, kind="stable")
    # + 0.0: no floor is −0.0, which a sort may give as well as 0.0
    return np.asarray(_roll(open_ms, margin, ascending, lookback_ms, top_share, needed)) + 0.0


def floor_at(
    open_ms: Int64s,
    margin: Float64s,
    at_ms: int,
    *,
    lookback_ms: int,
    top_share: float,
    min_filled_share: float,
    bar_ms: int = _BAR_MS,
) -> float:
    """The floor of the bar that opens at `at_ms`; equal to `rolling_floor` at that row."""
    first, last = np.searchsorted(open_ms, [at_ms - lookback_ms, at_ms])
    window = margin[first:last]
    window = np.sort(window[~np.isnan(window)])
    if len(window) < _needed(lookback_ms, min_filled_share, bar_ms):
        return float("nan")
    return float(window[len(window) - _rank(len(window), top_share)]) + 0.0


def _needed(lookback_ms: int, min_filled_share: float, bar_ms: int) -> int:
    return max(1, int(np.ceil(lookback_ms / bar_ms * min_filled_share)))


@kernel
def _rank(count: int, top_share: float) -> int:
    return max(1, int(count * top_share))


@kernel
def _roll(
    open_ms: Int64s, margin: Float64s, ascending: Int64s, lookback_ms: int, top_share: float,
    needed: int,
) -> Float64s:  # fmt: skip
    """`ascending`: the rows in the order of their margins, NaN last. The margins inside the
    look-back are counted by their place in that order, in a binary indexed tree (Fenwick 1994)."""
    out = np.full(len(margin), np.nan)
    place = np.empty(len(margin), dtype=np.int64)
    for at in range(len(margin)):
        place[ascending[at]] = at
    counts = np.zeros(len(margin) + 1, dtype=np.int64)
    inside, oldest = 0, 0
    for row in range(len(margin)):
        while open_ms[oldest] < open_ms[row] - lookback_ms:
            if not np.isnan(margin[oldest]):
                _count(counts, place[oldest], -1)
                inside -= 1
            oldest += 1
        if inside >= needed:
            nth = inside - _rank(inside, top_share)
            out[row] = margin[ascending[_nth_place(counts, nth)]]
        if not np.isnan(margin[row]):
            _count(counts, place[row], 1)
            inside += 1
    return out


@kernel
def _count(counts: Int64s, place: int, change: int) -> None:
    at = place + 1
    while at < len(counts):
        counts[at] += change
        at += at & -at


@kernel
def _nth_place(counts: Int64s, nth: int) -> int:
    """The place of the nth counted one, from 0 on."""
    step = 1
    while 2 * step < len(counts):
        step *= 2
    at, left = 0, nth
    while step > 0:
        if at + step < len(counts) and counts[at + step] <= left:
            at += step
            left -= counts[at]
        step //= 2
    return at
