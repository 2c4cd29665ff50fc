"""Tick volume against its mean, and which way it went."""

import math

import numpy as np

from market.bars import Float64s, Int64s
from market.compiled import kernel
from ml.features.kernels.arithmetic import ratio, sign


@kernel
def volume_ratio(tick_volume: Int64s, row: int) -> float:
    if row < 49:
        return np.nan
    total = 0
    for i in range(row - 49, row + 1):
        total += tick_volume[i]
    return ratio(50.0 * tick_volume[row], float(total))


@kernel
def volume_surge(times_mean: float) -> float:
    if math.isnan(times_mean):
        return np.nan
    return 1.0 if times_mean > 2.0 else 0.0


@kernel
def volume_delta(open_: Float64s, close: Float64s, tick_volume: Int64s, row: int) -> float:
    if row < 11:
        return np.nan
    signed, total = 0.0, 0.0
    for i in range(row - 11, row + 1):
        signed += sign(close[i] - open_[i]) * tick_volume[i]
        total += tick_volume[i]
    return ratio(signed, total)


@kernel
def fill(out: Float64s, first: int, open_: Float64s, close: Float64s, tick_volume: Int64s) -> None:
    for row in range(first, len(close)):
        into = out[row - first]
        times_mean = volume_ratio(tick_volume, row)
        into[0] = times_mean
        into[1] = volume_surge(times_mean)
        into[2] = volume_delta(open_, close, tick_volume, row)
