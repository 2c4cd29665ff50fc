"""`python ml/tune/position.py`: better parameters and EXIT rule for the position model, proposed.

The signal model must be trained on the same bars first. Each trial trains walk-forward folds of the
position model and lets them manage the trades of the signal's out-of-fold forecasts, with costs;
the score is 100 ln(PF5) - 100 max drawdown. The first trial is today's parameters and rule; the
score without any position model is printed beside them. Nothing is applied: copy the sections of
the proposal into ml_config.json and config.json.

python ml/tune/position.py --data FILE --to 2025-06-01 --trials 50
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ml.train_inputs import TrainInputs
    from ml.tune.position_search import PositionSearch


def main(argv: Sequence[str] | None = None) -> int:
    """0 after the study, 2 where a person must act first, 130 if stopped; it can be resumed."""
    from ml.tune.command import tuning_status

    return tuning_status(_parser().parse_args(argv), _tune)


def _parser() -> argparse.ArgumentParser:
    from ml.tune.command import tuning_parser

    parser = tuning_parser("position.py", __doc__)
    parser.add_argument(
        "--sample-rows", type=int, metavar="N",
        help="largest number of rows that a trial sees (study.sample_rows)",
    )  # fmt: skip
    return parser


def _tune(given: argparse.Namespace) -> int:
    from ml.tune.command import read_market, run_with_progress
    from ml.tune.position_search import proposed

    inputs = read_market(given)
    search = search_of(inputs, given.sample_rows or inputs.settings.ml.study.sample_rows)
    without = search.without_model().score
    if without.value is None:
        print(f"without a position model: {without.why_not}")
    return run_with_progress(
        search, given, inputs.settings, lambda values: proposed(search.task, values),
        to_beat=without.value,
    )  # fmt: skip


def search_of(inputs: "TrainInputs", sample_rows: int) -> "PositionSearch":
    """The search over what training of the position model would read, on a sample of its rows."""
    from ml.train_inputs import signal_task, trading_rules
    from ml.training.after_signal import signal_evidence
    from ml.training.position_trainer import PositionTraining
    from ml.tune.position_search import PositionSearch

    settings, signal = inputs.settings, signal_task(inputs)
    trained = settings.ml.position_training
    sampled = trained.model_copy(update={"max_rows": min(trained.max_rows, sample_rows)})
    task = PositionTraining(signal, settings.decision, sampled, inputs.m1)
    evidence = signal_evidence(signal, inputs.paths)
    return PositionSearch(task, evidence, trading_rules(settings))


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    raise SystemExit(main())
