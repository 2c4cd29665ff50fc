"""Builders: valid records with one line, the interesting field named."""

import numpy as np

from market.bars import Bars
from market.timeframe import Timeframe

MONDAY_MS = 1_735_516_800_000  # 2024-12-30 00:00 UTC, a Monday


def make_bars(
    rows: list[tuple[float, float, float, float]],
    *,
    symbol: str = "BTCUSD",
    timeframe: Timeframe = Timeframe.M15,
    start_ms: int = MONDAY_MS,
    spread_points: int = 0,
    tick_volume: int = 100,
) -> Bars:
    """Contiguous bars from (open, high, low, close) rows."""
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    count = len(table)
    return Bars(
        symbol,
        timeframe,
        start_ms + np.arange(count, dtype=np.int64) * timeframe.ms,
        *(np.ascontiguousarray(table[:, column]) for column in range(4)),
        np.full(count, tick_volume, dtype=np.int64),
        np.full(count, spread_points, dtype=np.int64),
    ).checked()
