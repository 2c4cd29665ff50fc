"""Out-of-fold forecasts: only rows that a fold tested, bound to their graph, never pickled."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml.predictors.compat import FileStamp
from ml.predictors.session import open_session, run_rows
from ml.predictors.settings import ModelPaths
from ml.training.models import TrainingError
from ml.training.oof import OofForecasts, oof_path
from ml.training.table import training_table
from tests.training.tables import Trained


def small(n: int = 6) -> OofForecasts:
    return OofForecasts(
        np.arange(n) * 900_000,
        np.full((n, 3), 1 / 3),
        np.ones((n, 3), dtype=np.int8),
        np.arange(n, dtype=np.int16) // 3,
        "a" * 64,
        np.full((n, 3, 3), 1 / 3),
        np.zeros(n, dtype=np.int8),
    )


@pytest.fixture
def written(trained: Trained) -> OofForecasts:
    return OofForecasts.load(oof_path(trained.paths, "BTCUSD"))


def test_forecasts_come_back_as_they_were_saved(tmp_path: Path) -> None:
    small().save(tmp_path / "oof.npz")
    again = OofForecasts.load(tmp_path / "oof.npz")
    for name in ("open_ms", "probabilities", "votes", "fold", "model_probabilities", "label"):
        got, expected = getattr(again, name), getattr(small(), name)
        assert got.dtype == expected.dtype
        assert np.array_equal(got, expected)
    assert again.graph_sha256 == "a" * 64
    assert [path.name for path in tmp_path.iterdir()] == ["oof.npz"]


def test_the_signal_trainer_writes_each_tested_row_once_and_its_fold(
    trained: Trained, written: OofForecasts
) -> None:
    assert len(written) == sum(fold["rows"] for fold in trained.metadata["folds"])
    counts = np.bincount(written.fold).tolist()
    assert counts == [fold["rows"] for fold in trained.metadata["folds"]]
    assert (np.diff(written.open_ms) > 0).all()
    assert written.votes.dtype == np.int8


def test_forecasts_are_those_that_the_folds_were_scored_by(
    trained: Trained, written: OofForecasts
) -> None:
    for number, fold in enumerate(trained.metadata["folds"]):
        rows = written.fold == number
        chosen = written.probabilities[rows, written.label[rows]]
        assert -np.log(chosen).mean() == pytest.approx(fold["log_loss"], rel=1e-12)


def test_forecasts_are_not_those_of_the_final_model(
    trained: Trained, written: OofForecasts
) -> None:
    """The final model has seen these rows; its own words on them would teach leaks."""
    task = trained.task
    table = training_table(task.bars, task.instrument, task.features, task.labels, task.calendar)
    rows = table.rows[np.searchsorted(table.open_ms, written.open_ms)]
    final = run_rows(open_session(trained.paths.graph.read_bytes()), rows)[0]
    assert not (final == written.probabilities).all(axis=1).any()


def test_forecasts_of_another_graph_are_refused(trained: Trained, written: OofForecasts) -> None:
    graph = FileStamp.of(trained.paths.graph).sha256
    assert written.require_graph(graph) is written
    with pytest.raises(TrainingError, match=r"those of bbbbbbbbbbbb… came.*--ensemble"):
        replace(written, graph_sha256="b" * 64).require_graph(graph)


def test_a_missing_or_damaged_file_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "oof.npz"
    with pytest.raises(TrainingError, match="train the signal model first"):
        OofForecasts.load(path)
    small().save(path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(TrainingError, match="damaged"):
        OofForecasts.load(path)
    np.savez(path, open_ms=np.arange(3))
    with pytest.raises(TrainingError, match="damaged"):
        OofForecasts.load(path)


def test_a_file_that_would_need_pickle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "oof.npz"
    np.savez(path, open_ms=np.array([{"a": 1}], dtype=object))
    with pytest.raises(TrainingError, match=r"damaged.*allow_pickle"):
        OofForecasts.load(path)


def test_rows_out_of_order_or_of_another_shape_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "oof.npz"
    replace(small(), open_ms=np.zeros(6, dtype=np.int64)).save(path)
    with pytest.raises(TrainingError, match="rise in time"):
        OofForecasts.load(path)
    replace(small(), label=np.zeros(5, dtype=np.int8)).save(path)
    with pytest.raises(TrainingError, match=r"label of shape \(6,\) is expected"):
        OofForecasts.load(path)


def test_forecasts_lie_in_datasets_or_beside_models_that_lie_elsewhere(tmp_path: Path) -> None:
    assert oof_path(ModelPaths(), "BTCUSD").parts[-2:] == ("datasets", "oof_btcusd.npz")
    assert oof_path(ModelPaths().in_folder(tmp_path), "XAUUSD") == tmp_path / "oof_xauusd.npz"
