"""Recursive indicators that a window can reproduce bit for bit.

A plain EMA remembers its whole past, so a live window never equals the full history. Here the
recursion runs in anchored blocks: block b is an absolute span of UTC time; rows in block b use the
recursion started at the first bar of block b − 1. A row is NaN while the window does not reach
back beyond that bar. The same scalar steps run in batch and live, so no bit differs.
"""

import numpy as np
from numba import njit

from market.bars import Float64s, Int64s

# 2,560 M15 bars; a multiple of every timeframe up to H4.
BLOCK_MS = 2560 * 15 * 60_000


@njit(cache=True)  # type: ignore[misc]
def next_block(open_ms: Int64s, row: int) -> tuple[int, int]:
    """(first row after the block that holds `row`, row where its recursion starts or −1).

    −1: the window holds no bar before the start of the block before (one bar more than the
    recursion needs, because a true range looks at the close before it).
    """
    block = open_ms[row] // BLOCK_MS
    end = row
    while end < len(open_ms) and open_ms[end] // BLOCK_MS == block:
        end += 1
    anchor_ms = (block - 1) * BLOCK_MS
    if open_ms[0] >= anchor_ms:
        return end, -1
    return end, np.searchsorted(open_ms, anchor_ms)


@njit(cache=True)  # type: ignore[misc]
def ema(values: Float64s, open_ms: Int64s, span: int) -> Float64s:
    """Exponential mean with alpha = 2 / (span + 1), anchored; same shape as `values`."""
    return _smooth(values, open_ms, 2.0 / (span + 1.0))


@njit(cache=True)  # type: ignore[misc]
def wilder(values: Float64s, open_ms: Int64s, period: int) -> Float64s:
    """Wilder's mean, alpha = 1 / period, anchored; same shape as `values`."""
    return _smooth(values, open_ms, 1.0 / period)


@njit(cache=True)  # type: ignore[misc]
def _smooth(values: Float64s, open_ms: Int64s, alpha: float) -> Float64s:
    out = np.full(len(values), np.nan)
    row = 0
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


@njit(cache=True)  # type: ignore[misc]
def true_range(high: Float64s, low: Float64s, close: Float64s) -> Float64s:
    """max(high, previous close) − min(low, previous close); the first row has no previous close."""
    out = np.empty(len(close))
    for i in range(len(close)):
        top, bottom = high[i], low[i]
        if i > 0:
            top, bottom = max(top, close[i - 1]), min(bottom, close[i - 1])
        out[i] = top - bottom
    return out


@njit(cache=True)  # type: ignore[misc]
def atr(high: Float64s, low: Float64s, close: Float64s, open_ms: Int64s, period: int) -> Float64s:
    """Wilder's average true range in price units, anchored; same shape as `close`."""
    return wilder(true_range(high, low, close), open_ms, period)
