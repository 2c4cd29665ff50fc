"""ONNX against the libraries on every row of a test window of real bars."""

from pathlib import Path

import numpy as np
import pytest

from market.instruments import INSTRUMENTS
from market.sources.files import read_bars
from ml.training.fitting import FittedEnsemble, fit_ensemble
from ml.training.models import EnsembleParams, model_params
from ml.training.parity import compare
from ml.training.regressor import fit_regressor, regressor_params
from ml.training.regressor_export import (
    bounded_multiples,
    bounded_multiplier,
    compare_regressor,
    multiples_graph,
    multiplier_graph,
)
from ml.training.signal_folds import folds_of
from ml.training.signal_task import SignalTraining
from ml.training.sltp_trainer import DEFAULTS
from ml.training.splits import Fold
from ml.training.table import TrainingTable, training_table
from tests.training.tables import DAY_MS, make_task

MOST = 1e-5
# As deep as the defaults, with fewer trees: the difference comes from depth and thresholds.
PARAMS = EnsembleParams(rf={"n_estimators": 40}, xgb={"n_estimators": 40}, lgb={"n_estimators": 40})


@pytest.fixture(scope="module")
def task(shared_data: Path) -> SignalTraining:
    bars = read_bars(shared_data / "btcusdt_m15_spot.parquet", INSTRUMENTS["BTCUSD"])
    return make_task(bars.between(int(bars.close_ms[-1]) - 500 * DAY_MS, int(bars.close_ms[-1])))


@pytest.fixture(scope="module")
def table(task: SignalTraining) -> TrainingTable:
    return training_table(task.bars, task.instrument, task.features, task.labels, task.calendar)


@pytest.fixture(scope="module")
def fold(task: SignalTraining, table: TrainingTable) -> Fold:
    return folds_of(task, table)[-1]


@pytest.fixture(scope="module")
def fitted(table: TrainingTable, fold: Fold) -> FittedEnsemble:
    params = model_params(PARAMS, "full", 42)
    return fit_ensemble(table, fold.base, fold.calibration, params, 365)


def test_no_class_and_no_vote_flips_in_the_test_window(
    fitted: FittedEnsemble, table: TrainingTable, fold: Fold
) -> None:
    report = compare(fitted.graph, fitted.models, fitted.tables, table.rows[fold.test])
    assert report.rows == len(fold.test) > 5000
    assert report.class_flips == report.vote_flips == 0
    assert report.largest_difference <= MOST


@pytest.mark.parametrize("features", [62, 7], ids=["sltp", "risk"])
def test_regressors_say_the_same_in_the_test_window(
    table: TrainingTable, fold: Fold, features: int
) -> None:
    params = regressor_params(DEFAULTS, {"n_estimators": 60}, "full", 42)
    learned, judged = table.rows[fold.base, :features], table.rows[fold.test, :features]
    ones, label = np.ones(len(fold.base)), table.label[fold.base].astype(np.float64)
    one = fit_regressor(learned, label, ones, params)
    if features == 7:
        graph, said = multiplier_graph(one, 7), bounded_multiplier(one.predict(judged))
    else:
        other = fit_regressor(learned, 2 - label, ones, params)
        graph = multiples_graph(one, other, features)
        said = bounded_multiples(one.predict(judged), other.predict(judged))
    report = compare_regressor(graph, judged, said)
    assert report.rows == len(fold.test)
    assert report.largest_difference <= MOST
