"""Published values as they were known at a bar's close."""

import numpy as np

from market.bars import Float64s, Int64s
from market.compiled import kernel

FUNDING_CLIP = 0.003


@kernel
def as_of(close_ms: Int64s, known_ms: Int64s, value: Float64s, max_age_ms: int) -> Float64s:
    """The last value known at each close; NaN before the first and where the last is too old."""
    out = np.full(len(close_ms), np.nan)
    for row in range(len(close_ms)):
        at = np.searchsorted(known_ms, close_ms[row], side="right") - 1
        if at >= 0 and close_ms[row] - known_ms[at] <= max_age_ms:
            out[row] = value[at]
    return out


@kernel
def scale(out: Float64s) -> None:
    """Funding rate, change of open interest and index in the columns, into −1 … 1 and 0 … 1."""
    for row in range(len(out)):
        out[row, 0] = min(max(out[row, 0], -FUNDING_CLIP), FUNDING_CLIP) / FUNDING_CLIP
        out[row, 1] = min(max(out[row, 1], -1.0), 1.0)
        out[row, 2] = out[row, 2] / 100.0
