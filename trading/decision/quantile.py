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
    return np.asarray(_roll(open_ms, margin, lookback_ms, top_share, needed))


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
    return float(window[len(window) - _rank(len(window), top_share)])


def _needed(lookback_ms: int, min_filled_share: float, bar_ms: int) -> int:
    return max(1, int(np.ceil(lookback_ms / bar_ms * min_filled_share)))


@kernel
def _rank(count: int, top_share: float) -> int:
    return max(1, int(count * top_share))


@kernel
def _roll(
    open_ms: Int64s, margin: Float64s, lookback_ms: int, top_share: float, needed: int
) -> Float64s:
    out = np.full(len(margin), np.nan)
    ordered = np.empty(len(margin) + 1)
    count, oldest = 0, 0
    for row in range(len(margin)):
        while open_ms[oldest] < open_ms[row] - lookback_ms:
            if not np.isnan(margin[oldest]):
                count = _take_out(ordered, count, margin[oldest])
            oldest += 1
        if count >= needed:
            out[row] = ordered[count - _rank(count, top_share)]
        if not np.isnan(margin[row]):
            count = _put_in(ordered, count, margin[row])
    return out


@kernel
def _put_in(ordered: Float64s, count: int, value: float) -> int:
    place = np.searchsorted(ordered[:count], value)
    for i in range(count, place, -1):
        ordered[i] = ordered[i - 1]
    ordered[place] = value
    return count + 1


@kernel
def _take_out(ordered: Float64s, count: int, value: float) -> int:
    place = np.searchsorted(ordered[:count], value)
    for i in range(place, count - 1):
        ordered[i] = ordered[i + 1]
    return count - 1
