"""What all trials of a sweep share, in a form that can be sent to another process or host."""

import hashlib
import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from backtest.sweep.settings import TradedSettings
from market.bars import Bars, Float64s
from market.instrument import Instrument
from ml.features.settings import FeatureSettings
from ml.predictors.settings import PROJECT_ROOT, ModelPaths
from trading.forecasts import ForecastColumns
from trading.releases import NO_CALENDAR, CalendarSource

# Raised whenever a stored result means something else.
_RESULT = 1
_CODE = ("market", "broker", "ml/features", "ml/predictors", "trading", "backtest")


@dataclass(frozen=True, slots=True)
class Orders:
    """How orders are marked and how long they are valid: `backtest.rules.Rules`."""

    strategy_id: int
    valid_for_ms: int
    magic_bits: int


@dataclass(frozen=True, slots=True, eq=False)
class SweepBase:
    """Bars, forecasts, models and today's settings.

    `forecasts`: of the last bars of `history`, from the longest look-back before `from_ms` on.
    `m1` (n, 5): M1 features of those same bars, where there are M1 bars (`minutes`: those of the
    span). `models`: the model files by name, `answers`: what the models beside the signal model
    said before, likewise.
    `slippage`: learnt from deals (`backtest.rules.Rules`). `train_cutoff_ms`: the latest of the
    models.
    """

    history: Bars
    forecasts: ForecastColumns
    m1: Float64s | None
    minutes: Bars | None
    from_ms: int
    to_ms: int
    settings: TradedSettings
    instrument: Instrument
    slippage: tuple[int, ...]
    orders: Orders
    news: CalendarSource
    paths: ModelPaths
    features: FeatureSettings
    models: Mapping[str, bytes]
    answers: Mapping[str, bytes]
    graphs: Mapping[str, str]
    train_cutoff_ms: int
    code: str

    @property
    def symbol(self) -> str:
        return self.history.symbol


def identity(base: SweepBase) -> str:
    """SHA-256 of everything that a trial's result depends on, its settings and its span aside."""
    digest = hashlib.sha256()
    for part in (base.forecasts.probabilities, base.forecasts.votes, base.forecasts.features,
                 base.forecasts.open_ms, base.m1):  # fmt: skip
        digest.update(b"-" if part is None else np.ascontiguousarray(part).tobytes())
    if base.news is not NO_CALENDAR:
        digest.update(pickle.dumps(base.news))
    models = {name: hashlib.sha256(data).hexdigest() for name, data in base.models.items()}
    rest = (_RESULT, base.code, base.history.sha256(), models, _plain(base.instrument),
            _plain(base.orders))  # fmt: skip
    digest.update(json.dumps(rest, sort_keys=True, default=str).encode())
    return digest.hexdigest()


@cache
def code_sha256() -> str:
    """Of the source that decides what a trial comes to: another version's results are not reused,
    and a worker with another version is refused."""
    digest = hashlib.sha256()
    for room in _CODE:
        for file in sorted((PROJECT_ROOT / room).rglob("*.py")):
            digest.update(file.relative_to(PROJECT_ROOT).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def files_in(folder: Path, names: list[str]) -> dict[str, bytes]:
    """Those of the named files that are there."""
    return {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}


def _plain(record: Any) -> dict[str, Any]:
    return {each.name: repr(getattr(record, each.name)) for each in fields(record)}
