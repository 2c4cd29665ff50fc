"""Trains at one cutoff after the other, trades the weeks that follow each, and pools the trades.

python scripts/walk_forward.py --ensemble --position --sltp --risk --data FILE
python scripts/walk_forward.py --ensemble --data FILE --first 2024-01-01 --every-weeks 26
python scripts/walk_forward.py … --override prediction.gate=fixed --headline 71.7,5.46 --twins 20

Models of a cutoff learn from bars before it alone and trade what follows until the next one. Each
block begins with the initial balance. --override holds for trading and trains nothing anew;
--train-override holds for both. --twins trades the same forecasts at other times, too: what the
settings come to where nothing is known. The same command goes on with a run that was stopped.

Every training and look is in the trial ledger. No installed model and no setting is changed.
Writes reports/walk_forward_<symbol>.{json,md,png} and all windows as Parquet and CSV.
Exit status: 0 done; 2 a person must act first; 130 stopped.
"""

import argparse
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

_ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(_ROOT))

if TYPE_CHECKING:
    from rich.console import Console

    from backtest.walk_forward.report import WalkReport
    from backtest.walk_forward.windows import Headline
    from retrain.walk_forward import Walked, WalkForward
    from retrain.walk_options import WalkOptions


def main(argv: Sequence[str] | None = None) -> int:
    from trading.command_line import exit_status

    parser = _parser()
    given = parser.parse_args(argv)
    options = _options(given, parser)
    return exit_status(
        lambda: _walk(given, options), stopped="stopped; the same command goes on with the run",
        mendable=_failures,
    )  # fmt: skip


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="walk_forward.py", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    _add_training(parser)
    _add_trading(parser)
    _add_report(parser)
    return parser


def _add_training(parser: argparse.ArgumentParser) -> None:
    from ml.train_options import FLAGS
    from trading.command_line import utc_instant_ms

    add = parser.add_argument_group("models and cutoffs").add_argument
    for kind, flag in FLAGS.items():
        add(flag, dest=kind, action="store_true", help=f"train the {kind} model")
    add("--data", type=Path, required=True, metavar="FILE", help="M15 bars")
    add("--m1", type=Path, metavar="FILE", help="M1 bars, for training and trading")
    add("--calendar", type=Path, metavar="FILE", help="economic calendar")
    add("--from", dest="from_ms", type=utc_instant_ms, metavar="DATE", help="first bar to learn")
    add("--first", dest="first_ms", type=utc_instant_ms, metavar="DATE",
        help="first cutoff (default: a year after the first bar)")  # fmt: skip
    add("--to", dest="to_ms", type=utc_instant_ms, metavar="DATE", help="end of the last block")
    add("--every-weeks", type=int, default=13, metavar="N", help="from cutoff to cutoff (13)")
    add("--profile", choices=("quick", "full"), default="quick", help="as in training (quick)")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="as in training")
    add("--symbol", metavar="S", help="instead of config.json's symbol")
    add("--train-override", action="append", default=[], metavar="KEY=VALUE",
        help="a setting for training and trading (repeatable)")  # fmt: skip


def _add_trading(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("trading").add_argument
    add("--override", action="append", default=[], metavar="KEY=VALUE",
        help="a setting for trading alone (repeatable)")  # fmt: skip
    add("--costs", type=Path, metavar="FILE", help="costs learnt from a journal")
    add("--twins", type=int, default=0, metavar="N", help="random twins of each block (0)")


def _add_report(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("report").add_argument
    add("--window-days", type=int, default=37, metavar="N", help="length of the windows (37)")
    add("--headline", type=_headline, metavar="WIN%,PF", help="e.g. 71.7,5.46: who reaches it?")
    add("--out", type=Path, metavar="STEM", help="the files' stem (default: in reports/)")
    add("--state", type=Path, default=Path("state/walk_forward"), metavar="DIR",
        help="what is finished (state/walk_forward)")  # fmt: skip
    add("--dry-run", action="store_true", help="say which blocks there are, and which are done")


def _headline(text: str) -> "Headline":
    from backtest.walk_forward.windows import Headline

    try:
        won, factor = (float(each) for each in text.split(","))
    except ValueError:
        won, factor = -1.0, -1.0
    if not 0 <= won <= 100 or factor < 0:
        raise argparse.ArgumentTypeError(
            f"a win rate in percent and a profit factor are allowed (71.7,5.46), {text!r} came"
        )
    return Headline(won / 100, factor)


def _options(given: argparse.Namespace, parser: argparse.ArgumentParser) -> "WalkOptions":
    from ml.train_options import FLAGS, ORDER
    from retrain.walk_options import WalkOptions

    kinds = tuple(kind for kind in ORDER if getattr(given, kind))
    if "signal" not in kinds:
        parser.error(f"{FLAGS['signal']} is needed: without a signal model nothing is traded")
    for flag, value, least in (("--every-weeks", given.every_weeks, 1), ("--twins", given.twins, 0),
                               ("--window-days", given.window_days, 2)):  # fmt: skip
        if value < least:
            parser.error(f"{flag}: {least} or more is allowed, {value} came")
    names = (
        "data", "every_weeks", "first_ms", "from_ms", "to_ms", "profile", "device", "symbol", "m1",
        "calendar", "costs", "twins",
    )  # fmt: skip
    return WalkOptions(
        kinds=kinds, overrides=tuple(given.override), train_overrides=tuple(given.train_override),
        **{name: getattr(given, name) for name in names},
    )  # fmt: skip


def _walk(given: argparse.Namespace, options: "WalkOptions") -> int:
    from rich.console import Console

    from ml.training.progress import progress_bars, progress_line
    from retrain.block_store import BlockStore
    from retrain.lock import held
    from retrain.walk_forward import WalkForward

    console, state = Console(highlight=False), given.state.resolve()
    lock = nullcontext() if given.dry_run else held(state / "lock", "a walk-forward run")
    with lock, progress_bars(Console(highlight=False, stderr=True)) as bars:
        walk = WalkForward(
            options, BlockStore(state),
            progress_of=lambda name: progress_line(bars, name), say=console.print,
        )  # fmt: skip
        missing = [block for block in walk.blocks if not walk.kept(block)]
        if given.dry_run:
            _print_plan(walk, missing, console)
            return 0
        line = bars.add_task(f"{len(missing)} blocks to make", total=len(missing))
        walked = walk.run(lambda block: bars.update(line, advance=block in missing))
    report = _report(given, options, walk, walked)
    _print_report(report, console)
    console.print(f"files: {', '.join(map(str, _write(given, walk, report)))}", soft_wrap=True)
    return 0


def _print_plan(walk: "WalkForward", missing: Sequence[Any], console: "Console") -> None:
    from market.bars import utc_text

    for block in walk.blocks:
        state = "to be made" if block in missing else "made"
        console.print(f"models before {block.name}, trades until {utc_text(block.to_ms)}: {state}")


def _report(
    given: argparse.Namespace, options: "WalkOptions", walk: "WalkForward", walked: "Walked"
) -> "WalkReport":
    from backtest.walk_forward.report import walk_report

    paper = walk.settings.paper
    made_of = {
        "symbol": walk.settings.symbol, "data": options.data.name, "kinds": list(options.kinds),
        "m1": None if options.m1 is None else options.m1.name,
        "costs": None if options.costs is None else options.costs.name,
        "profile": options.profile, "every_weeks": options.every_weeks,
        "overrides": list(options.overrides), "train_overrides": list(options.train_overrides),
        "initial_balance": paper.balance, "currency": paper.currency,
        "settings": walk.settings.decision.model_dump(mode="json"),
    }  # fmt: skip
    return walk_report(
        walked.pool, walked.twins, walked.trials, window_days=given.window_days,
        headline=given.headline, gate=walk.settings.gate, made_of=made_of,
        notes=(*(walk.costs.words() if walk.costs else ()), *walked.left_out),
        compared=walked.compared,
    )  # fmt: skip


def _print_report(report: "WalkReport", console: "Console") -> None:
    from rich.table import Table

    from backtest.walk_forward.tables import tables

    for whole in tables(report):
        shown = whole.fitting(console.width)
        made = Table(title=shown.title, title_justify="left")
        for place, name in enumerate(shown.head):
            made.add_column(name, justify="right" if place else "left")
        for row in shown.rows:
            made.add_row(*row)
        console.print(made)
    for line in (*report.told["pool"]["alarms"], *report.notes):
        console.print(f"! {line}", style="bold red", markup=False)


def _write(given: argparse.Namespace, walk: "WalkForward", report: "WalkReport") -> list[Path]:
    from backtest.walk_forward.chart import write_png
    from backtest.walk_forward.files import write_files

    stem = given.out or Path("reports") / f"walk_forward_{walk.settings.symbol.lower()}"
    files = write_files(report, stem)
    series = {f"random twin {seed}": each for seed, each in enumerate(report.twin_windows[:1], 1)}
    picture = stem.with_name(f"{stem.name}.png")
    write_png({**series, "this system": report.windows}, report.headline, picture)
    return [*files, picture]


def _failures() -> tuple[type[Exception], ...]:
    from backtest.columns import WarmUpError
    from ml.training.models import TrainingError
    from ml.training.trials import TrialLedgerError
    from retrain.errors import RunError

    return RunError, WarmUpError, TrainingError, TrialLedgerError


if __name__ == "__main__":
    raise SystemExit(main())
