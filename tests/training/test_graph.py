"""The one ONNX graph is the trained ensemble: same branches, same classes, same bytes again."""

from dataclasses import replace

import numpy as np
import pytest

from ml.predictors.session import open_session, run_rows
from ml.training.calibration import Table
from ml.training.export import base_graph, ensemble_graph
from ml.training.fitting import FittedEnsemble, fit_ensemble
from ml.training.models import EnsembleParams, TrainingError, fit_models, model_params
from ml.training.parity import ParityError, compare, native_probabilities, top_class
from ml.training.trees import float32_thresholds, floor_float32, tree_nodes
from tests.training.tables import TINY, make_table

PARAMS = model_params(TINY, "quick", 1)
TABLE = make_table()
BASE, CALIBRATION = np.arange(2500), np.arange(2600, 4000)


@pytest.fixture(scope="module")
def fitted() -> FittedEnsemble:
    return fit_ensemble(TABLE, BASE, CALIBRATION, PARAMS, 365)


def test_graph_equals_the_ensemble_on_every_row(fitted: FittedEnsemble) -> None:
    report = compare(fitted.graph, fitted.models, fitted.tables, TABLE.rows)
    assert report.rows == 4000
    assert report.class_flips == report.vote_flips == 0
    assert report.largest_difference < 1e-5


def test_rows_on_a_threshold_take_the_models_own_branch(fitted: FittedEnsemble) -> None:
    """float32 neighbours of every float64 threshold of the forest and of LightGBM."""
    text = fitted.models.lgb.booster_.model_to_string()
    lines = [line for line in text.splitlines() if line.startswith("threshold=")]
    cuts = np.array([v for line in lines for v in line[10:].split()], dtype=np.float64)
    trees = [tree.tree_.threshold for tree in fitted.models.rf.estimators_]
    cuts = np.r_[cuts, np.concatenate(trees)].astype(np.float32)
    near = np.r_[cuts, np.nextafter(cuts, np.float32(-9)), np.nextafter(cuts, np.float32(9))]
    rows = np.repeat(near[:, None], 5, axis=1)
    said = run_rows(open_session(base_graph(tree_nodes(fitted.models, 5), 5)), rows)[0]
    assert said.reshape(-1, 3, 3) == pytest.approx(
        native_probabilities(fitted.models, rows), abs=2e-6
    )


def test_floor_float32_is_the_largest_float32_not_above() -> None:
    values = np.array([0.1, -0.1, 1.0, 1e-40, 3.0000001, -3.0000001])
    floors = floor_float32(values)
    assert (floors <= values).all()
    assert (np.nextafter(floors.astype(np.float32), np.float32(np.inf)) > values).all()


def test_lightgbm_text_loses_its_sizes_and_keeps_all_but_thresholds() -> None:
    text = "tree\ntree_sizes=12 34\n\nTree=0\nthreshold=0.1 2\nleaf_value=0.1 0.3\n"
    expected = "tree\n\nTree=0\nthreshold=0.09999999403953552 2.0\nleaf_value=0.1 0.3\n"
    assert float32_thresholds(text) == expected


def test_votes_are_the_largest_class_and_a_tie_is_hold(fitted: FittedEnsemble) -> None:
    flat = Table(np.array([0.5], np.float32), np.array([0.3], np.float32))
    high = Table(np.array([0.5], np.float32), np.array([0.4], np.float32))
    nodes = tree_nodes(fitted.models, 5)
    for tie in ([high, high, flat], [high, flat, high], [flat, high, high], [flat] * 3):
        tables = [[high, flat, flat], [flat, high, flat], tie]
        graph = ensemble_graph(nodes, tables, 5)
        votes = run_rows(open_session(graph), TABLE.rows[:4])[2]
        assert votes.dtype == np.int8
        assert votes.tolist() == [[1, -1, 0]] * 4
    probabilities, by_model, _ = run_rows(open_session(graph), TABLE.rows[:4])
    assert by_model[0, 0] == pytest.approx([0.4, 0.3, 0.3])
    assert probabilities == pytest.approx(by_model.mean(axis=1), abs=1e-15)
    assert top_class(probabilities).tolist() == [2] * 4


def test_a_graph_of_other_tables_is_refused(fitted: FittedEnsemble) -> None:
    swapped = [[model[1], model[0], model[2]] for model in fitted.tables]
    with pytest.raises(ParityError, match=r"flips \d+ classes and \d+ votes in 4000 rows"):
        compare(fitted.graph, fitted.models, swapped, TABLE.rows)


def test_a_difference_without_a_flip_is_refused(fitted: FittedEnsemble) -> None:
    moved = [[replace(t, y=t.y * np.float32(0.99)) for t in model] for model in fitted.tables]
    moved = [[a, b, h] for (a, b, _), (_, _, h) in zip(moved, fitted.tables, strict=True)]
    with pytest.raises(ParityError, match="not saved"):
        compare(fitted.graph, fitted.models, moved, TABLE.rows)


def test_training_again_gives_the_same_bytes(fitted: FittedEnsemble) -> None:
    again = fit_ensemble(TABLE, BASE, CALIBRATION, PARAMS, 365)
    assert again.graph == fitted.graph


def test_another_seed_gives_another_model(fitted: FittedEnsemble) -> None:
    other = fit_ensemble(TABLE, BASE, CALIBRATION, model_params(TINY, "quick", 2), 365)
    assert other.graph != fitted.graph


def test_unknown_parameters_and_deep_forests_are_refused() -> None:
    with pytest.raises(TrainingError, match=r"rf_params\.n_trees is no parameter; allowed are"):
        model_params(EnsembleParams(rf={"n_trees": 5}), "quick", 1)
    with pytest.raises(TrainingError, match=r"learning_rat is no parameter, did you mean learn"):
        model_params(EnsembleParams(lgb={"learning_rat": 0.1}), "quick", 1)
    with pytest.raises(TrainingError, match="2 … 256 is allowed, None came"):
        model_params(EnsembleParams(rf={"max_leaf_nodes": None}), "full", 1)
    with pytest.raises(TrainingError, match=r"xgb_params\.objective cannot be changed"):
        model_params(EnsembleParams(xgb={"objective": "x"}), "quick", 1)


def test_a_bad_parameter_value_names_its_section() -> None:
    params = model_params(EnsembleParams(rf={"n_estimators": -5}), "quick", 1)
    with pytest.raises(TrainingError, match=r"rf_params: .*n_estimators"):
        fit_models(TABLE.rows, TABLE.label, np.ones(4000), params)


def test_a_class_that_never_occurs_is_refused() -> None:
    with pytest.raises(TrainingError, match="BUY, SELL, HOLD occur"):
        fit_models(TABLE.rows, np.minimum(TABLE.label, 1), np.ones(4000), PARAMS)
