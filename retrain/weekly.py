"""One run from its command to its exit status: opened or gone on with, its phases, its end."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from retrain import runs
from retrain.errors import ActFirst, PhaseFailed, RunError
from retrain.options import WeeklyOptions
from retrain.phase import Phase, Run
from retrain.runner import Clock, run_phases, wall_ms
from retrain.store import PhaseStore

if TYPE_CHECKING:
    from settings import Settings


def lock_path(root: Path) -> Path:
    return root / "state" / "weekly" / "lock"


def open_run(
    root: Path, options: WeeklyOptions, settings: "Settings", say: Callable[[str], None], *,
    new: bool = False, now_ms: Clock = wall_ms,
) -> Run:  # fmt: skip
    """The unfinished run of this symbol, or a new one. Call it with the lock held.

    `ActFirst` where the unfinished one is of other options or settings; `new` gives it up, and so
    does its age (`weekly.resume_days`).
    """
    folder = runs.runs_folder(root, settings.symbol)
    run = Run(folder, root, options, settings, say)
    found = runs.unfinished(folder)
    if found is not None:
        why = _why_given_up(found, settings, now_ms(), new=new)
        if not why:
            runs.require_same(found, options, settings)
            say(f"run {found.facts.name} goes on")
            return replace(run, folder=found.folder)
        _give_up(replace(run, folder=found.folder), found, why)
    return _begun(run, now_ms())


def go(run: Run, phases: Sequence[Phase], now_ms: Clock = wall_ms) -> int:
    """0 where the run came to its end, whatever the gates said; 1 where a phase failed, which is
    reported."""
    try:
        run_phases(run, phases, now_ms)
    except PhaseFailed as error:
        run.say(f"FAILED: {error}")
        _report_failure(run)
        return 1
    except Exception:
        _report_failure(run)
        raise
    return 0


def run_named(
    root: Path, name: str, settings: "Settings", options: WeeklyOptions, say: Callable[[str], None]
) -> Run:
    """A run of the past. `ActFirst` where there is none of that name."""
    folder = runs.runs_folder(root, settings.symbol)
    known = [each.name for each in runs.all_runs(folder)]
    if name not in known:
        raise ActFirst(
            f"{folder}: run {name} is not there; there are: {', '.join(known) or 'none'}"
        )
    facts = runs.read_facts(folder / name)
    models = WeeklyOptions.of(facts.options).models
    return Run(folder / name, root, replace(options, models=models), settings, say)


def _why_given_up(
    found: runs.Unfinished, settings: "Settings", now_ms: int, *, new: bool
) -> str:  # fmt: skip
    days = settings.weekly.resume_days
    if new:
        return "--new"
    if runs.is_stale(found, now_ms, days):
        return f"older than {days:g} days (weekly.resume_days)"
    return ""


def _give_up(run: Run, found: runs.Unfinished, why: str) -> None:
    from retrain.swapping import undo_killed

    swapped = PhaseStore(run.folder).all().get("swap")
    if swapped is not None and swapped.state == "started":
        for line in undo_killed(run):
            run.say(line)
    runs.give_up(found, why)
    run.say(f"run {found.facts.name} is given up: {why}")


def _begun(run: Run, now_ms: int) -> Run:
    from retrain.install import serving_graphs

    runs_folder = run.folder
    runs_folder.mkdir(parents=True, exist_ok=True)
    runs.forget_old(runs_folder, run.settings.weekly.keep_runs - 1)
    name = runs.next_name(runs_folder, now_ms)
    runs.RunFacts(
        name, run.symbol, run.options.as_dict(), runs.settings_sha256(run.settings), now_ms,
        serving_graphs(run.paths, run.symbol), runs.costs_sha256(run.options),
    ).write(runs_folder / name)  # fmt: skip
    run.say(f"run {name} begins")
    return replace(run, folder=runs_folder / name)


def _report_failure(run: Run) -> None:
    """A failure is told as well as it can be; what else goes wrong then is said."""
    from retrain.report import report_failure

    try:
        report_failure(run)
    except (RunError, OSError) as error:
        run.say(f"no report could be written: {error}")
