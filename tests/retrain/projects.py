"""Projects and runs for the tests of phases swap, push and report: real models, told results."""

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from backtest.evidence import ChargedCosts, Evidence, System, flat, write_evidence
from backtest.forecast_band import ForecastBand, forecast_band
from backtest.gate_settings import BandSettings
from retrain.options import WeeklyOptions
from retrain.phase import Run
from retrain.runs import RunFacts, runs_folder, settings_sha256
from retrain.store import PhaseRecord, PhaseStore
from settings import Settings, load_settings
from tests.evaluation.made import PROVEN
from tests.hub.models import make_models

EVIDENCE = "evidence_btcusd.json"
ROOT = Path(__file__).resolve().parents[2]
DAY_MS = 86_400_000
BEGAN_MS = 1_795_176_000_000  # 2026-11-20 12:00 UTC
NAME = "20261120"
SERVED_AT_ONCE = ("weekly.shadow_days=0", "weekly.notify=false", "hub.folder=releases")
BEFORE_SWAP = (
    "refresh", "data_audit", "shap", "tune", "retrain", "calibration_and_parity", "sweep",
    "evaluate", "walk_forward_gate", "score_gate",
)  # fmt: skip


def make_project(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in ("config.json", "ml_config.json"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "datasets").mkdir()
    (folder / "datasets" / "btcusd_m15.parquet").touch()
    make_models(folder / "models", scale=1)
    (folder / "models" / "README.md").write_text("models\n")
    (folder / "models" / "cards").mkdir()
    (folder / "models" / "cards" / "ensemble_btcusd-live.json").write_text('{"of": 1}\n')
    return folder


def make_run(
    project: Path, *, overrides: Sequence[str] = SERVED_AT_ONCE, skip: tuple[str, ...] = (),
    scale: float = 2, name: str = NAME, **results: dict[str, Any],
) -> Run:  # fmt: skip
    """A run whose ten phases before swap are over; `results` replaces figures of some."""
    run = new_run(project, overrides=overrides, skip=skip, name=name)
    make_models(run.candidate, scale=scale)
    write_evidence(run.candidate / EVIDENCE, evidence_of(run))
    (run.candidate / "cards").mkdir()
    (run.candidate / "cards" / "ensemble_btcusd-live.json").write_text('{"of": 2}\n')
    run.backtests.mkdir()
    trades = {"closed_ms": [1, 2, 3], "net": [10.0, -5.0, 10.0], "r": [1.0, -0.5, None]}
    for who in ("candidate", "champion"):
        (run.backtests / f"{who}_trades.json").write_text(json.dumps(trades))
    for number, phase in enumerate(BEFORE_SWAP):
        told = results.get(phase, RESULTS.get(phase, {}))
        end(run, phase, told, at_ms=BEGAN_MS + number * 60_000)
    return run


@cache
def small_band() -> ForecastBand:
    closed_ms = np.arange(200, dtype=np.int64) * 3 * DAY_MS // 2
    returns = np.where(np.arange(200) % 3 == 0, -0.005, 0.005)
    return forecast_band(
        closed_ms, returns, from_ms=0, to_ms=300 * DAY_MS, settings=BandSettings(), replicates=100
    )


def evidence_of(run: Run) -> Evidence:
    """What phase evaluate writes of a candidate that passes all but the shadow."""
    from retrain.install import serving_graphs

    graphs = serving_graphs(run.candidate_paths, run.symbol)
    settings = flat(run.settings.decision.model_dump(mode="json"))
    figures = replace(
        PROVEN,
        shadow_days=0.0,
        shadow_inside=None,
        feature_rows=0,
        feature_differences=None,
        cost_gaps=None,
    )
    return Evidence(
        System(run.symbol, graphs, dict.fromkeys(graphs, "f" * 64), settings), "d" * 64,
        BEGAN_MS - 182 * DAY_MS, BEGAN_MS, BEGAN_MS, figures, small_band(), 1, "a" * 64,
        ChargedCosts(50, 1200.0),
    )  # fmt: skip


def new_run(
    project: Path, *, overrides: Sequence[str] = SERVED_AT_ONCE, skip: tuple[str, ...] = (),
    name: str = NAME,
) -> Run:  # fmt: skip
    """A run that has just begun."""
    from retrain.install import serving_graphs

    settings, options = settings_of(project, overrides), options_of(project, overrides, skip)
    folder = runs_folder(project, settings.symbol) / name
    made = Run(folder, project, options, settings, lambda line: None)
    serving = serving_graphs(made.paths, made.symbol)
    RunFacts(
        name, made.symbol, options.as_dict(), settings_sha256(settings), BEGAN_MS, serving
    ).write(folder)  # fmt: skip
    return made


def settings_of(project: Path, overrides: Sequence[str]) -> Settings:
    return load_settings(project, overrides=overrides)


def options_of(
    project: Path, overrides: Sequence[str], skip: tuple[str, ...] = ()
) -> WeeklyOptions:
    return WeeklyOptions(models=project / "models", overrides=tuple(overrides), skip=skip)


def end(run: Run, name: str, figures: dict[str, Any], *, at_ms: int, state: Any = "done") -> None:
    record = PhaseRecord(name, state, at_ms, at_ms + 60_000, figures, (f"{name} was told",))
    PhaseStore(run.folder).put(record)


def gate(name: str, *, passed: bool) -> dict[str, Any]:
    proof = "" if passed else "more trades"
    criterion = {"name": "a criterion", "needed": "2", "seen": "1", "met": passed, "proof": proof}
    return {"gate": name, "passed": passed, "criteria": [criterion], "warnings": []}


def judged(score: float) -> dict[str, Any]:
    """What phase evaluate tells of one of the two."""
    return {
        "trades": 3, "win_rate": 2 / 3, "profit_factor": 4.0, "net_profit": 15.0,
        "max_drawdown_pct": 3.5, "sharpe": 1.2, "alarms": [], "band": None, "evidence": None,
        "score": {"value": score, "why_not": ""},
    }  # fmt: skip


RESULTS: dict[str, dict[str, Any]] = {
    "calibration_and_parity": {"passed": True, "checks": []},
    "sweep": {"chosen": {}},
    "evaluate": {
        "from_ms": BEGAN_MS - 182 * DAY_MS, "to_ms": BEGAN_MS, "weeks": 26.0,
        "candidate": judged(9.0), "champion": judged(5.0), "champion_why_not": "",
    },
    "walk_forward_gate": gate("walk-forward gate", passed=True),
    "score_gate": gate("retrain gate", passed=True),
}  # fmt: skip
REFUSED = {"score_gate": gate("retrain gate", passed=False)}


def tree(folder: Path) -> dict[str, str]:
    """Everything in a folder, links as links; random endings of installed folders left out."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = _fixed(path.relative_to(folder).as_posix())
        if path.is_symlink():
            found[name] = f"-> {_fixed(str(path.readlink()))}"
        elif path.is_file() and path.name != ".install.lock":
            found[name] = path.read_bytes().hex()
    return found


def shown(folder: Path) -> dict[str, bytes]:
    """What the paths of the settings show."""
    return {
        each.name: each.read_bytes()
        for each in sorted(folder.iterdir())
        if each.is_file() and each.suffix in (".onnx", ".json")
    }


def _fixed(name: str) -> str:
    return re.sub(r"((?:^|/)(?:v\d{8}|own|back))-[a-z0-9_]{8}", r"\1-#", name)
