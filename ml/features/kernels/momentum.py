"""Momentum: returns over several spans, RSI, MACD, stochastic, acceleration and run lengths."""

import math

import numpy as np

from market.bars import Float64s
from market.compiled import kernel
from ml.features.kernels.arithmetic import ratio, sign


@kernel
def scaled_return(close: Float64s, atr: Float64s, row: int, bars: int) -> float:
    if row < bars:
        return np.nan
    return ratio(math.log(close[row] / close[row - bars]), atr[row] / close[row])


@kernel
def rsi_slope(rsi: Float64s, row: int) -> float:
    return rsi[row] - rsi[row - 3] if row >= 3 else np.nan


@kernel
def stoch_k(high: Float64s, low: Float64s, close: Float64s, row: int) -> float:
    if row < 13:
        return np.nan
    top, bottom = high[row], low[row]
    for i in range(row - 13, row):
        top, bottom = max(top, high[i]), min(bottom, low[i])
    return (close[row] - bottom) / (top - bottom) if top > bottom else 0.5


@kernel
def price_acceleration(close: Float64s, atr: Float64s, row: int) -> float:
    if row < 8:
        return np.nan
    now = math.log(close[row] / close[row - 4])
    before = math.log(close[row - 4] / close[row - 8])
    return ratio(now - before, atr[row] / close[row])


@kernel
def momentum_decay(close: Float64s, row: int) -> float:
    if row < 19:
        return np.nan
    largest = 0.0
    for i in range(row - 15, row + 1):
        largest = max(largest, abs(close[i] - close[i - 4]))
    return ratio(close[row] - close[row - 4], largest)


@kernel
def consecutive_direction(close: Float64s, row: int) -> float:
    if row < 8:
        return np.nan
    direction = sign(close[row] - close[row - 1])
    run = 1
    while run < 8 and sign(close[row - run] - close[row - run - 1]) == direction:
        run += 1
    return direction * run / 8.0


@kernel
def fill(
    out: Float64s,
    first: int,
    high: Float64s,
    low: Float64s,
    close: Float64s,
    atr: Float64s,
    rsi: Float64s,
    macd_line: Float64s,
    macd_hist: Float64s,
) -> None:
    for row in range(first, len(close)):
        into = out[row - first]
        into[0] = scaled_return(close, atr, row, 1)
        into[1] = scaled_return(close, atr, row, 4)
        into[2] = scaled_return(close, atr, row, 16)
        into[3] = scaled_return(close, atr, row, 96)
        into[4] = rsi[row]
        into[5] = rsi_slope(rsi, row)
        into[6] = ratio(macd_hist[row], atr[row])
        into[7] = ratio(macd_line[row], atr[row])
        into[8] = stoch_k(high, low, close, row)
        into[9] = price_acceleration(close, atr, row)
        into[10] = momentum_decay(close, row)
        into[11] = consecutive_direction(close, row)
