"""`python ml/tune/hyperparams.py`: better parameters for the signal model, proposed, not applied.

Each trial trains walk-forward folds on a sample before the cutoff and trades the out-of-fold
forecasts through the gate, with costs; the score is 100 ln(PF5) - 100 max drawdown. The first
trial is today's parameters. The proposal is a file; copy its sections into ml_config.json.

python ml/tune/hyperparams.py --data FILE --to 2025-06-01 --trials 50
OPTUNA_STORAGE=postgresql://user@host/optuna python ml/tune/hyperparams.py …   one study, many hosts
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def main(argv: Sequence[str] | None = None) -> int:
    """0 after the study, 2 where a person must act first, 130 if stopped; it can be resumed."""
    from ml.tune.command import tuning_status

    return tuning_status(_parser().parse_args(argv), _tune)


def _parser() -> argparse.ArgumentParser:
    from ml.tune.command import tuning_parser

    parser = tuning_parser("hyperparams.py", __doc__)
    parser.add_argument(
        "--sample-days", type=int, metavar="N",
        help="days before the cutoff that a trial sees, 0 for all (study.sample_days)",
    )  # fmt: skip
    return parser


def _tune(given: argparse.Namespace) -> int:
    from ml.train_inputs import signal_task, trading_rules
    from ml.tune.command import read_market, run_with_progress
    from ml.tune.signal import search_of
    from ml.tune.space import with_values

    inputs = read_market(given)
    settings, task = inputs.settings, signal_task(inputs)
    days = settings.ml.study.sample_days if given.sample_days is None else given.sample_days
    search = search_of(task, trading_rules(settings), sample_days=days)

    def proposed(values: dict[str, float]) -> dict[str, Any]:
        by_model = with_values(task.params, values).by_name
        return {"ml_config": {f"{model}_params": given for model, given in by_model.items()}}

    return run_with_progress(search, given, settings, proposed)


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    raise SystemExit(main())
