"""What the tuning doors share: their arguments, the task from settings and bars, the proposal."""

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ml.train_inputs import TrainInputs
    from ml.tune.study import Outcome, Search, StudyPlan
    from settings import Settings

STORAGE_VARIABLE = "OPTUNA_STORAGE"


def tuning_status(given: argparse.Namespace, tune: Callable[[argparse.Namespace], int]) -> int:
    """0 after the study, 2 where a person must act first, 130 if stopped; it can be resumed."""
    from trading.command_line import exit_status

    return exit_status(
        lambda: tune(given),
        stopped="stopped; the same command goes on with the study",
        mendable=failures,
    )


def tuning_parser(prog: str, about: str | None) -> argparse.ArgumentParser:
    """Market and study; each door adds its own sample."""
    parser = argparse.ArgumentParser(
        prog=prog, description=about, formatter_class=argparse.RawTextHelpFormatter
    )
    market_arguments(parser)
    study_arguments(parser)
    return parser


def failures() -> tuple[type[Exception], ...]:
    """Of training and of the ledger, which a person can mend."""
    from ml.training.models import TrainingError
    from ml.training.splits import SplitError
    from ml.training.trials import TrialLedgerError

    return TrainingError, SplitError, TrialLedgerError


def market_arguments(parser: argparse.ArgumentParser) -> None:
    """Bars, symbol, seed and settings as `train_ml_model.py` has them."""
    from trading.command_line import utc_instant_ms

    add = parser.add_argument
    add("--data", type=Path, metavar="FILE", help="M15 bars (default: the generated market)")
    add("--from", dest="from_ms", type=utc_instant_ms, metavar="DATE", help="UTC, inclusive")
    add("--to", dest="to_ms", type=utc_instant_ms, metavar="DATE",
        help="train cutoff, exclusive; bars from here on are not looked at")  # fmt: skip
    add("--symbol", metavar="S", help="instead of config.json's symbol")
    add("--models", type=Path, metavar="DIR", help="where the models lie (default: ml_config.json)")
    add("--m1", type=Path, metavar="FILE", help="M1 bars for the position model's M1 features")
    add("--profile", choices=("quick", "full"), default="full", help="as in training")
    add("--seed", type=int, metavar="N", help="instead of ml_config.json's training.seed")
    add("--override", action="append", default=[], metavar="KEY=VALUE",
        help="a setting for this run, e.g. risk_percent=0.5 (repeatable)")  # fmt: skip


def at_least_one(text: str) -> int:
    """A count on the command line."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"1 or more is allowed, {text!r} came")
    return int(text)


def study_arguments(parser: argparse.ArgumentParser) -> None:
    """The study: how many trials, where it is kept, what it looks at, where the proposal goes."""
    add = parser.add_argument
    add("--trials", type=at_least_one, metavar="N",
        help="trials the study shall have in all, earlier ones too (study.trials)")  # fmt: skip
    add("--storage", metavar="URL",
        help=f"database of the study; else ${STORAGE_VARIABLE}, else study.storage")  # fmt: skip
    add("--pruner", choices=("median", "hyperband", "none"), default="median")
    add("--out", type=Path, metavar="FILE", help="the proposal (default: in reports/)")
    add("--ledger", type=Path, metavar="FILE", help="the trial ledger (study.ledger)")


def read_market(given: argparse.Namespace) -> "TrainInputs":
    """What training would read with these arguments."""
    from ml.train_inputs import read_inputs, settings_of
    from ml.train_options import TrainOptions

    options = TrainOptions(
        kinds=("signal",),
        symbol=given.symbol,
        profile=given.profile,
        from_ms=given.from_ms,
        to_ms=given.to_ms,
        data=given.data,
        m1=given.m1,
        models=given.models,
        seed=given.seed,
        overrides=tuple(given.override),
    )
    return read_inputs(options, settings_of(options))


def plan_of(given: argparse.Namespace, settings: "Settings") -> "StudyPlan":
    from ml.tune.study import StudyPlan, sqlite_url

    study = settings.ml.study
    url = given.storage or os.environ.get(STORAGE_VARIABLE)
    return StudyPlan(
        url or sqlite_url(study.storage_path),
        study.trials if given.trials is None else given.trials,
        settings.ml.training.seed,
        given.pruner,
    )


def run_with_progress(
    search: "Search",
    given: argparse.Namespace,
    settings: "Settings",
    proposed: Callable[[dict[str, float]], dict[str, Any]],
    *,
    to_beat: float | None = None,
) -> int:
    """Runs the study, prints what came out, and writes the proposal; `proposed` makes sections of
    the settings files of a trial's parameters. `to_beat`: the score without the model. No settings
    file is touched."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeft

    from ml.training.trials import TrialLedger
    from ml.tune.study import run_study

    console = Console(highlight=False)
    plan = plan_of(given, settings)
    ledger = TrialLedger(given.ledger or settings.ml.study.ledger_path)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeLeft())
    with Progress(*columns, console=console) as shown:
        line = shown.add_task("tuning", total=plan.trials)

        def progress(so_far: "Outcome") -> None:
            best = "-" if so_far.value is None else f"{so_far.value:.2f}"
            text = f"best score {best}, {so_far.pruned} pruned"
            shown.update(line, completed=so_far.trials, description=text)

        made = run_study(search, plan, ledger, progress)
    path = given.out or Path("reports") / f"tune_{search.kind}_{search.symbol.lower()}.json"
    said = words(made, to_beat)
    console.print("\n".join(said))
    written = {"words": said, **asdict(made), "identity": search.identity()}
    if made.params is not None:
        written |= proposed(made.params)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    console.print(f"proposal: {path}; no setting was changed. Trials so far: {ledger.count()}")
    return 0


def words(made: "Outcome", to_beat: float | None = None) -> list[str]:
    """What a study came to, in plain words; `to_beat`: the score without the model."""
    head = (
        f"{made.study}: {made.trials} trials, {made.pruned} pruned or not comparable, "
        f"{made.failed} failed"
    )
    if made.value is None:
        return [head, "no trial made 100 trades and a score: nothing is proposed; use more days"]
    lines = [head, f"best score {made.value:.2f} (100 ln PF5 - 100 max drawdown)"]
    if to_beat is not None:
        beats = "beats" if made.value > to_beat else "does not beat"
        lines.append(f"it {beats} trading without this model ({to_beat:.2f})")
    if made.present_value is None:
        return [*lines, "today's parameters have no comparable score: nothing to compare with"]
    lines.append(f"today's parameters: {made.present_value:.2f}")
    if made.improves:
        lines.append(
            f"the gain is {made.gain:.2f} on the sample it was chosen on; the best of "
            f"{made.trials} tries always looks better than it is: judge it on bars it has not seen"
        )
    else:
        lines.append(f"the gain of {made.gain:.2f} is too small: keep today's parameters")
    return lines
