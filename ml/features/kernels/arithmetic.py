"""What several families share."""

import math

import numpy as np

from market.bars import Float64s
from market.compiled import kernel


@kernel
def ratio(part: float, whole: float) -> float:
    """part / whole; 0 where the whole is 0 (a flat market). NaN stays NaN."""
    if whole > 0.0:
        return part / whole
    return part * whole if math.isnan(whole) else 0.0


@kernel
def sign(value: float) -> float:
    """−1, 0 or +1; NaN stays NaN."""
    if value > 0.0:
        return 1.0
    if value < 0.0:
        return -1.0
    return value * 0.0


@kernel
def share_below(values: Float64s, row: int, bars: int) -> float:
    """Share of the other bars − 1 values up to `row` that are below the value at `row`, 0–1."""
    if row < bars - 1 or math.isnan(values[row - bars + 1]):
        return np.nan
    below = 0
    for i in range(row - bars + 1, row):
        below += values[i] < values[row]
    return below / (bars - 1.0)
