"""Higher bars from lower ones, at UTC boundaries: days start at 00:00, weeks on Monday."""

import numpy as np

from market.bars import Bars, BarsError, Float64s, Int64s
from market.compiled import kernel
from market.timeframe import Timeframe


def resample(bars: Bars, timeframe: Timeframe) -> Bars:
    """Bars of a longer timeframe, one for each span that holds at least one bar.

    The first bar may be half: the given bars may start inside its span, so only its close is
    sure. The last may still be forming. `last_completed` returns neither. Volumes are added; the
    spread is that of the last bar inside.
    """
    if timeframe.ms % bars.timeframe.ms != 0 or timeframe is bars.timeframe:
        raise BarsError(
            f"timeframe: a multiple of {bars.timeframe.name} is allowed, {timeframe.name} came"
        )
    offset_ms = timeframe.floor_ms(0) % timeframe.ms
    columns = _grouped(
        bars.open_ms, bars.open, bars.high, bars.low, bars.close,
        bars.tick_volume, bars.spread_points, timeframe.ms, offset_ms,
    )  # fmt: skip
    return Bars(bars.symbol, timeframe, *columns)


def last_completed(higher: Bars, close_ms: Int64s) -> Int64s:
    """For each instant (ascending) the row of the last higher bar that is whole and over by then.

    A bar is over when its span is, also where its last lower bars are missing. Row 0 of `higher`
    may be half, so it never counts. −1: there is none.
    """
    row = np.searchsorted(higher.close_ms, close_ms, side="right") - 1
    return np.where(row >= 1, row, -1)


@kernel
def _grouped(
    open_ms: Int64s,
    open_: Float64s,
    high: Float64s,
    low: Float64s,
    close: Float64s,
    tick_volume: Int64s,
    spread_points: Int64s,
    span_ms: int,
    offset_ms: int,
) -> tuple[Int64s, Float64s, Float64s, Float64s, Float64s, Int64s, Int64s]:
    rows = len(open_ms)
    starts_ms = np.empty(rows, np.int64)
    opens, highs, lows, closes = np.empty(rows), np.empty(rows), np.empty(rows), np.empty(rows)
    volumes, spreads = np.empty(rows, np.int64), np.empty(rows, np.int64)
    at, ends_ms = -1, open_ms[0] if rows else 0
    for row in range(rows):
        if open_ms[row] >= ends_ms:
            at += 1
            starts_ms[at] = (open_ms[row] - offset_ms) // span_ms * span_ms + offset_ms
            ends_ms = starts_ms[at] + span_ms
            opens[at], highs[at], lows[at] = open_[row], high[row], low[row]
            volumes[at] = 0
        highs[at] = max(highs[at], high[row])
        lows[at] = min(lows[at], low[row])
        closes[at], spreads[at] = close[row], spread_points[row]
        volumes[at] += tick_volume[row]
    end = at + 1
    return (
        starts_ms[:end].copy(), opens[:end].copy(), highs[:end].copy(), lows[:end].copy(),
        closes[:end].copy(), volumes[:end].copy(), spreads[:end].copy(),
    )  # fmt: skip
