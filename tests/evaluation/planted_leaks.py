"""Leaks of the design's table, planted in the features of the real pipeline on real bars.

Each is a `feature_matrix` whose row is another one of the honest matrix: the row at which a forming
bar is complete, the row that confirms a structure later, the next row.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from market.bars import Bars, Float64s, Int64s
from market.instruments import instrument
from market.sources.files import read_bars
from market.timeframe import Timeframe
from ml.features.catalogue import names
from ml.features.kernels.structure import SWING
from ml.features.matrix import feature_matrix

GROUPS = ("base", "regime", "smc")
COLUMNS = names(GROUPS)
BTC = instrument("BTCUSD")
DAY_MS = 86_400_000

Features = Callable[..., Float64s]


def utc_ms(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp() * 1000)


def real_bars(shared_data: Path, from_ms: int, to_ms: int) -> Bars:
    bars = read_bars(shared_data / "btcusdt_m15_perp.parquet", BTC, server_zone="UTC")
    return bars.between(from_ms, to_ms)


def honest(bars: Bars, **words: Any) -> Float64s:
    """The shipped features: structures count from the bar that confirms them."""
    return feature_matrix(bars, **words)


def forming(*timeframes: Timeframe) -> Features:
    """Higher bars are taken from the row in which they begin, whole."""

    def features(bars: Bars, **words: Any) -> Float64s:
        matrix = feature_matrix(bars, **words)
        open_ms = bars.open_ms[words.get("first_row", 0) :]
        leaking = matrix.copy()
        for timeframe in timeframes:
            begins = open_ms // timeframe.ms
            last = np.searchsorted(begins, begins, side="right") - 1
            _take(leaking, matrix, _of(f"{timeframe.name.lower()}_"), last)
        return leaking

    return features


def ahead(rows: int, columns: tuple[str, ...] = COLUMNS) -> Features:
    """Those columns are known so many rows too early."""

    def features(bars: Bars, **words: Any) -> Float64s:
        matrix = feature_matrix(bars, **words)
        leaking = matrix.copy()
        later = np.minimum(np.arange(len(matrix)) + rows, len(matrix) - 1)
        _take(leaking, matrix, [COLUMNS.index(name) for name in columns], later)
        return leaking

    return features


def _of(prefix: str) -> list[int]:
    return [place for place, name in enumerate(COLUMNS) if name.startswith(prefix)]


def _take(out: Float64s, of: Float64s, columns: list[int], rows: Int64s) -> None:
    out[:, columns] = of[rows][:, columns]


_SMC = names(("smc",))
_GAPS = tuple(name for name in _SMC if name.startswith("fvg"))


@dataclass(frozen=True, slots=True)
class Leak:
    """`columns`: what the check may name first."""

    features: Features
    columns: tuple[str, ...]


def _columns_of(*prefixes: str) -> tuple[str, ...]:
    return tuple(name for name in COLUMNS if name.startswith(prefixes))


LEAKS: Mapping[str, Leak] = {
    "forming-h1-h4-d1": Leak(
        forming(Timeframe.H1, Timeframe.H4, Timeframe.D1), _columns_of("h1_", "h4_", "d1_")
    ),
    "forming-h4-d1": Leak(forming(Timeframe.H4, Timeframe.D1), _columns_of("h4_", "d1_")),
    "forming-d1": Leak(forming(Timeframe.D1), _columns_of("d1_")),
    "smc-at-formation": Leak(ahead(SWING, _SMC), _SMC),
    "gap-at-formation": Leak(ahead(1, _GAPS), _GAPS),
    "one-bar-ahead": Leak(ahead(1), COLUMNS),
}
