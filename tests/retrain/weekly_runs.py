"""A project folder of its own for whole runs of the weekly pipeline, and what a run came to."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
# The door; with a phase named, the process kills itself in it: after so many seconds, or when all
# its work is done and nothing of that is in the record yet.
_DOOR = """
import os, signal, sys, threading
from dataclasses import replace
from pathlib import Path
from retrain import pipeline
from scripts.weekly_optimize import main

root, kill_in, after_s, *given = sys.argv[1:]
whole = pipeline.phases()

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def killed(phase):
    def run(of):
        threading.Timer(float(after_s), die).start()
        phase.run(of)
        die()
    return replace(phase, run=run)

pipeline.phases = lambda: tuple(
    killed(each) if each.name == kill_in else each for each in whole
)
raise SystemExit(main(given, root=Path(root)))
"""


def project_folder(root: Path) -> Path:
    """Settings and grids as shipped; ledger, studies and hub below `root`."""
    (root / "config").mkdir(parents=True)
    for name in ("config.json", "ml_config.json", "config/sweeps.json"):
        shutil.copy(PROJECT / name, root / name)
    return root


def own_files(root: Path) -> list[str]:
    """Overrides that keep a run out of the project's own folders."""
    return [
        f"study.ledger={root / 'state' / 'trials.sqlite'}",
        f"study.storage={root / 'state' / 'optuna.sqlite'}",
        f"hub.folder={root / 'hub'}",
    ]


def words(root: Path, *, data: Path, overrides: Sequence[str] = ()) -> list[str]:
    """The command line of a run in the quick profile."""
    found = ["--profile", "quick", "--data", str(data), "--models", str(root / "models")]
    for each in (*own_files(root), *overrides):
        found += ["--override", each]
    return found


def status(root: Path, given: Sequence[str], *, kill_in: str = "", after_s: float = 0) -> int:
    """Runs the door in a process of its own; what it says goes to `root`/said.txt. -9: killed."""
    environment = {"PYTHONPATH": str(PROJECT), "PATH": "/usr/bin:/bin", "HOME": str(root)}
    with (root / "said.txt").open("ab") as said:
        return subprocess.run(
            [sys.executable, "-c", _DOOR, str(root), kill_in, str(after_s), *given],
            cwd=root, env=environment, stdout=said, stderr=said, check=False,
        ).returncode  # fmt: skip


def run_folder(root: Path) -> Path:
    """The newest run's folder."""
    found = (root / "state" / "weekly" / "btcusd").glob("*/run.json")
    return max(found, key=lambda path: path.stat().st_mtime_ns).parent


def outcome(run: Path) -> dict[str, Any]:
    """What two runs over the same bars must have in common, whenever they were stopped."""
    told = {each["name"]: each for each in json.loads((run / "phases.json").read_bytes())}
    figures = {name: each["figures"] for name, each in told.items()}
    candidate = figures["evaluate"]["candidate"]
    keys = ("score", "trades", "decisions_sha256", "deals_sha256", "band", "graphs")
    return {
        "states": {name: each["state"] for name, each in told.items()},
        "data": figures["data_audit"]["data_sha256"],
        "shap": figures["shap"],
        "tune": figures["tune"],
        "graphs": figures["retrain"]["graphs"],
        "checks": figures["calibration_and_parity"],
        "sweep": figures["sweep"],
        "candidate": {key: candidate[key] for key in keys},
        "gates": [figures[name] for name in ("walk_forward_gate", "score_gate")],
        "action": figures["swap"]["action"],
        "after": figures["swap"]["after"],
    }
