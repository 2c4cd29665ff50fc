"""Speed, as JSON lines: {"name", "value", "unit", "limit", "peer"}; exit code 1 over a limit.

`make bench` makes an environment for each peer, and trains four quick models for the benchmarks
alone the first time. Values are medians of several runs after a warm-up, in one process each.
Lines of peers have no limit; benchmarks/README.md says how they are compared.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))

from benchmarks import cases, peers, training_cases  # noqa: E402
from ml.predictors.settings import ModelPaths  # noqa: E402

RULES = "rules_only_backtest_70000_bars"
MODELS = HERE / "results" / "models"
LEDGER = HERE / "results" / "trials.sqlite"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-peers", action="store_true", help="measure this project alone")
    parser.add_argument("--only", metavar="NAME", help="cases whose name holds this text")
    given = parser.parse_args()
    missed = 0
    for name, case in _cases(given.no_peers):
        if given.only and given.only not in name:
            continue
        for line in case():
            line = {"name": name} | line
            line["met"] = line["limit"] is None or line["value"] <= line["limit"]
            missed += not line["met"]
            print(json.dumps(line), flush=True)
    return 1 if missed else 0


Lines = Iterator[dict[str, Any]]


def _cases(no_peers: bool) -> Iterator[tuple[str, Callable[[], Lines]]]:
    yield RULES, lambda: _rules_backtest(no_peers)
    yield "features_62_over_70000_bars", _one(cases.features_batch)
    yield "features_76_over_70000_bars", _one(cases.features_with_structure)
    yield "features_62_of_one_live_bar", _one(cases.features_live)
    whole = cases.backtest_whole
    yield "backtest_70000_bars_forecasts_computed", _one(lambda: whole(_models(), fresh=True))
    yield "backtest_70000_bars_forecasts_cached", _one(lambda: whole(_models(), fresh=False))
    yield "sweep_200_settings_38_days", _one(lambda: cases.sweep(_models()))
    yield "decision_latency_p99", _one(lambda: cases.decision_latency(_models()))
    yield "trading_help", _one(cases.help_time)
    yield "training_base_models_12000_rows", _one(training_cases.base_models)
    yield "training_each_model_quick_profile", _one(training_cases.trainers)
    yield "inference_one_row", _one(training_cases.one_row)
    yield "inference_batch_10000_rows", _one(training_cases.batch)


def _one(case: Callable[[], dict[str, Any]]) -> Callable[[], Lines]:
    return lambda: iter([case()])


def _rules_backtest(no_peers: bool) -> Lines:
    """Ours, then a line of each peer over the same bars and signals."""
    result, given, trades = cases.rules_backtest()
    yield result
    if no_peers:
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, line in peers.beside(given, trades, Path(folder)):
            yield {"name": f"{RULES}: {name}", "peer": line.pop("name"), "unit": "process s",
                   "limit": None} | line  # fmt: skip


def _models() -> Path:
    """Four quick models on the generated market, trained once; their trials are no search of the
    project's, so they are in a ledger of their own."""
    if not (MODELS / ModelPaths().risk.metadata.name).exists():
        print("training quick models for the benchmarks …", file=sys.stderr)
        kinds = ["--ensemble", "--position", "--sltp", "--risk"]
        command = [sys.executable, ROOT / "train_ml_model.py", *kinds, "--profile", "quick",
                   "--models", MODELS, "--override", f"study.ledger={LEDGER}"]  # fmt: skip
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return MODELS


if __name__ == "__main__":
    sys.exit(main())
