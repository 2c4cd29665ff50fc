"""The shape of the last candle, and how many candles go against the move."""

import numpy as np

from market.bars import Float64s
from market.compiled import kernel
from ml.features.kernels.arithmetic import ratio, sign


@kernel
def adverse_candle_ratio(open_: Float64s, close: Float64s, row: int) -> float:
    if row < 12:
        return np.nan
    move = sign(close[row] - close[row - 12])
    against = 0
    for i in range(row - 11, row + 1):
        against += move * sign(close[i] - open_[i]) < 0.0
    return against / 12.0


@kernel
def fill(
    out: Float64s, first: int, open_: Float64s, high: Float64s, low: Float64s, close: Float64s
) -> None:
    for row in range(first, len(close)):
        into = out[row - first]
        top, bottom = max(open_[row], close[row]), min(open_[row], close[row])
        span = high[row] - low[row]
        into[0] = sign(close[row] - open_[row])
        into[1] = adverse_candle_ratio(open_, close, row)
        into[2] = ratio(top - bottom, span)
        into[3] = ratio(high[row] - top, span)
        into[4] = ratio(bottom - low[row], span)
