"""`python train_ml_model.py --ensemble --position --sltp --risk`: trains models and reports.

The order is fixed: each model learns from what those before it say out of fold. Any subset works
where the models before it are there. Heavy libraries are imported only when training begins.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ml.train_inputs import TrainInputs
    from ml.train_options import TrainOptions
    from ml.train_pipeline import TrainedModel


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status. Problems are one message on standard error.

    2 where a person must act first, 1 where `--reproduce` finds a difference, 130 if stopped.
    """
    from ml.train_options import parse
    from trading.command_line import exit_status

    options = parse(argv)
    return exit_status(
        lambda: _run(options),
        stopped="stopped; models that were not finished are untouched",
        mendable=_training_failures,
    )


def _run(options: "TrainOptions") -> int:
    from rich.console import Console

    console = Console(highlight=False)
    if options.reproduce is not None:
        from ml.train_reproduce import reproduce

        return reproduce(options, console)
    return _train(options, console)


def _train(options: "TrainOptions", console: Any) -> int:
    from ml.train_inputs import read_inputs, settings_of
    from ml.train_pipeline import train_models
    from ml.training.progress import progress_bars, progress_line

    settings = settings_of(options)
    if options.refresh:
        from ml.train_refresh import refresh

        options = refresh(options, settings, console)
        settings = settings_of(options)
    if not options.kinds:
        return 0
    inputs = read_inputs(options, settings)
    for note in inputs.notes:
        console.print(note)
    made: list[TrainedModel] = []
    try:
        with progress_bars(console) as bars:
            for each in train_models(inputs, lambda kind: progress_line(bars, kind), console.print):
                made.append(each)
    finally:
        # A model that cannot be had does not hide those that were made before it.
        if made:
            _print_summary(inputs, made, console)
    return 0


def _print_summary(inputs: "TrainInputs", made: Sequence["TrainedModel"], console: Any) -> None:
    from ml.train_options import FLAGS
    from ml.train_pipeline import of_another_signal, write_training_report
    from ml.training.summary import summary_table

    console.print(summary_table((each.metadata, each.seconds) for each in made))
    if inputs.options.brief:
        console.print(f"what each is worth, in words: {made[0].card_file.parent}")
    else:
        _print_words(made, console)
    for kind in of_another_signal(inputs.paths):
        console.print(
            f"warning: the {kind} model that is installed learned from another signal model: "
            f"train it again ({FLAGS[kind]})"
        )
    last = made[-1]
    console.print(
        f"train cutoff {last.metadata['train_cutoff_date']}; trials so far: "
        f"{last.card.trials_so_far}"
    )
    if inputs.options.with_report:
        write_training_report(inputs, made, console)
    paths = inputs.paths
    console.print(f"models: {paths.graph.parent}\nmanifest: {paths.manifest}")


def _print_words(made: Sequence["TrainedModel"], console: Any) -> None:
    from ml.training.summary import folds_table, words

    for each in made:
        if each.kind == "signal":
            console.print(folds_table(each.metadata["folds"]))
        for line in words(each.metadata):
            console.print(line)
        console.print(f"{each.kind}: card {each.card_file.with_suffix('.md')}")


def _training_failures() -> tuple[type[Exception], ...]:
    from market.onchain import OnChainError
    from ml.training.models import TrainingError
    from ml.training.parity import ParityError
    from ml.training.splits import SplitError
    from ml.training.trials import TrialLedgerError

    return TrainingError, ParityError, SplitError, TrialLedgerError, OnChainError


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    raise SystemExit(main())
