"""Leaks planted in the position, SL/TP and risk trainers: each refuses its own split."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from broker.simulator.settings import PaperSettings
from ml.predictors.settings import ModelPaths
from ml.training import position_trainer, risk_fitting, risk_trainer, sltp_trainer
from ml.training.audit import LeakError
from ml.training.position_settings import PositionTrainingSettings
from ml.training.position_task import PositionTraining
from ml.training.position_trainer import train_position
from ml.training.regressor_settings import RiskTrainingSettings, SltpTrainingSettings
from ml.training.risk_folds import RiskFold, risk_folds
from ml.training.risk_labels import RiskSamples, RiskTrades, risk_samples
from ml.training.risk_task import RiskTraining
from ml.training.risk_trainer import train_risk
from ml.training.settings import LgbParams, TrainingSettings
from ml.training.sltp_trainer import SltpTraining, train_sltp
from ml.training.splits import Fold, walk_forward
from tests.training.tables import Trained
from trading.decision.settings import DecisionSettings

HOUR_MS = 3_600_000


@pytest.fixture
def paths(trained: Trained, tmp_path: Path) -> ModelPaths:
    shutil.copytree(trained.paths.graph.parent, tmp_path / "models")
    return trained.paths.in_folder(tmp_path / "models")


def test_a_position_split_that_cuts_through_trades_is_refused(
    trained: Trained, paths: ModelPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the embargo is left out, not the trade and what its labels see."""

    def unpurged(bar: np.ndarray, *, gap_bars: int, **words: Any) -> Iterator[Fold]:
        return walk_forward(bar, gap_bars=24, **words)

    monkeypatch.setattr(position_trainer, "walk_forward", unpurged)
    small = PositionTrainingSettings.model_validate(
        {"gate": {"top_share": 0.6, "lookback_days": 7}, "rf_params": {"n_estimators": 5},
         "xgb_params": {"n_estimators": 5}, "lgb_params": {"n_estimators": 5}}
    )  # fmt: skip
    training = TrainingSettings(n_splits=2, embargo_bars=24, calibration_days=12)
    task = PositionTraining(replace(trained.task, training=training), DecisionSettings(), small)
    with pytest.raises(LeakError, match=r"72 bars between base and calibration are needed"):
        train_position(task, paths)
    assert not paths.position.graph.exists()


def test_an_unpurged_sltp_split_is_refused(
    trained: Trained, paths: ModelPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unpurged(
        bar: np.ndarray, end_bar: np.ndarray, **words: Any
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        half = len(bar) // 2
        yield np.arange(half), np.arange(half, len(bar))

    monkeypatch.setattr(sltp_trainer, "expanding", unpurged)
    settings = SltpTrainingSettings(lgb_params=LgbParams({"n_estimators": 5}))
    with pytest.raises(LeakError, match=r"the label of the train row of .* looks into test"):
        train_sltp(SltpTraining(trained.task, (1.0, 1.0), settings), paths)
    assert not paths.sltp.graph.exists()


def hourly_trades(count: int = 600) -> RiskTrades:
    r = np.where(np.random.default_rng(1).random(count) < 0.5, 1.0, -1.0)
    opened_ms = np.arange(count, dtype=np.int64) * 12 * HOUR_MS
    return RiskTrades(r, np.full((count, 3), 0.01), opened_ms, opened_ms + 11 * HOUR_MS)


def test_risk_trades_still_open_when_the_test_part_begins_are_refused(
    trained: Trained, paths: ModelPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_embargo(sources: list[RiskTrades], n_splits: int, embargo_ms: int) -> Iterator[RiskFold]:
        return risk_folds(sources, n_splits, 0)

    monkeypatch.setattr(risk_trainer, "gate_trades", lambda *_: [hourly_trades()])
    monkeypatch.setattr(risk_trainer, "risk_folds", no_embargo)
    settings = RiskTrainingSettings(gate_factors=(1.0,), next_trades=1, min_trades=300)
    task = RiskTraining(trained.task, DecisionSettings(), PaperSettings(), settings)
    with pytest.raises(LeakError, match=r"a trade that trains closed at .* are needed"):
        train_risk(task, paths)
    assert not paths.risk.graph.exists()


def test_risk_labels_that_look_at_trades_of_the_test_part_are_refused(
    trained: Trained, paths: ModelPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """States of the training part, labelled by the whole history."""

    def unpurged(sources: list[RiskTrades], **words: Any) -> RiskSamples:
        return risk_samples([hourly_trades()], **words)

    monkeypatch.setattr(risk_trainer, "gate_trades", lambda *_: [hourly_trades()])
    monkeypatch.setattr(risk_fitting, "risk_samples", unpurged)
    settings = RiskTrainingSettings(gate_factors=(1.0,), next_trades=5, min_trades=300)
    task = RiskTraining(trained.task, DecisionSettings(), PaperSettings(), settings)
    with pytest.raises(LeakError, match=r"a trade that trains closed at .* are needed"):
        train_risk(task, paths)
    assert not paths.risk.graph.exists()
