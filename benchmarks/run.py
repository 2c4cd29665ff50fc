"""Speed, as JSON lines: {"name", "value", "unit", "limit", "peer"}; exit code 1 over a limit.

`make bench` makes `benchmarks/.venv` for the peers, and trains four quick models for the benchmarks
alone the first time. Values are medians of several runs after a warm-up, in one process each.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))

from benchmarks import cases, training_cases  # noqa: E402
from ml.predictors.settings import ModelPaths  # noqa: E402

PEERS = HERE / ".venv"
MODELS = HERE / "results" / "models"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-peers", action="store_true", help="measure this project alone")
    parser.add_argument("--only", metavar="NAME", help="cases whose name holds this text")
    given = parser.parse_args()
    missed = 0
    for name, case in _cases(given.no_peers):
        if given.only and given.only not in name:
            continue
        result = case()
        met = result["limit"] is None or result["value"] <= result["limit"]
        missed += not met
        print(json.dumps({"name": name} | result | {"met": met}), flush=True)
    return 1 if missed else 0


def _cases(no_peers: bool) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    yield "features_62_over_70000_bars", cases.features_batch
    yield "features_76_over_70000_bars", cases.features_with_structure
    yield "features_62_of_one_live_bar", cases.features_live
    yield "rules_only_backtest_70000_bars", lambda: _rules_backtest(no_peers)
    yield (
        "backtest_70000_bars_forecasts_computed",
        lambda: cases.backtest_whole(_models(), fresh=True),
    )
    yield (
        "backtest_70000_bars_forecasts_cached",
        lambda: cases.backtest_whole(_models(), fresh=False),
    )
    yield "decision_latency_p99", lambda: cases.decision_latency(_models())
    yield "trading_help", cases.help_time
    yield "training_base_models_12000_rows", training_cases.base_models
    yield "training_each_model_quick_profile", training_cases.trainers
    yield "inference_one_row", training_cases.one_row
    yield "inference_batch_10000_rows", training_cases.batch


def _rules_backtest(no_peers: bool) -> dict[str, Any]:
    result, columns = cases.rules_backtest()
    if no_peers:
        return result
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "columns.npz"
        np.savez(file, **columns)
        return result | {"peer": _peer("peer_backtesting.py", str(file))}


def _peer(script: str, *arguments: str) -> dict[str, Any]:
    """A peer's own JSON line, from its own environment."""
    python = PEERS / "bin" / "python"
    if not python.exists():
        print("installing the peers into benchmarks/.venv …", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", PEERS], check=True)
        lock = HERE / "requirements.txt"
        install = ["-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(lock)]
        subprocess.run([python, *install], check=True, stderr=subprocess.DEVNULL)
    done = subprocess.run(
        [python, HERE / script, *arguments], check=True, capture_output=True, text=True
    )
    line: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return line


def _models() -> Path:
    """Four quick models on the generated market, trained once."""
    if not (MODELS / ModelPaths().risk.metadata.name).exists():
        print("training quick models for the benchmarks …", file=sys.stderr)
        kinds = ["--ensemble", "--position", "--sltp", "--risk"]
        command = [sys.executable, ROOT / "train_ml_model.py", *kinds, "--profile", "quick"]
        subprocess.run(
            [*command, "--models", MODELS], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
        )
    return MODELS


if __name__ == "__main__":
    sys.exit(main())
