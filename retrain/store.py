"""The folder of one run: what was asked for, and what each phase came to.

    state/weekly/btcusd/20261120/
        run.json       options, hash of the settings, when it began
        phases.json    each phase: started, done, skipped or failed, with its figures
        candidate/     the models that were trained
        backtests/     summaries and trades of the evaluation
        snapshot/      what phase swap may change, byte for byte

Every JSON file is written whole, so a killed run leaves the last state or the one before.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from ml.hub.store import write_whole
from retrain.errors import RunError

State = Literal["started", "done", "skipped", "failed"]
_PHASES = "phases.json"


@dataclass(frozen=True, slots=True)
class PhaseRecord:
    """One phase of one run. `ended_ms` None: it was begun and has not ended, or was killed."""

    name: str
    state: State
    started_ms: int
    ended_ms: int | None = None
    figures: dict[str, Any] = field(default_factory=dict)
    words: tuple[str, ...] = ()

    @property
    def is_over(self) -> bool:
        """Done or skipped: it is not run again."""
        return self.state in ("done", "skipped")

    @property
    def seconds(self) -> float:
        return 0.0 if self.ended_ms is None else (self.ended_ms - self.started_ms) / 1000


class PhaseStore:
    """`phases.json` of a run's folder; every reader sees whole records."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _PHASES

    def all(self) -> dict[str, PhaseRecord]:
        """Records by phase, in the order in which the phases were begun."""
        try:
            told = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise RunError(
                f"{self._path}: valid JSON is needed: {error}; start with --new"
            ) from error
        return {each["name"]: _record(each) for each in told}

    def put(self, record: PhaseRecord) -> None:
        """Replaces the record of that phase, durably."""
        records = self.all() | {record.name: record}
        text = json.dumps([asdict(each) for each in records.values()], indent=1, allow_nan=False)
        write_whole(self._path, text.encode() + b"\n")

    def result(self, name: str) -> dict[str, Any]:
        """Figures of a phase that is over. `RunError` for one that is not."""
        record = self.all().get(name)
        if record is None or not record.is_over:
            raise RunError(
                f"{self._path}: phase {name} has no result yet; it comes before this one"
            )
        return record.figures


def _record(told: Mapping[str, Any]) -> PhaseRecord:
    return PhaseRecord(**{**told, "words": tuple(told["words"])})
