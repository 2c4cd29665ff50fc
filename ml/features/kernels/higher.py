"""Higher timeframes, read from their last completed bar; today's open is the exception.

`completed[i]` is the row of the last completed higher bar for the i-th asked row, −1 for none.
"""

import numpy as np

from market.bars import Float64s, Int64s
from market.compiled import kernel
from market.indicators import finite_ema, finite_wilder_rsi
from ml.features.kernels.arithmetic import ratio, sign

DAY_MS = 86_400_000
D1_BARS = 60
W1_BARS = 16


@kernel
def fill_intraday(
    out: Float64s,
    completed: Int64s,
    age_ms: Int64s,
    max_age_ms: int,
    close: Float64s,
    atr: Float64s,
    rsi: Float64s,
    ema20: Float64s,
    macd_hist: Float64s,
) -> None:
    """RSI, (close − EMA20) / ATR and, where `out` has a third column, the sign of MACD.

    `age_ms`: from the completed bar's open to the asked row's open.
    """
    for i in range(len(completed)):
        at = completed[i]
        if at < 0 or age_ms[i] > max_age_ms:
            continue
        out[i, 0] = rsi[at]
        out[i, 1] = ratio(close[at] - ema20[at], atr[at])
        if out.shape[1] > 2:
            out[i, 2] = sign(macd_hist[at])


@kernel
def daily(close: Float64s, first: int) -> tuple[Float64s, Float64s]:
    """(sign of close − EMA20, RSI) of each D1 bar from `first` on that has 60 whole bars.

    Row 0 may be half a day and does not count.
    """
    trend, rsi = np.full(len(close), np.nan), np.full(len(close), np.nan)
    for at in range(max(first, D1_BARS), len(close)):
        trend[at] = sign(close[at] - finite_ema(close, at, D1_BARS, 20, 20))
        rsi[at] = finite_wilder_rsi(close, at, D1_BARS, 14)
    return trend, rsi


@kernel
def weekly(close: Float64s, first: int) -> tuple[Float64s, Float64s]:
    """((close − EMA10) / close, RSI of simple means) of each W1 bar that has 16 whole bars."""
    bias, rsi = np.full(len(close), np.nan), np.full(len(close), np.nan)
    for at in range(max(first, W1_BARS), len(close)):
        bias[at] = (close[at] - finite_ema(close, at, W1_BARS, 10, 1)) / close[at]
        rsi[at] = finite_wilder_rsi(close, at, 15, 14)
    return bias, rsi


@kernel
def fill_finite(
    out: Float64s,
    open_ms: Int64s,
    completed: Int64s,
    higher_open_ms: Int64s,
    bars: int,
    reach_ms: int,
    left: Float64s,
    right: Float64s,
) -> None:
    """Two columns of a finite window; NaN where its oldest bar opened `reach_ms` ago or earlier."""
    for i in range(len(completed)):
        oldest = completed[i] - bars + 1
        if oldest >= 1 and open_ms[i] - higher_open_ms[oldest] < reach_ms:
            out[i, 0] = left[completed[i]]
            out[i, 1] = right[completed[i]]


@kernel
def fill_d1_open(
    out: Float64s, first: int, open_ms: Int64s, open_: Float64s, close: Float64s, atr: Float64s
) -> None:
    """(close − open of today's first bar) / ATR, which is NaN where that bar may be missing."""
    for row in range(first, len(close)):
        start = np.searchsorted(open_ms, open_ms[row] // DAY_MS * DAY_MS)
        out[row - first, 0] = ratio(close[row] - open_[start], atr[row])
