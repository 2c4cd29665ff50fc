"""Recursive indicators that a window can reproduce bit for bit.

A plain EMA remembers its whole past, so a live window never equals the full history. Here the
recursion runs in anchored blocks: block b is an absolute span of UTC time; rows in block b use the
recursion started at the first bar of block b − 1. A row is NaN while the window does not reach
back beyond that bar. The same scalar steps run in batch and live, so no bit differs.

`first` of a recursion: rows before it are not asked for and stay NaN. The last functions look at a
finite count of values instead; they serve the daily and weekly bars.
"""

import numpy as np

from market.bars import Float64s, Int64s
from market.compiled import kernel

# 2,560 M15 bars; a multiple of every timeframe up to H4.
BLOCK_MS = 2560 * 15 * 60_000


@kernel
def next_block(open_ms: Int64s, row: int) -> tuple[int, int]:
    """(first row after the block that holds `row`, row where its recursion starts or −1).

    −1: the window holds no bar before the start of the block before (one bar more than the
    recursion needs, because a true range looks at the close before it).
    """
    block = open_ms[row] // BLOCK_MS
    end = np.searchsorted(open_ms, (block + 1) * BLOCK_MS)
    anchor_ms = (block - 1) * BLOCK_MS
    if open_ms[0] >= anchor_ms:
        return end, -1
    return end, np.searchsorted(open_ms, anchor_ms)


@kernel
def ema(values: Float64s, open_ms: Int64s, span: int, first: int = 0) -> Float64s:
    """Exponential mean with alpha = 2 / (span + 1), anchored; same shape as `values`."""
    return _smooth(values, open_ms, 2.0 / (span + 1.0), first)


@kernel
def wilder(values: Float64s, open_ms: Int64s, period: int, first: int = 0) -> Float64s:
    """Wilder's mean, alpha = 1 / period, anchored; same shape as `values`."""
    return _smooth(values, open_ms, 1.0 / period, first)


@kernel
def _smooth(values: Float64s, open_ms: Int64s, alpha: float, first: int) -> Float64s:
    out = np.full(len(values), np.nan)
    row = first
    while row < len(values):
        end, start = next_block(open_ms, row)
        if start >= 0:
            level = values[start]
            if start >= row:
                out[start] = level
            for i in range(start + 1, end):
                level += alpha * (values[i] - level)
                if i >= row:
                    out[i] = level
        row = end
    return out


@kernel
def true_range(high: Float64s, low: Float64s, close: Float64s) -> Float64s:
    """max(high, previous close) − min(low, previous close); the first row has no previous close."""
    out = np.empty(len(close))
    for i in range(len(close)):
        top, bottom = high[i], low[i]
        if i > 0:
            top, bottom = max(top, close[i - 1]), min(bottom, close[i - 1])
        out[i] = top - bottom
    return out


@kernel
def atr(
    high: Float64s, low: Float64s, close: Float64s, open_ms: Int64s, period: int, first: int = 0
) -> Float64s:
    """Wilder's average true range in price units, anchored; same shape as `close`."""
    return wilder(true_range(high, low, close), open_ms, period, first)


@kernel
def rsi(close: Float64s, open_ms: Int64s, period: int, first: int = 0) -> Float64s:
    """Wilder's relative strength in 0–1, anchored; 0.5 while no close has changed.

    Mean gain over mean gain plus mean loss (Wilder 1978). The first change is the anchor bar's own.
    """
    out = np.full(len(close), np.nan)
    alpha = 1.0 / period
    row = first
    while row < len(close):
        end, start = next_block(open_ms, row)
        if start >= 0:
            gain = max(close[start] - close[start - 1], 0.0)
            loss = max(close[start - 1] - close[start], 0.0)
            for i in range(start, end):
                if i > start:
                    change = close[i] - close[i - 1]
                    gain += alpha * (max(change, 0.0) - gain)
                    loss += alpha * (max(-change, 0.0) - loss)
                if i >= row:
                    out[i] = _share_of_gain(gain, loss)
        row = end
    return out


@kernel
def _share_of_gain(gain: float, loss: float) -> float:
    return gain / (gain + loss) if gain + loss > 0.0 else 0.5


@kernel
def macd(
    close: Float64s, open_ms: Int64s, fast: int, slow: int, signal: int, first: int = 0
) -> tuple[Float64s, Float64s]:
    """(line, histogram) of MACD in price units, anchored; same shape as `close`.

    Line: fast EMA − slow EMA. Histogram: line − its EMA. All three start at the same anchor.
    """
    line_out, hist_out = np.full(len(close), np.nan), np.full(len(close), np.nan)
    row = first
    while row < len(close):
        end, start = next_block(open_ms, row)
        if start >= 0:
            quick = slow_level = close[start]
            level = 0.0
            for i in range(start, end):
                quick += 2.0 / (fast + 1.0) * (close[i] - quick)
                slow_level += 2.0 / (slow + 1.0) * (close[i] - slow_level)
                line = quick - slow_level
                level += 2.0 / (signal + 1.0) * (line - level)
                if i >= row:
                    line_out[i], hist_out[i] = line, line - level
        row = end
    return line_out, hist_out


@kernel
def directional(
    high: Float64s, low: Float64s, close: Float64s, open_ms: Int64s, period: int, first: int = 0
) -> tuple[Float64s, Float64s]:
    """(ADX, +DI − −DI), both in units of 1 (0.25 is the usual 25), anchored (Wilder 1978)."""
    adx_out, diff_out = np.full(len(close), np.nan), np.full(len(close), np.nan)
    alpha = 1.0 / period
    row = first
    while row < len(close):
        end, start = next_block(open_ms, row)
        if start >= 0:
            up_mean = down_mean = range_mean = adx = 0.0
            for i in range(start, end):
                up, down = _directional_move(high, low, i)
                span = max(high[i], close[i - 1]) - min(low[i], close[i - 1])
                weight = alpha if i > start else 1.0
                up_mean += weight * (up - up_mean)
                down_mean += weight * (down - down_mean)
                range_mean += weight * (span - range_mean)
                both = up_mean + down_mean
                strength = abs(up_mean - down_mean) / both if both > 0.0 else 0.0
                adx += weight * (strength - adx)
                if i >= row:
                    adx_out[i] = adx
                    diff_out[i] = (up_mean - down_mean) / range_mean if range_mean > 0.0 else 0.0
        row = end
    return adx_out, diff_out


@kernel
def _directional_move(high: Float64s, low: Float64s, row: int) -> tuple[float, float]:
    """(+DM, −DM): the larger of the two moves beyond the bar before, if it is above 0."""
    up, down = high[row] - high[row - 1], low[row - 1] - low[row]
    return (up if up > down and up > 0.0 else 0.0), (down if down > up and down > 0.0 else 0.0)


@kernel
def finite_wilder_rsi(close: Float64s, last: int, closes: int, period: int) -> float:
    """RSI in 0–1 at row `last` from exactly `closes` closes, seeded by the first `period` changes.

    With `closes` = `period` + 1 it is the RSI of simple means. `last` must be `closes` − 1 or more.
    """
    gain = loss = 0.0
    for i in range(1, closes):
        change = close[last - closes + 1 + i] - close[last - closes + i]
        if i <= period:
            gain += max(change, 0.0) / period
            loss += max(-change, 0.0) / period
        else:
            gain += (max(change, 0.0) - gain) / period
            loss += (max(-change, 0.0) - loss) / period
    return _share_of_gain(gain, loss)


@kernel
def finite_ema(close: Float64s, last: int, closes: int, span: int, seed: int) -> float:
    """EMA at row `last` from exactly `closes` closes, seeded by the mean of the first `seed`."""
    level = 0.0
    start = last - closes + 1
    for i in range(start, start + seed):
        level += close[i] / seed
    for i in range(start + seed, last + 1):
        level += 2.0 / (span + 1.0) * (close[i] - level)
    return level
