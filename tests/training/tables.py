"""A small training table and a training run of a second or two."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from market.bars import Bars
from market.calendar import EconomicCalendar
from market.instruments import INSTRUMENTS
from ml.features.settings import FeatureSettings
from ml.predictors.settings import ModelPaths
from ml.training.models import EnsembleParams
from ml.training.settings import LabelSettings, TrainingSettings
from ml.training.signal import SignalTraining
from ml.training.table import TrainingTable

DAY_MS = 86_400_000
# More than 80 trees: from there on ONNX Runtime may share trees among threads.
TINY = EnsembleParams(
    rf={"n_estimators": 90, "max_leaf_nodes": 8},
    xgb={"n_estimators": 30, "max_depth": 2},
    lgb={"n_estimators": 30, "num_leaves": 4},
)


def make_table(n_rows: int = 4000, n_features: int = 5, seed: int = 1) -> TrainingTable:
    """Rows whose first feature tells BUY from SELL a little."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n_rows, n_features)).astype(np.float32)
    p_buy = 0.4 + 0.1 * np.tanh(rows[:, 0])
    draw = rng.random(n_rows)
    label = np.where(draw < p_buy, 0, np.where(draw < 0.85, 1, 2)).astype(np.int8)
    bar = np.arange(n_rows)
    return TrainingTable(
        rows, label, bar, bar + 5, bar * 900_000,
        tuple(f"f{i}" for i in range(n_features)), 0, 0, 0,
    )  # fmt: skip


@dataclass(frozen=True)
class Trained:
    """A model on disk, what it was trained from and what training said."""

    task: SignalTraining
    paths: ModelPaths
    metadata: dict[str, Any]


def make_task(bars: Bars, **fields: Any) -> SignalTraining:
    """A training run of a second or two."""
    task = SignalTraining(
        bars=bars,
        instrument=INSTRUMENTS["BTCUSD"],
        features=FeatureSettings(),
        labels=LabelSettings(lookahead_candles=24),
        training=TrainingSettings(n_splits=2, embargo_bars=24, calibration_days=25),
        params=TINY,
        profile="quick",
        cutoff_ms=int(bars.close_ms[-1]),
        source="generated",
        calendar=EconomicCalendar.none(),
    )
    return replace(task, **fields)
