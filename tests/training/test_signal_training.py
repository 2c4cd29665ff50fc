"""A training run from bars to installed files."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from market.bars import Bars
from market.timeframe import Timeframe
from ml.predictors.compat import FileStamp, ModelEntry, ModelError, read_manifest
from ml.predictors.ensemble import EnsemblePredictor
from ml.predictors.settings import ModelFiles, ModelPaths
from ml.train import main
from ml.training.install import install_model
from ml.training.models import TrainingError
from ml.training.settings import LabelSettings, TrainingSettings
from ml.training.signal import history_warning, train_signal
from ml.training.splits import SplitError
from ml.training.table import training_table
from tests.builders import make_bars
from tests.training.tables import DAY_MS, Trained, make_task


def contents(paths: ModelPaths) -> dict[str, bytes]:
    folder = paths.graph.parent
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_metadata_holds_scores_baseline_cutoff_and_hashes(trained: Trained) -> None:
    metadata = json.loads(trained.paths.metadata.read_text())
    assert metadata == trained.metadata
    assert len(metadata["folds"]) == 2
    for fold in metadata["folds"]:
        assert set(fold["classes"]) == {"BUY", "SELL", "HOLD"}
        assert {"accuracy", "precision", "recall", "log_loss", "auc"} <= set(fold["classes"]["BUY"])
        assert 0 < fold["baseline"]["accuracy"] < 1
    assert datetime.fromisoformat(metadata["train_cutoff_date"]).tzinfo == UTC
    assert metadata["data_sha256"] == trained.task.bars.sha256()
    assert len(metadata["feature_names"]) == 62
    assert metadata["parity"]["class_flips"] == 0
    assert metadata["parity"]["rows"] == metadata["rows"]["usable"]
    assert metadata["libraries"]["onnxruntime"]


def test_bars_from_the_cutoff_on_change_nothing(
    market: Bars, trained: Trained, tmp_path: Path
) -> None:
    """The leak test of the whole run: the future is replaced, the graph stays."""
    cutoff_ms = int(market.open_ms[-3000])
    early, late = market.between(0, cutoff_ms), market.rows(len(market) - 3000, len(market))
    half = (late.open / 2, late.high / 2, late.low / 2, late.close / 2)
    other = replace(late, open=half[0], high=half[1], low=half[2], close=half[3])
    graphs = []
    for name, bars in (("a", market), ("b", early.followed_by(other))):
        paths = ModelPaths().in_folder(tmp_path / name)
        metadata = train_signal(make_task(bars, cutoff_ms=cutoff_ms), paths)
        graphs.append(paths.graph.read_bytes())
        assert metadata["train_cutoff_ms"] == cutoff_ms
    assert graphs[0] == graphs[1]
    assert graphs[0] != trained.paths.graph.read_bytes()


def test_calibration_days_are_behind_a_gap_and_reach_the_cutoff(trained: Trained) -> None:
    rows = trained.metadata["rows"]
    base_to, calibration_from = (
        datetime.fromisoformat(rows[key]).timestamp() * 1000
        for key in ("base_to", "calibration_from")
    )
    task = trained.task
    gap_ms = task.gap_bars * task.bars.timeframe.ms
    assert calibration_from - base_to == gap_ms
    assert calibration_from == task.cutoff_ms - 25 * DAY_MS


class Crash(BaseException):
    """Stands in for the power going out."""


def test_a_crash_in_training_leaves_the_old_model_whole(trained: Trained) -> None:
    before = contents(trained.paths)

    def crash(step: str, done: int, total: int) -> None:
        if step.startswith("parity"):
            raise Crash

    with pytest.raises(Crash):
        train_signal(trained.task, trained.paths, crash)
    assert contents(trained.paths) == before


def load(new: ModelFiles) -> object:
    """As a daemon would; another symbol's model is only read."""
    paths = ModelPaths().in_folder(new.graph.parent)
    return EnsemblePredictor(paths).load() if "btcusd" in new.graph.name else new.graph.read_bytes()


def test_a_model_that_cannot_be_loaded_is_not_installed(trained: Trained) -> None:
    before = contents(trained.paths)
    entry = json.loads(trained.paths.manifest.read_text())["models"]
    wrong = next(iter(entry.values())) | {"feature_hash": "0" * 64}

    def entry_of(graph: FileStamp, metadata: FileStamp) -> ModelEntry:
        return ModelEntry.model_validate(wrong | {"graph": graph, "metadata": metadata})

    with pytest.raises(ModelError, match="feature hash"):
        install_model(trained.paths.signal, before[str(trained.paths.graph)], {}, entry_of, load)
    assert contents(trained.paths) == before


def test_installing_keeps_the_entries_of_other_models(trained: Trained, tmp_path: Path) -> None:
    paths = ModelPaths().in_folder(tmp_path)
    graph = trained.paths.graph.read_bytes()
    entry = next(iter(read_manifest(trained.paths.manifest).models.values()))

    def entry_of(graph: FileStamp, metadata: FileStamp) -> ModelEntry:
        return entry.model_copy(update={"graph": graph, "metadata": metadata})

    for symbol in ("BTCUSD", "XAUUSD"):
        install_model(paths.for_symbol(symbol).signal, graph, {}, entry_of, load)
    assert sorted(read_manifest(paths.manifest).models) == [
        "ensemble_btcusd-live.onnx", "ensemble_xauusd-live.onnx",
    ]  # fmt: skip
    assert not list(tmp_path.glob(".new-*"))


def test_a_table_has_finite_rows_whole_labels_and_no_warm_up(market: Bars) -> None:
    task = make_task(market)
    table = training_table(market, task.instrument, task.features, task.labels, task.calendar)
    assert np.isfinite(table.rows).all()
    assert table.bar[0] == table.warm_up_bars
    assert table.bar[-1] == len(market) - 25
    assert table.unlabelled_bars == 24
    assert (table.end_bar <= table.bar + 24).all()
    assert (table.end_bar > table.bar).all()


def test_too_short_a_history_says_what_is_missing(market: Bars, tmp_path: Path) -> None:
    paths = ModelPaths().in_folder(tmp_path / "none")
    with pytest.raises(TrainingError, match="17 weeks of warm-up"):
        train_signal(make_task(market.rows(0, 5000)), paths)
    settings = TrainingSettings(n_splits=2, calibration_days=300)
    with pytest.raises(SplitError, match="0 for the base models"):
        train_signal(make_task(market, training=settings), paths)
    assert not paths.graph.parent.exists()
    assert "210 days" in history_warning(market)


def test_labels_that_lack_a_class_are_refused(market: Bars, tmp_path: Path) -> None:
    never = LabelSettings(atr_sl_mult=20, atr_tp_mult=20, lookahead_candles=1)
    with pytest.raises(TrainingError, match="every class must occur"):
        train_signal(make_task(market, labels=never), ModelPaths().in_folder(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "nothing.parquet"], "nothing.parquet: there is no such file"),
        (["--symbol", "DOGEUSD"], "symbol: one of BTCUSD"),
        (["--from", "2025-01-01", "--to", "2024-01-01"], ""),
        (["--to", "2024-02-01"], "17 weeks of warm-up"),
    ],
)
def test_what_a_person_can_mend_is_one_message_and_status_2(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "models"
    ledger = ["--override", f"study.ledger={tmp_path / 'ledger.sqlite'}"]
    assert main(["--ensemble", "--models", str(folder), *ledger, *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert "Traceback" not in error
    assert not folder.exists()


def test_a_bad_date_and_no_target_are_usage_errors(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--ensemble", "--to", "June"])
    assert caught.value.code == 2
    assert "a date or time such as" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([])


def test_the_command_trains_on_a_span_of_the_generated_market(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    span = ["--from", "2024-07-01", "--to", "2025-05-01"]
    target = ["--models", str(tmp_path), "--profile", "quick", "--seed", "5", "--no-warmstart"]
    ledger = ["--no-report", "--override", f"study.ledger={tmp_path / 'ledger.sqlite'}"]
    assert main(["--ensemble", *span, *target, *ledger]) == 0
    assert "it says nothing about real markets" in " ".join(capsys.readouterr().out.split())
    metadata = json.loads(next(tmp_path.glob("*_metadata.json")).read_text())
    assert metadata["train_cutoff_date"] == "2025-05-01T00:00:00+00:00"
    assert metadata["training"]["seed"] == 5
    assert metadata["warm_start"] is False


def test_another_timeframe_is_refused(tmp_path: Path) -> None:
    hours = make_bars([(100.0, 101.0, 99.0, 100.0)] * 50, timeframe=Timeframe.H1)
    with pytest.raises(TrainingError, match="M15 is allowed, H1 came"):
        train_signal(make_task(hours), ModelPaths().in_folder(tmp_path))
