"""The folders of runs: which one is unfinished, which is next, which are old.

A run is named after its UTC day, `20261120`, and `-2`, `-3` for more of a day. It exists from the
moment its `run.json` does, and is finished when phase report is over.
"""

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.hub.release import require_tag, tag_order
from ml.hub.store import write_whole
from retrain.errors import ActFirst, RunError
from retrain.options import WeeklyOptions
from retrain.store import PhaseStore

if TYPE_CHECKING:
    from settings import Settings

_FILE = "run.json"
LAST_PHASE = "report"
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What `run.json` says. `serving`: SHA-256 of the graphs that served when the run began, by
    kind. `costs_sha256`: of the cost file; empty without one. `given_up`: why it will not be gone
    on with; empty otherwise."""

    name: str
    symbol: str
    options: dict[str, Any]
    settings_sha256: str
    started_ms: int
    serving: dict[str, str] = field(default_factory=dict)
    costs_sha256: str = ""
    given_up: str = ""

    def write(self, folder: Path) -> None:
        write_whole(folder / _FILE, (json.dumps(asdict(self), indent=1) + "\n").encode())


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A run that was begun and not ended."""

    folder: Path
    facts: RunFacts


def runs_folder(root: Path, symbol: str) -> Path:
    return root / "state" / "weekly" / symbol.lower()


def tag_of(name: str) -> str:
    """The release tag that belongs to a run."""
    return require_tag(f"v{name}")


def settings_sha256(settings: "Settings") -> str:
    return hashlib.sha256(settings.model_dump_json().encode()).hexdigest()


def costs_sha256(options: WeeklyOptions) -> str:
    """Of the cost file; empty without one."""
    return "" if options.costs is None else hashlib.sha256(options.costs.read_bytes()).hexdigest()


def read_facts(folder: Path) -> RunFacts:
    """Raises `RunError` where the file is not one of this program's."""
    path = folder / _FILE
    try:
        return RunFacts(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"{path}: cannot be read: {error}; move {folder} away") from error


def all_runs(folder: Path) -> list[Path]:
    """Folders of runs, oldest first."""
    found = [each.parent for each in folder.glob(f"*/{_FILE}")]
    return sorted(found, key=lambda each: tag_order(each.name))


def unfinished(folder: Path) -> Unfinished | None:
    """The newest run, where it has not come to its end; None otherwise."""
    newest = all_runs(folder)[-1:]
    for each in newest:
        facts, last = read_facts(each), PhaseStore(each).all().get(LAST_PHASE)
        if not facts.given_up and (last is None or not last.is_over):
            return Unfinished(each, facts)
    return None


def next_name(folder: Path, now_ms: int) -> str:
    """The first free name of this UTC day."""
    day = f"{datetime.fromtimestamp(now_ms / 1000, UTC):%Y%m%d}"
    number = 1
    while (folder / (name := day if number == 1 else f"{day}-{number}") / _FILE).exists():
        number += 1
    return name


def require_same(found: Unfinished, options: WeeklyOptions, settings: "Settings") -> None:
    """`ActFirst` where the unfinished run is of other options, costs or settings.

    From phase swap on settings may be others: that phase may have changed them itself.
    """
    now, then = options.as_dict(), found.facts.options
    other = sorted(name for name in now if now[name] != then.get(name))
    if other:
        said = ", ".join(f"{name} {then.get(name)!r}, now {now[name]!r}" for name in other)
        raise ActFirst(
            f"{found.folder}: an unfinished run has other options ({said}); give the same to go "
            "on with it, or --new to give it up"
        )
    if costs_sha256(options) != found.facts.costs_sha256:
        raise ActFirst(
            f"{found.folder}: {options.costs} was changed since this unfinished run began; restore "
            "it to go on with the run, or --new to give it up"
        )
    if "swap" not in PhaseStore(found.folder).all() and (
        settings_sha256(settings) != found.facts.settings_sha256
    ):
        raise ActFirst(
            f"{found.folder}: the settings were changed since this unfinished run began; restore "
            "them to go on with it, or --new to give it up"
        )


def is_stale(found: Unfinished, now_ms: int, resume_days: float) -> bool:
    return now_ms - found.facts.started_ms > resume_days * _DAY_MS


def give_up(found: Unfinished, why: str) -> None:
    """Marks a run: it is not gone on with."""
    replace(found.facts, given_up=why).write(found.folder)


def forget_old(folder: Path, keep: int) -> None:
    """Removes the folders of the oldest runs, and what a killed start left."""
    for each in all_runs(folder)[:-keep]:
        shutil.rmtree(each)
    for each in folder.iterdir():
        if each.is_dir() and not (each / _FILE).exists():
            shutil.rmtree(each)
