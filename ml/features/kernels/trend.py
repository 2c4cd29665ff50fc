"""Where the price stands: ADX, moving averages, round prices, today's range, efficiency."""

import math

import numpy as np

from market.bars import Float64s, Int64s
from market.compiled import kernel
from ml.features.kernels.arithmetic import ratio, sign

DAY_MS = 86_400_000


@kernel
def ema_stack(fast: float, middle: float, slow: float) -> float:
    upper, lower = sign(fast - middle), sign(middle - slow)
    if math.isnan(upper) or math.isnan(lower):
        return np.nan
    return upper if upper == lower else 0.0


@kernel
def ema50_slope(ema50: Float64s, atr: Float64s, row: int) -> float:
    return ratio(ema50[row] - ema50[row - 8], atr[row]) if row >= 8 else np.nan


@kernel
def dist_to_round_number(close: float, atr: float, step: float) -> float:
    nearest = math.floor(close / step + 0.5) * step
    return ratio(abs(close - nearest), atr)


@kernel
def near_daily_high_low(
    open_ms: Int64s, high: Float64s, low: Float64s, close: Float64s, row: int
) -> float:
    """−1 at today's low so far, +1 at its high, 0 where the day has no range."""
    start = np.searchsorted(open_ms, open_ms[row] // DAY_MS * DAY_MS)
    if start == 0:
        return np.nan
    top, bottom = high[row], low[row]
    for i in range(start, row):
        top, bottom = max(top, high[i]), min(bottom, low[i])
    return ratio(2.0 * close[row] - top - bottom, top - bottom)


@kernel
def market_quality(close: Float64s, row: int) -> float:
    if row < 32:
        return np.nan
    path = 0.0
    for i in range(row - 31, row + 1):
        path += abs(close[i] - close[i - 1])
    return ratio(abs(close[row] - close[row - 32]), path)


@kernel
def fill(
    out: Float64s,
    first: int,
    open_ms: Int64s,
    high: Float64s,
    low: Float64s,
    close: Float64s,
    atr: Float64s,
    adx: Float64s,
    di_diff: Float64s,
    ema20: Float64s,
    ema50: Float64s,
    ema200: Float64s,
    round_step: float,
) -> None:
    for row in range(first, len(close)):
        into = out[row - first]
        into[0] = adx[row]
        into[1] = di_diff[row]
        into[2] = ratio(close[row] - ema20[row], atr[row])
        into[3] = ratio(close[row] - ema50[row], atr[row])
        into[4] = ratio(close[row] - ema200[row], atr[row])
        into[5] = ema_stack(ema20[row], ema50[row], ema200[row])
        into[6] = ema50_slope(ema50, atr, row)
        into[7] = dist_to_round_number(close[row], atr[row], round_step)
        into[8] = near_daily_high_low(open_ms, high, low, close, row)
        into[9] = market_quality(close, row)
