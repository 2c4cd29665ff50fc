"""Runs the phases of one run in order, each once; goes on where a killed run stopped."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from retrain.errors import PhaseFailed
from retrain.failures import known_failures
from retrain.phase import Phase, PhaseResult, Run
from retrain.store import PhaseRecord, PhaseStore, State

Clock = Callable[[], int]


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


def run_phases(run: Run, phases: Sequence[Phase], now_ms: Clock = wall_ms) -> None:
    """Raises `PhaseFailed` at the first phase that cannot do its work; a defect goes on as it is.

    Either is in the record by then, and the same call begins with that phase.
    """
    store = PhaseStore(run.folder)
    for number, phase in enumerate(phases, start=1):
        title = f"{number}/{len(phases)} {phase.name}"
        record = store.all().get(phase.name)
        if record is not None and record.is_over:
            run.say(f"{title}: {record.state} before")
            continue
        run.say(f"{title}: {phase.about}")
        done = _ended(run, phase, store, now_ms)
        for line in done.words:
            run.say(f"    {line}")
        run.say(f"{title}: {done.state} after {done.seconds:.0f} s")


def _ended(run: Run, phase: Phase, store: PhaseStore, now_ms: Clock) -> PhaseRecord:
    begun = PhaseRecord(phase.name, "started", now_ms())
    store.put(begun)

    def ended(state: State, result: PhaseResult) -> PhaseRecord:
        made = replace(
            begun, state=state, ended_ms=now_ms(), figures=result.figures, words=result.words
        )
        store.put(made)
        return made

    try:
        result = _result(run, phase)
        return ended(result.state, result)
    except known_failures() as error:
        ended("failed", PhaseResult(words=(str(error),)))
        raise PhaseFailed(f"{phase.name}: {error}") from error
    except Exception as error:  # a defect: told like a failure, and shown with its traceback
        ended("failed", PhaseResult(words=(f"a defect: {type(error).__name__}: {error}",)))
        raise


def _result(run: Run, phase: Phase) -> PhaseResult:
    if phase.name in run.options.skip:
        return PhaseResult(words=(f"--skip {phase.name}",), state="skipped")
    return phase.run(run)


class Log:
    """`logs/weekly.log`, one line an event with its UTC time, and the terminal."""

    def __init__(
        self, path: Path, redact: Callable[[str], str], show: Callable[[str], None]
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._redact, self._show = path, redact, show

    def __call__(self, line: str) -> None:
        line = self._redact(line)
        self._show(line)
        at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{at} {line}\n")
