"""Warm start: goes on from the kept models where that is honest, else from scratch, saying why."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from market.bars import Bars
from ml.features.settings import FeatureSettings
from ml.predictors.settings import ModelPaths
from ml.training.models import BaseModels, TrainingError, fit_models, model_params
from ml.training.settings import LabelSettings
from ml.training.signal import train_signal
from ml.training.warm_start import (
    Start,
    WarmFacts,
    load_start,
    save_state,
    warm_folder,
)
from tests.training.tables import TINY, Trained, make_table, make_task

TABLE = make_table()
PARAMS = model_params(TINY, "quick", 1)
FACTS = WarmFacts(
    symbol="BTCUSD",
    feature_names=("f0", "f1", "f2", "f3", "f4"),
    feature_hash="h",
    classes=("BUY", "SELL", "HOLD"),
    labeling={"atr_sl_mult": 1.0},
    parameters=PARAMS,
    seen_to_ms=1_000,
)


@pytest.fixture(scope="module")
def models() -> BaseModels:
    return fit_models(TABLE.rows, TABLE.label, np.ones(len(TABLE)), PARAMS)


@pytest.fixture
def folder(models: BaseModels, tmp_path: Path) -> Path:
    save_state(tmp_path / "warm", models, FACTS)
    return tmp_path / "warm"


def start(folder: Path, **changes: Any) -> Start:
    unseen_from_ms = changes.pop("unseen_from_ms", 1_000)
    max_times = changes.pop("max_times", 5)
    wanted = FACTS.model_copy(update=changes)
    return load_start(folder, wanted, unseen_from_ms=unseen_from_ms, max_times=max_times)


def trees(models: BaseModels) -> tuple[int, int, int]:
    return (
        len(models.rf.estimators_),
        models.xgb.get_booster().num_boosted_rounds(),
        models.lgb.booster_.current_iteration(),
    )


def test_kept_models_say_what_they_said(folder: Path, models: BaseModels) -> None:
    from xgboost import DMatrix

    kept = start(folder).earlier
    assert kept is not None
    assert kept.rf.predict_proba(TABLE.rows) == pytest.approx(
        models.rf.predict_proba(TABLE.rows), abs=1e-14
    )
    assert np.array_equal(kept.xgb.predict(DMatrix(TABLE.rows)),
                          models.xgb.predict_proba(TABLE.rows))  # fmt: skip
    assert kept.lgb.predict(TABLE.rows) == pytest.approx(
        models.lgb.predict_proba(TABLE.rows), abs=1e-15
    )


def test_boosters_go_on_and_the_forest_grows(folder: Path, models: BaseModels) -> None:
    few = {name: {**given, "n_estimators": 10} for name, given in PARAMS.items()}
    longer = fit_models(
        TABLE.rows, TABLE.label, np.ones(len(TABLE)), few, earlier=start(folder).earlier
    )
    assert trees(models) == (90, 30, 30)
    assert trees(longer) == (100, 40, 40)
    for old, new in zip(models.rf.estimators_, longer.rf.estimators_, strict=False):
        assert np.array_equal(old.tree_.threshold, new.tree_.threshold)


def test_nothing_kept_yet_starts_from_scratch(tmp_path: Path) -> None:
    assert start(tmp_path / "none").earlier is None
    assert start(tmp_path / "none").why == "from scratch: there is no earlier model"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"feature_names": ("f0", "f1", "f2", "f3", "g")}, r"\(gone f4; new g\)"),
        ({"feature_names": ("f1", "f0", "f2", "f3", "f4")}, "order of the features"),
        ({"feature_hash": "i"}, "formulas of the features"),
        ({"labeling": {"atr_sl_mult": 2.0}}, r"labeling was .*1\.0.* and is .*2\.0"),
        ({"classes": ("SELL", "BUY", "HOLD")}, "classes was"),
        ({"symbol": "XAUUSD"}, "symbol was BTCUSD and is XAUUSD"),
    ],
    ids=["features", "order", "formulas", "labels", "classes", "symbol"],
)
def test_another_kind_of_model_is_refused(
    folder: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(TrainingError, match=message + r".*--no-warmstart trains from scratch"):
        start(folder, **changes)


def test_what_would_not_be_honest_or_possible_starts_from_scratch(folder: Path) -> None:
    assert "seen bars of this training's calibration" in start(folder, unseen_from_ms=999).why
    other = {**PARAMS, "lgb": {**PARAMS["lgb"], "num_leaves": 5}}
    assert "other parameters (lgb.num_leaves)" in start(folder, parameters=other).why
    assert "0 warm starts in a row, 0 are allowed" in start(folder, max_times=0).why


def test_a_forest_that_was_tampered_with_is_not_opened(folder: Path) -> None:
    (folder / "rf.joblib").write_bytes(b"not what was kept")
    assert start(folder).why == "from scratch: rf.joblib is not the file that was kept"


def test_training_again_goes_on_and_says_so(market: Bars, trained: Trained, tmp_path: Path) -> None:
    """Five weeks later: the folds are those of a fresh training, the final model is continued."""
    paths = ModelPaths().in_folder(tmp_path)
    early = make_task(market, cutoff_ms=int(market.open_ms[-3360]), warm_start=True)
    first = train_signal(early, paths)
    assert first["start"] == "from scratch: there is no earlier model"
    task = replace(trained.task, warm_start=True)
    again = train_signal(task, paths)
    assert again["warm_start"] is True
    assert again["start"] == "warm start number 1 in a row"
    assert again["folds"] == trained.metadata["folds"]
    assert paths.graph.read_bytes() != trained.paths.graph.read_bytes()
    assert train_signal(task, paths)["warm_starts_in_a_row"] == 2
    back = train_signal(early, paths)
    assert back["warm_start"] is False
    assert "calibration days" in back["start"]


def test_a_refused_warm_start_changes_nothing(market: Bars, trained: Trained) -> None:
    before = (warm_folder(trained.paths.graph) / "state.json").read_bytes()
    for change in (
        {"features": FeatureSettings(groups=("base",))},
        {"labels": LabelSettings(lookahead_candles=12)},
    ):
        with pytest.raises(TrainingError, match="--no-warmstart"):
            train_signal(replace(trained.task, warm_start=True, **change), trained.paths)
    assert (warm_folder(trained.paths.graph) / "state.json").read_bytes() == before
