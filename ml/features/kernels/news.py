"""The economic calendar as it was known at the bar's close."""

import numpy as np

from market.bars import Float64s, Int64s
from market.compiled import kernel

MINUTE_MS = 60_000
DAY_MS = 86_400_000
NEAR_MS = 30 * MINUTE_MS
HIGH_IMPACT = 3


@kernel
def high_impact_between(
    time_ms: Int64s,
    impact: Int64s,
    known_ms: Int64s,
    until_ms: Int64s,
    now_ms: int,
    from_ms: int,
    to_ms: int,
) -> tuple[int, int]:
    """(count, time of the first) of high-impact events in [from, to], as known now."""
    count, earliest = 0, -1
    i = np.searchsorted(time_ms, from_ms)
    while i < len(time_ms) and time_ms[i] <= to_ms:
        if impact[i] >= HIGH_IMPACT and known_ms[i] <= now_ms < until_ms[i]:
            count += 1
            if earliest < 0:
                earliest = time_ms[i]
        i += 1
    return count, earliest


@kernel
def next_impact(
    time_ms: Int64s, impact: Int64s, known_ms: Int64s, until_ms: Int64s, now_ms: int
) -> int:
    """Largest impact of the next known instant with events within a day; 0 for none."""
    largest, at = 0, -1
    i = np.searchsorted(time_ms, now_ms)
    while i < len(time_ms) and time_ms[i] <= now_ms + DAY_MS:
        if known_ms[i] <= now_ms < until_ms[i] and impact[i] > 0:
            if at >= 0 and time_ms[i] != at:
                break
            at, largest = time_ms[i], max(largest, impact[i])
        i += 1
    return largest


@kernel
def fill(
    out: Float64s,
    open_ms: Int64s,
    bar_ms: int,
    time_ms: Int64s,
    impact: Int64s,
    known_ms: Int64s,
    until_ms: Int64s,
) -> None:
    for row in range(len(open_ms)):
        now_ms = open_ms[row] + bar_ms
        today_ms = open_ms[row] // DAY_MS * DAY_MS
        near, _ = high_impact_between(
            time_ms, impact, known_ms, until_ms, now_ms, now_ms - NEAR_MS, now_ms + NEAR_MS
        )
        _, at_ms = high_impact_between(
            time_ms, impact, known_ms, until_ms, now_ms, now_ms, now_ms + DAY_MS
        )
        today, _ = high_impact_between(
            time_ms, impact, known_ms, until_ms, now_ms, today_ms, today_ms + DAY_MS - 1
        )
        out[row, 0] = 1.0 if near > 0 else 0.0
        out[row, 1] = (at_ms - now_ms) / DAY_MS if at_ms >= 0 else 1.0
        out[row, 2] = min(today, 10) / 10.0
        out[row, 3] = next_impact(time_ms, impact, known_ms, until_ms, now_ms) / 3.0
