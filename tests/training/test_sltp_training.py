"""The SL/TP model: from the signal's out-of-fold forecasts to an installed graph."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from market.bars import Bars
from ml.predictors.session import open_session, run_rows
from ml.predictors.settings import ModelPaths
from ml.predictors.sltp import SltpPredictor
from ml.training.after_signal import signal_evidence
from ml.training.models import TrainingError
from ml.training.oof import OofForecasts, oof_path
from ml.training.parity import ParityError
from ml.training.regressor import RegressorDefaults, fit_regressor, regressor_params
from ml.training.regressor_export import (
    SL_LIMITS,
    TP_LIMITS,
    bounded_multiples,
    compare_regressor,
    multiples_graph,
)
from ml.training.regressor_settings import SltpTrainingSettings
from ml.training.settings import LgbParams
from ml.training.sltp_labels import PAIRS
from ml.training.sltp_scores import verdict
from ml.training.sltp_trainer import DEFAULTS, SltpTraining, read_table, sltp_folds, train_sltp
from ml.training.splits import SplitError, expanding
from tests.training.tables import Trained

SMALL = SltpTrainingSettings(
    lgb_params=LgbParams({"n_estimators": 90, "num_leaves": 6, "min_child_samples": 50})
)


def copied(trained: Trained, folder: Path) -> ModelPaths:
    """The signal model and its forecasts in a folder of their own."""
    shutil.copytree(trained.paths.graph.parent, folder, dirs_exist_ok=True)
    return trained.paths.in_folder(folder)


def task_of(trained: Trained) -> SltpTraining:
    return SltpTraining(trained.task, (1.0, 1.0), SMALL)


@pytest.fixture(scope="module")
def made(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> ModelPaths:
    paths = copied(trained, tmp_path_factory.mktemp("sltp") / "models")
    train_sltp(task_of(trained), paths)
    return paths


def test_the_installed_model_answers_inside_its_limits_with_the_target_beyond(
    made: ModelPaths, trained: Trained
) -> None:
    predictor = SltpPredictor(made, trained.task.features).load()
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(3000, 62)) * rng.choice([0.01, 1.0, 1e30], size=(3000, 1))
    sl, tp = predictor.predict(rows).T
    assert (tp > sl).all()
    assert SL_LIMITS[0] <= sl.min() <= sl.max() <= SL_LIMITS[1]
    assert TP_LIMITS[0] <= tp.min() <= tp.max() <= TP_LIMITS[1]


def test_even_regressors_that_want_the_reverse_get_a_target_beyond_the_stop() -> None:
    """Stops up to 60 and targets down to −60 are asked for."""
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(4000, 3)).astype(np.float32)
    params = regressor_params(RegressorDefaults("x", {"n_estimators": 120}), {}, "full", 1)
    weight = np.ones(len(rows))
    stop = fit_regressor(rows, 20.0 * rows[:, 0].astype(float), weight, params)
    target = fit_regressor(rows, -20.0 * rows[:, 0].astype(float), weight, params)
    graph = multiples_graph(stop, target, 3)
    extreme = np.array([[3.4e38] * 3, [-3.4e38] * 3, [0.0] * 3, [1e-45] * 3], dtype=np.float32)
    for asked in (rows, extreme):
        (said,) = run_rows(open_session(graph), asked)
        assert (said[:, 1] - said[:, 0] >= 0.1 - 1e-12).all()
        assert said[:, 0].min() >= SL_LIMITS[0] and said[:, 0].max() <= SL_LIMITS[1]
        expected = bounded_multiples(stop.predict(asked), target.predict(asked))
        assert np.abs(said - expected).max() <= 1e-5


def test_a_graph_that_differs_from_its_models_is_refused() -> None:
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(500, 3)).astype(np.float32)
    params = regressor_params(RegressorDefaults("x", {"n_estimators": 5}), {}, "full", 1)
    model = fit_regressor(rows, 1.5 + rows[:, 0].astype(float), np.ones(500), params)
    graph = multiples_graph(model, model, 3)
    expected = bounded_multiples(model.predict(rows), model.predict(rows))
    assert compare_regressor(graph, rows, expected).largest_difference <= 1e-5
    expected[77, 1] += 2e-5
    with pytest.raises(ParityError, match="1e-05 is allowed"):
        compare_regressor(graph, rows, expected)


def test_metadata_holds_both_baselines_the_verdict_and_parity(
    made: ModelPaths, trained: Trained
) -> None:
    metadata = json.loads(made.sltp.metadata.read_text())
    assert metadata["kind"] == "sltp"
    assert metadata["signal_graph_sha256"] == signal_evidence(trained.task, made).oof.graph_sha256
    assert len(metadata["folds"]) == trained.task.n_splits
    for fold in metadata["folds"]:
        assert set(fold["mae"]) == set(fold["baseline"]["mae"]) == {"sl", "tp"}
        assert {"model", "static", "constant"} <= set(fold["gated"])
    assert metadata["parity"]["largest_difference"] <= 1e-5
    assert "SL/TP model" in metadata["verdict"]
    assert metadata["labeling"]["pairs"] == PAIRS.tolist()
    assert metadata["libraries"]["lightgbm"]


def test_the_same_task_gives_the_same_bytes(
    made: ModelPaths, trained: Trained, tmp_path: Path
) -> None:
    again = copied(trained, tmp_path / "again")
    train_sltp(task_of(trained), again)
    assert again.sltp.graph.read_bytes() == made.sltp.graph.read_bytes()


def test_no_training_trade_reaches_into_the_test_part_or_its_embargo(
    made: ModelPaths, trained: Trained
) -> None:
    task = task_of(trained)
    table = read_table(task, signal_evidence(trained.task, made))
    folds = list(sltp_folds(task, table))
    assert len(folds) == 2
    for fold in folds:
        gap = int(table.bar[fold.test[0]]) - int(table.end_bar[fold.train].max())
        assert gap == trained.task.training.embargo_bars + 1
        assert (table.end_bar - table.bar == trained.task.labels.lookahead_candles).all()


def test_rows_are_those_that_the_signal_forecast_out_of_fold(
    made: ModelPaths, trained: Trained
) -> None:
    evidence = signal_evidence(trained.task, made)
    table = read_table(task_of(trained), evidence)
    sided = evidence.oof.probabilities[:, 0] != evidence.oof.probabilities[:, 1]
    assert table.open_ms.tolist() == evidence.oof.open_ms[sided].tolist()
    said = evidence.oof.probabilities[sided]
    assert table.paths.side.tolist() == np.sign(said[:, 0] - said[:, 1]).tolist()


def test_without_a_signal_model_the_command_is_named(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"train_ml_model.py --ensemble"):
        train_sltp(task_of(trained), ModelPaths().in_folder(tmp_path))
    assert not list(tmp_path.iterdir())


def test_without_out_of_fold_forecasts_the_command_is_named(
    trained: Trained, tmp_path: Path
) -> None:
    paths = copied(trained, tmp_path)
    oof_path(paths, "BTCUSD").unlink()
    with pytest.raises(TrainingError, match=r"no out-of-fold forecasts.*--ensemble"):
        train_sltp(task_of(trained), paths)


def test_another_signal_models_forecasts_are_refused(trained: Trained, tmp_path: Path) -> None:
    paths = copied(trained, tmp_path)
    file = oof_path(paths, "BTCUSD")
    replace(OofForecasts.load(file), graph_sha256="0" * 64).save(file)
    with pytest.raises(TrainingError, match="those of 000000000000"):
        train_sltp(task_of(trained), paths)
    assert not paths.sltp.graph.exists()


def test_other_bars_than_the_signal_model_saw_are_refused(
    trained: Trained, market: Bars, tmp_path: Path
) -> None:
    paths = copied(trained, tmp_path)
    shorter = market.rows(0, len(market) - 96)
    task = replace(trained.task, bars=shorter, cutoff_ms=int(shorter.close_ms[-1]))
    with pytest.raises(TrainingError, match="same --data, --from and --to"):
        train_sltp(SltpTraining(task, (1.0, 1.0), SMALL), paths)


def test_a_parameter_that_cannot_be_changed_is_refused(trained: Trained) -> None:
    with pytest.raises(TrainingError, match=r"sltp_training.lgb_params.objective"):
        regressor_params(DEFAULTS, {"objective": "poisson"}, "full", 1)


def test_the_verdict_says_plainly_when_the_static_pair_is_as_good() -> None:
    gated = {"model": 0.10, "static": 0.05, "over_static": 0.05, "standard_error": 0.04}
    assert "does not beat the static multiples" in verdict({"gated": gated}, (1.0, 1.0))
    assert "use_model off" in verdict({"gated": gated}, (1.0, 1.0))
    clear = gated | {"standard_error": 0.02}
    assert "beats the static multiples out of fold" in verdict({"gated": clear}, (1.0, 1.0))


def test_expanding_folds_refuse_too_few_rows() -> None:
    bar = np.arange(1500)
    with pytest.raises(SplitError, match="leave 706 before a test part"):
        list(expanding(bar, bar + 20, n_splits=2, embargo_bars=24))
