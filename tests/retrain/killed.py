"""Runs a scenario again and again, each time in a process that kills itself one step later.

python -m tests.retrain.killed SCENARIO TEMPLATE PROJECT STRIDE

Before step n (`tests.killing`) on PROJECT, a copy of the template, the process ends, and the copy
becomes PROJECT-n (n = 1, 1 + STRIDE, …). The last one is the first that came to its end. The clock
stands still, so that all that came to their end are alike.
"""

import shutil
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

from retrain.phase import Phase, PhaseResult, Run
from retrain.pipeline import phases
from retrain.runner import run_phases
from retrain.swapping import roll_back
from retrain.weekly import go, open_run, run_named
from tests.killing import came_to_its_end
from tests.retrain.projects import BEGAN_MS, NAME, SERVED_AT_ONCE, options_of, settings_of

NOW_MS = BEGAN_MS + 3_600_000


def last_three(project: Path) -> None:
    """Phases swap, push and report, as the door runs them."""
    run = opened(project)
    assert go(run, phases(), now_ms) == 0


def given_back(project: Path) -> None:
    settings, options = settings_of(project, SERVED_AT_ONCE), options_of(project, SERVED_AT_ONCE)
    roll_back(run_named(project, NAME, settings, options, lambda line: None))


def counted_phases(project: Path) -> None:
    """Three phases that note each call; the second one reads what the first one came to."""
    run_phases(opened(project), [Phase(name, name, _noted(name)) for name in "abc"], now_ms)


def opened(project: Path) -> Run:
    options = options_of(project, SERVED_AT_ONCE)
    settings = settings_of(project, SERVED_AT_ONCE)
    return open_run(project, options, settings, lambda line: None, now_ms=now_ms)


def now_ms() -> int:
    return NOW_MS


def _noted(name: str) -> Callable[[Run], PhaseResult]:
    def call(run: Run) -> PhaseResult:
        with (run.root / "calls").open("a") as file:
            file.write(name)
        count = run.result("a")["count"] + 1 if name != "a" else 1
        return PhaseResult({"count": count})

    return call


SCENARIOS = {each.__name__: each for each in (last_three, given_back, counted_phases)}


def main(scenario: Callable[[Path], None], template: Path, project: Path, stride: int) -> None:
    """One process and one copy of the template for each step, until one is not killed."""
    time.time_ns = lambda: NOW_MS * 1_000_000
    for step in count(1, stride):
        shutil.copytree(template, project, symlinks=True)
        ended = came_to_its_end(partial(scenario, project), killed_before=step)
        project.rename(project.with_name(f"{project.name}-{step}"))
        if ended:
            return


if __name__ == "__main__":
    main(SCENARIOS[sys.argv[1]], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
