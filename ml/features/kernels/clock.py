"""The UTC clock at the bar's open, on circles."""

import math

from market.bars import Float64s, Int64s
from market.compiled import kernel

DAY_MS = 86_400_000


@kernel
def fill(out: Float64s, open_ms: Int64s) -> None:
    """Sine and cosine of the time of day and of the weekday (Monday = 0)."""
    for row in range(len(open_ms)):
        day = 2.0 * math.pi * (open_ms[row] % DAY_MS) / DAY_MS
        week = 2.0 * math.pi * ((open_ms[row] // DAY_MS + 3) % 7) / 7.0
        out[row, 0] = math.sin(day)
        out[row, 1] = math.cos(day)
        out[row, 2] = math.sin(week)
        out[row, 3] = math.cos(week)
