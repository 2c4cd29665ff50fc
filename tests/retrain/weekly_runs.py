"""A project folder of its own for whole runs of the weekly pipeline, and what a run came to."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
_DOOR = """
import sys
from pathlib import Path
from scripts.weekly_optimize import main
raise SystemExit(main(sys.argv[2:], root=Path(sys.argv[1])))
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


def start(root: Path, given: Sequence[str]) -> "subprocess.Popen[bytes]":
    """The door in a process of its own; what it says goes to `root`/said.txt."""
    environment = {"PYTHONPATH": str(PROJECT), "PATH": "/usr/bin:/bin", "HOME": str(root)}
    with (root / "said.txt").open("ab") as said:
        return subprocess.Popen(
            [sys.executable, "-c", _DOOR, str(root), *given],
            cwd=root, env=environment, stdout=said, stderr=said,
        )  # fmt: skip


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
