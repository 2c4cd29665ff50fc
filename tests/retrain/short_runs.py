"""Whole runs on the generated market, small enough for seconds."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from market.instruments import INSTRUMENTS
from market.sources.generated import generated_bars
from ml.training.refresh import write_bars
from retrain.options import WeeklyOptions
from retrain.phase import Run
from retrain.pipeline import phases
from retrain.runner import run_phases
from retrain.store import PhaseRecord, PhaseStore
from retrain.weekly import open_run
from settings import load_settings
from tests.builders import MONDAY_MS
from tests.retrain.weekly_runs import own_files, project_folder

DAY_MS = 86_400_000
DAYS = 290
SMALL = (
    "labeling.lookahead_candles=24", "training.n_splits=2", "training.embargo_bars=24",
    "training.calibration_days=25", 'rf_params={"n_estimators": 90, "max_leaf_nodes": 8}',
    'xgb_params={"n_estimators": 20, "max_depth": 2}',
    'lgb_params={"n_estimators": 20, "num_leaves": 4}',
    "prediction.quantile.lookback_days=20", "prediction.quantile.top_share=0.15",
    "weekly.sweep_weeks=3", "weekly.judge_weeks=9", "weekly.trials=1", "weekly.sweep_draws=2",
    "weekly.sweep_target=kelly", "study.sample_days=70", "study.shap_rows=200",
    "study.calibration_limit=0.2", "gate.retrain.min_weeks=9", "gate.walk_forward.min_weeks=9",
    "weekly.notify=false", "weekly.shadow_days=0",
)  # fmt: skip


def short_project(root: Path) -> Path:
    """A project folder with bars of the generated market in `bars.parquet`."""
    project_folder(root)
    write_short_bars(root / "bars.parquet")
    return root


def write_short_bars(path: Path) -> Path:
    to_ms = MONDAY_MS + DAYS * DAY_MS
    bars = generated_bars(INSTRUMENTS["BTCUSD"], seed=7, from_ms=MONDAY_MS, to_ms=to_ms)
    write_bars(path, bars)
    return path


def short_run(root: Path, *, skip: tuple[str, ...] = (), new: bool = False) -> Run:
    """The unfinished run of a folder, or one that has just begun."""
    given = (*SMALL, *own_files(root))
    options = WeeklyOptions(
        profile="quick", data=root / "bars.parquet", models=root / "models", kinds=("signal",),
        overrides=given, skip=skip,
    )  # fmt: skip
    return open_run(root, options, load_settings(root, overrides=given), _silent, new=new)


def go_to(run: Run, last: str) -> Run:
    """Runs the phases up to and with `last`, those that are over aside."""
    made = phases()
    names = [each.name for each in made]
    run_phases(run, made[: names.index(last) + 1])
    return run


def with_result(run: Run, name: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Changes what a phase came to."""
    store = PhaseStore(run.folder)
    kept = store.all().get(name, PhaseRecord(name, "done", 0, 1))
    store.put(replace(kept, state="done", figures=change(kept.figures)))


def forget_from(run: Run, name: str) -> None:
    """As a kill in that phase leaves the record: begun, and nothing after it."""
    path = run.folder / "phases.json"
    told = json.loads(path.read_bytes())
    first = [each["name"] for each in told].index(name)
    begun = {**told[first], "state": "started", "ended_ms": None, "figures": {}, "words": []}
    path.write_text(json.dumps([*told[:first], begun]))


def _silent(line: str) -> None:
    pass
