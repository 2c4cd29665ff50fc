"""The last M1 bars before a close: exactly `BARS` of them, and none older than `REACH_MS`.

Recursions run over these bars alone, so a live window of `BARS` bars gives the bits of the whole
file. Volumes are summed as integers; the sums are exact.
"""

import math

import numpy as np

from market.bars import Float64s, Int64s
from market.compiled import kernel
from market.indicators import finite_wilder_rsi
from ml.features.kernels.arithmetic import ratio

MINUTE_MS = 60_000
BARS = 25
REACH_MS = 60 * MINUTE_MS


@kernel
def price_accel(close: Float64s, row: int) -> float:
    return close[row] / close[row - 5] - 1.0


@kernel
def volume_ratio(tick_volume: Int64s, row: int) -> float:
    last, before = 0.0, 0.0
    for i in range(row - 4, row + 1):
        last += tick_volume[i]
        before += tick_volume[i - 5]
    return ratio(last, before)


@kernel
def range_mean(high: Float64s, low: Float64s, close: Float64s, row: int) -> float:
    """Wilder's ATR(3) over the `BARS` − 1 true ranges up to `row`, over the close.

    Seeded by the mean of the first three.
    """
    level = 0.0
    start = row - BARS + 2
    for i in range(start, row + 1):
        span = max(high[i], close[i - 1]) - min(low[i], close[i - 1])
        level += span / 3.0 if i < start + 3 else (span - level) / 3.0
    return level / close[row]


@kernel
def fill(
    out: Float64s,
    close_ms: Int64s,
    open_ms: Int64s,
    open_: Float64s,
    high: Float64s,
    low: Float64s,
    close: Float64s,
    tick_volume: Int64s,
    neutral: Float64s,
) -> None:
    """One row per close; `neutral` where the last `BARS` closed bars reach back too far."""
    for i in range(len(close_ms)):
        at = np.searchsorted(open_ms, close_ms[i] - MINUTE_MS, side="right") - 1
        if at < BARS - 1 or close_ms[i] - open_ms[at - BARS + 1] > REACH_MS:
            out[i] = neutral
            continue
        out[i, 0] = price_accel(close, at)
        out[i, 1] = volume_ratio(tick_volume, at)
        out[i, 2] = finite_wilder_rsi(close, at, BARS, 9)
        out[i, 3] = range_mean(high, low, close, at)
        out[i, 4] = ratio(math.fabs(close[at] - open_[at]), high[at] - low[at])
