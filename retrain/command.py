"""What the doors of the pipeline share: their options, and a run from start to exit status."""

import argparse
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from retrain.options import SKIPPABLE, WeeklyOptions

if TYPE_CHECKING:
    from retrain.runner import Log
    from settings import Settings


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of every run."""
    from trading.command_line import utc_instant_ms

    add = parser.add_argument
    add("--profile", choices=("quick", "full"), default="full", help="as in training")
    add("--data", type=Path, metavar="FILE", help="M15 bars (default: those of phase refresh)")
    add("--m1", type=Path, metavar="FILE", help="M1 bars")
    add("--calendar", type=Path, metavar="FILE", help="economic calendar (features.calendar)")
    add("--onchain", type=Path, metavar="FOLDER", help="on-chain files (features.onchain)")
    add("--costs", type=Path, metavar="FILE",
        help="costs to judge at, learnt from a journal (scripts/costs.py)")  # fmt: skip
    add("--from", dest="from_ms", type=utc_instant_ms, metavar="DATE", help="UTC, inclusive")
    add(
        "--to", dest="to_ms", type=utc_instant_ms, metavar="DATE", help="end of the data, exclusive"
    )
    add("--symbol", metavar="S", help="instead of config.json's symbol")
    add("--models", type=Path, metavar="DIR", help="instead of models/")
    add("--seed", type=int, metavar="N", help="instead of ml_config.json's training.seed")
    add("--override", action="append", default=[], metavar="KEY=VALUE",
        help="a setting for this run (repeatable)")  # fmt: skip


def add_ways(parser: argparse.ArgumentParser) -> None:
    """What may be done instead of going on."""
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--new", action="store_true", help="give up an unfinished run, begin anew")
    way.add_argument("--dry-run", action="store_true", help="print the plan; change nothing")
    way.add_argument("--rollback", metavar="RUN", help="serve what served before that run")


def add_skip(parser: argparse.ArgumentParser) -> None:
    names = ", ".join(SKIPPABLE)
    parser.add_argument(
        "--skip", action="append", default=[], choices=SKIPPABLE, metavar="PHASE",
        help=f"leave a phase out: {names} (repeatable)",
    )  # fmt: skip


def status_of(given: argparse.Namespace, skip: Sequence[str], root: Path) -> int:
    """Runs the command; returns the exit status."""
    from retrain.errors import RunError
    from trading.command_line import exit_status

    # A stop by a service manager ends like Ctrl-C.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return exit_status(
            lambda: _run(given, skip, root),
            stopped="stopped; the same command goes on with this run",
            mendable=lambda: (RunError,),
        )
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(given: argparse.Namespace, skip: Sequence[str], root: Path) -> int:
    from retrain.judged_costs import require_fit
    from settings import load_settings

    settings = load_settings(root, overrides=given.override, symbol=given.symbol)
    options = _options(given, skip)
    _require_there(options)
    require_fit(options, settings)
    if given.dry_run:
        return _show_plan(root, options, settings)
    from retrain.lock import held
    from retrain.pipeline import phases
    from retrain.weekly import go, lock_path, open_run

    with held(lock_path(root)):
        log = _log(root)
        if given.rollback is not None:
            return _roll_back(root, given.rollback, settings, options, log)
        return go(open_run(root, options, settings, log, new=given.new), phases())


def _require_there(options: WeeklyOptions) -> None:
    """Before a run begins: one that fails in its second phase has to be given up by --new."""
    from retrain.errors import RunError

    for flag in ("data", "m1", "calendar", "onchain"):
        path: Path | None = getattr(options, flag)
        if path is not None and not path.exists():
            raise RunError(f"--{flag} {path}: it is not there; check the name and the folder")


def _options(given: argparse.Namespace, skip: Sequence[str]) -> WeeklyOptions:
    """Paths are made whole: a run may be gone on with from another folder."""

    def whole(path: Path | None) -> Path | None:
        return None if path is None else path.resolve()

    return WeeklyOptions(
        profile=given.profile, symbol=given.symbol, data=whole(given.data), m1=whole(given.m1),
        calendar=whole(given.calendar), onchain=whole(given.onchain), costs=whole(given.costs),
        models=whole(given.models), from_ms=given.from_ms, to_ms=given.to_ms,
        overrides=tuple(given.override), skip=tuple(sorted(set(skip))), seed=given.seed,
    )  # fmt: skip


def _log(root: Path) -> "Log":
    from retrain.runner import Log
    from trading.redaction import Redactor, known_secrets

    redact = Redactor(known_secrets(env_file=root / ".env"))
    return Log(root / "logs" / "weekly.log", redact, lambda line: print(line, flush=True))


def _show_plan(root: Path, options: WeeklyOptions, settings: "Settings") -> int:
    from retrain.phase import Run
    from retrain.pipeline import phases
    from retrain.plan import plan_lines
    from retrain.runs import runs_folder

    run = Run(runs_folder(root, settings.symbol), root, options, settings, print)
    for line in plan_lines(run, phases()):
        print(line)
    return 0


def _roll_back(
    root: Path, name: str, settings: "Settings", options: WeeklyOptions, log: "Log"
) -> int:
    from retrain.swapping import roll_back
    from retrain.weekly import run_named

    for line in roll_back(run_named(root, name, settings, options, log)):
        log(line)
    return 0
