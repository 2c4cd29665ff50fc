"""The ensemble graph of the position model's classes: votes are class numbers, a tie is HOLD."""

from typing import Any

import numpy as np
import pytest

from ml.predictors.session import open_session, run_rows
from ml.training.calibration import Table
from ml.training.classes import POSITION, SIGNAL, ThreeClasses
from ml.training.export import ensemble_graph
from ml.training.fitting import FittedEnsemble, fit_ensemble
from ml.training.models import TrainingError, model_params
from ml.training.parity import ParityError, compare, top_class
from ml.training.trees import tree_nodes
from tests.training.tables import TINY, make_table

PARAMS = model_params(TINY, "quick", 1)
TABLE = make_table()
BASE, CALIBRATION = np.arange(2500), np.arange(2600, 4000)


@pytest.fixture(scope="module")
def fitted() -> FittedEnsemble:
    return fit_ensemble(TABLE, BASE, CALIBRATION, PARAMS, 365, classes=POSITION)


@pytest.fixture(scope="module")
def nodes(fitted: FittedEnsemble) -> list[Any]:
    return tree_nodes(fitted.models, 5)


def always(*values: float) -> list[Table]:
    """A model that gives the same probabilities to every row."""
    return [Table(np.array([0.5], np.float32), np.array([value], np.float32)) for value in values]


def test_graph_equals_the_ensemble_on_every_row(fitted: FittedEnsemble) -> None:
    report = compare(fitted.graph, fitted.models, fitted.tables, TABLE.rows, POSITION)
    assert report.rows == 4000
    assert report.class_flips == report.vote_flips == 0
    assert report.largest_difference < 1e-5


def test_votes_are_class_numbers(nodes: list[Any]) -> None:
    tables = [always(0.5, 0.3, 0.2), always(0.2, 0.5, 0.3), always(0.2, 0.3, 0.5)]
    votes = run_rows(open_session(ensemble_graph(nodes, tables, 5, POSITION)), TABLE.rows[:4])[2]
    assert votes.dtype == np.int8
    assert votes.tolist() == [[0, 1, 2]] * 4


@pytest.mark.parametrize(
    "tie", [(0.2, 0.4, 0.4), (0.4, 0.4, 0.2), (0.4, 0.2, 0.4), (0.3, 0.3, 0.3)], ids=str
)
def test_a_tie_votes_hold(nodes: list[Any], tie: tuple[float, float, float]) -> None:
    tables = [always(*tie), always(0.2, 0.5, 0.3), always(0.2, 0.3, 0.5)]
    graph = ensemble_graph(nodes, tables, 5, POSITION)
    probabilities, by_model, votes = run_rows(open_session(graph), TABLE.rows[:2])
    assert votes.tolist() == [[0, 1, 2]] * 2
    assert top_class(by_model[:, 0], POSITION).tolist() == [0, 0]
    assert probabilities == pytest.approx(by_model.mean(axis=1), abs=1e-15)


def test_graphs_of_equal_models_differ_only_in_their_votes(nodes: list[Any]) -> None:
    tables = [always(0.5, 0.3, 0.2)] * 3
    signal, position = (
        run_rows(open_session(ensemble_graph(nodes, tables, 5, classes)), TABLE.rows[:2])
        for classes in (SIGNAL, POSITION)
    )
    assert np.array_equal(signal[0], position[0])
    assert np.array_equal(signal[1], position[1])
    assert signal[2].tolist() == [[1] * 3] * 2
    assert position[2].tolist() == [[0] * 3] * 2


def test_a_graph_that_votes_as_another_kind_is_refused(fitted: FittedEnsemble) -> None:
    with pytest.raises(ParityError, match=r"flips \d+ classes and \d+ votes"):
        compare(fitted.graph, fitted.models, fitted.tables, TABLE.rows, SIGNAL)


def test_other_votes_than_the_known_ones_are_refused(nodes: list[Any]) -> None:
    odd = ThreeClasses(("A", "B", "C"), (0, 3, 5))
    with pytest.raises(ValueError, match=r"1 and 2, are allowed, \(3, 5\) came"):
        ensemble_graph(nodes, [always(0.5, 0.3, 0.2)] * 3, 5, odd)


def test_a_class_that_never_occurs_is_named() -> None:
    table = make_table()
    table.label[table.label == 2] = 1
    with pytest.raises(TrainingError, match="HOLD, EXIT, ADD occur"):
        fit_ensemble(table, BASE, CALIBRATION, PARAMS, 365, classes=POSITION)
