"""Whole runs on real bars, in processes that are killed: `make soak`."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from ml.predictors.compat import read_manifest
from retrain.pipeline import phases
from retrain.snapshot import digest
from tests.retrain.weekly_runs import outcome, project_folder, run_folder, status, words

pytestmark = [pytest.mark.soak, pytest.mark.timeout(5400)]

_BARS = "btcusdt_m15_spot.parquet"
# What is shown here is what a kill does to a run, so gates that real bars do not pass are opened.
_OPEN_GATES = (
    "gate.walk_forward.min_profit_factor=0", "gate.walk_forward.worst_fold_r=-1000",
    "weekly.trials=2", "weekly.sweep_draws=4", "weekly.notify=false",
)  # fmt: skip
_WORSE = (
    "rf_params.n_estimators=1", "xgb_params.n_estimators=1", "lgb_params.n_estimators=1",
    "labeling.lookahead_candles=2",
)  # fmt: skip


@pytest.fixture(scope="module")
def data(shared_data: Path) -> Path:
    return shared_data / _BARS


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """The project folder of a run that nobody stopped."""
    root = project_folder(tmp_path_factory.mktemp("undisturbed"))
    assert status(root, words(root, data=data, overrides=_OPEN_GATES)) == 0, _said(root)
    return root


def test_run_killed_in_each_phase_ends_like_one_that_nobody_stopped(
    undisturbed: Path, data: Path, tmp_path: Path
) -> None:
    whole = run_folder(undisturbed)
    seconds = {each["name"]: (each["ended_ms"] - each["started_ms"]) / 1000
               for each in _phases(whole)}  # fmt: skip
    root = project_folder(tmp_path)
    given = words(root, data=data, overrides=_OPEN_GATES)
    for name in (each.name for each in phases()):
        killed = status(root, given, kill_in=name, after_s=seconds[name] / 2)
        assert killed == -signal.SIGKILL, _said(root)
    assert status(root, given) == 0, _said(root)
    assert len(list((root / "state" / "weekly" / "btcusd").glob("*/run.json"))) == 1
    assert outcome(run_folder(root)) == outcome(whole)
    assert _served(root) == _served(undisturbed)


def test_worse_candidate_leaves_the_models_folder_byte_for_byte(
    undisturbed: Path, data: Path
) -> None:
    before = digest(undisturbed / "models")
    given = words(undisturbed, data=data, overrides=(*_OPEN_GATES, *_WORSE))
    given += ["--skip", "shap", "--skip", "tune"]
    assert status(undisturbed, given) == 0, _said(undisturbed)
    told = {each["name"]: each["figures"] for each in _phases(run_folder(undisturbed))}
    assert told["evaluate"]["champion"] is not None
    assert not told["score_gate"]["passed"]
    assert told["swap"]["action"] == "keep"
    assert digest(undisturbed / "models") == before


def _said(root: Path) -> str:
    return (root / "said.txt").read_text(encoding="utf-8")[-2000:]


def _phases(run: Path) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = json.loads((run / "phases.json").read_bytes())
    return told


def _served(root: Path) -> dict[str, str]:
    listed = read_manifest(root / "models" / "model_compat.json").models
    return {name: entry.graph.sha256 for name, entry in listed.items()}
