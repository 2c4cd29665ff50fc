"""Whole runs on real bars, in processes that are killed: `make soak`."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ml.predictors.compat import read_manifest
from retrain.pipeline import NAMES
from retrain.snapshot import digest
from tests.retrain.weekly_runs import outcome, project_folder, run_folder, start, words

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
    status = start(root, words(root, data=data, overrides=_OPEN_GATES)).wait()
    assert status == 0, (root / "said.txt").read_text(encoding="utf-8")[-2000:]
    return root


def test_run_killed_in_each_phase_ends_like_one_that_nobody_stopped(
    undisturbed: Path, data: Path, tmp_path: Path
) -> None:
    whole = run_folder(undisturbed)
    seconds = {each["name"]: (each["ended_ms"] - each["started_ms"]) / 1000
               for each in _phases(whole)}  # fmt: skip
    root = project_folder(tmp_path)
    given = words(root, data=data, overrides=_OPEN_GATES)
    killed = [name for name in NAMES if _killed_in(name, seconds[name] / 2, root, given)]
    status = start(root, given).wait()
    assert status == 0, (root / "said.txt").read_text(encoding="utf-8")[-2000:]
    assert len(list((root / "state" / "weekly" / "btcusd").glob("*/run.json"))) == 1
    assert outcome(run_folder(root)) == outcome(whole)
    assert _served(root) == _served(undisturbed)
    # a phase of milliseconds may be over before its kill comes
    assert {"data_audit", "shap", "tune", "retrain", "sweep", "evaluate"} <= set(killed)


def test_worse_candidate_leaves_the_models_folder_byte_for_byte(
    undisturbed: Path, data: Path
) -> None:
    before = digest(undisturbed / "models")
    given = words(undisturbed, data=data, overrides=(*_OPEN_GATES, *_WORSE))
    assert start(undisturbed, [*given, "--skip", "shap", "--skip", "tune"]).wait() == 0
    told = {each["name"]: each["figures"] for each in _phases(run_folder(undisturbed))}
    assert told["evaluate"]["champion"] is not None
    assert not told["score_gate"]["passed"]
    assert told["swap"]["action"] == "keep"
    assert digest(undisturbed / "models") == before


def _killed_in(name: str, after_s: float, root: Path, given: list[str]) -> bool:
    """Starts the run and kills it `after_s` after a phase began; whether it was still in it."""
    process = start(root, given)
    try:
        for phase in _states(root, process):
            if phase.get(name) == "started":
                time.sleep(after_s)
                break
            if phase.get(name) in ("done", "skipped"):
                break
    finally:
        process.kill()
        process.wait()
    return dict(_state(run_folder(root))).get(name) == "started"


def _states(root: Path, process: Any) -> Iterator[dict[str, str]]:
    """The state of each phase, again and again while the process lives."""
    while process.poll() is None:
        found = list((root / "state" / "weekly" / "btcusd").glob("*/phases.json"))
        yield dict(_state(found[0].parent)) if found else {}
        time.sleep(0.005)


def _state(run: Path) -> Iterator[tuple[str, str]]:
    if (run / "phases.json").exists():
        for each in _phases(run):
            yield each["name"], each["state"]


def _phases(run: Path) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = json.loads((run / "phases.json").read_bytes())
    return told


def _served(root: Path) -> dict[str, str]:
    listed = read_manifest(root / "models" / "model_compat.json").models
    return {name: entry.graph.sha256 for name, entry in listed.items()}
