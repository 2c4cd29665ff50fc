"""How far prices move: ATR and its percentiles, standard deviations, Bollinger bands."""

import math

import numpy as np

from market.bars import Float64s
from market.compiled import kernel
from ml.features.kernels.arithmetic import ratio, share_below


@kernel
def one_bar_returns(close: Float64s, first: int) -> Float64s:
    """Log return of each bar on the close before it, from row `first` on; NaN before."""
    out = np.full(len(close), np.nan)
    for row in range(max(first, 1), len(close)):
        out[row] = math.log(close[row] / close[row - 1])
    return out


@kernel
def deviation(values: Float64s, row: int, bars: int, fewer: int) -> float:
    """Standard deviation of `bars` values up to `row`; squares are divided by `bars` − `fewer`."""
    mean = 0.0
    for i in range(row - bars + 1, row + 1):
        mean += values[i]
    mean /= bars
    squares = 0.0
    for i in range(row - bars + 1, row + 1):
        squares += (values[i] - mean) * (values[i] - mean)
    return math.sqrt(squares / (bars - fewer))


@kernel
def volatility(returns: Float64s, row: int) -> float:
    return deviation(returns, row, 20, 1) if row >= 20 else np.nan


@kernel
def band(close: Float64s, row: int) -> tuple[float, float]:
    """(middle, half width) of the Bollinger band: mean and two deviations of 20 closes."""
    if row < 19:
        return np.nan, np.nan
    mean = 0.0
    for i in range(row - 19, row + 1):
        mean += close[i]
    return mean / 20.0, 2.0 * deviation(close, row, 20, 0)


@kernel
def bb_position(close: float, middle: float, half: float) -> float:
    """0 at the lower band, 1 at the upper; 0.5 where the band has no width."""
    return 0.5 if half == 0.0 else (close - middle + half) / (2.0 * half)


@kernel
def bb_squeeze(widths: Float64s, row: int) -> float:
    place = share_below(widths, row, 96)
    if math.isnan(place):
        return np.nan
    return 1.0 if place < 0.2 else 0.0


@kernel
def fill(
    out: Float64s, first: int, high: Float64s, low: Float64s, close: Float64s, atr: Float64s
) -> None:
    before = max(first - 95, 0)
    returns = one_bar_returns(close, before)
    atr_share, widths = np.full(len(close), np.nan), np.full(len(close), np.nan)
    for row in range(before, len(close)):
        atr_share[row] = atr[row] / close[row]
        middle, half = band(close, row)
        widths[row] = ratio(2.0 * half, middle)
        if row < first:
            continue
        into = out[row - first]
        into[0] = atr_share[row]
        into[1] = share_below(atr_share, row, 96)
        into[2] = volatility(returns, row)
        into[3] = widths[row]
        into[4] = bb_position(close[row], middle, half)
        into[5] = bb_squeeze(widths, row)
        into[6] = ratio(high[row] - low[row], atr[row])


@kernel
def fill_regime(out: Float64s, first: int, atr: Float64s) -> None:
    for row in range(first, len(atr)):
        out[row - first, 0] = share_below(atr, row, 500)
