"""What a run was asked for, on the command line or by a test."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

Profile = Literal["quick", "full"]

# Phases that a run may leave out; the others hold what is installed.
SKIPPABLE = ("refresh", "shap", "tune", "sweep", "push")


@dataclass(frozen=True, slots=True)
class WeeklyOptions:
    """Paths are whole or from the working folder; instants are UTC ms, `to_ms` exclusive.

    `data` None: phase refresh brings the files in `datasets/` up to date. `models` None: the folder
    of the settings. `symbol` None: the settings' one. `costs`: what trading is charged while
    candidate and champion are judged; None: the instrument's. `kinds`: models to train; empty: all
    that the profile trains. `seed` None: `training.seed`.
    """

    profile: Profile = "full"
    symbol: str | None = None
    data: Path | None = None
    m1: Path | None = None
    calendar: Path | None = None
    onchain: Path | None = None
    costs: Path | None = None
    models: Path | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    kinds: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    seed: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """As JSON would give it back: paths as texts, tuples as lists."""
        told: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        return told

    @staticmethod
    def of(told: dict[str, Any]) -> "WeeklyOptions":
        """The inverse of `as_dict`. An option that is younger than `told` has its default."""
        paths = ("data", "m1", "calendar", "onchain", "costs", "models")
        lists = ("kinds", "overrides", "skip")
        made = asdict(WeeklyOptions())
        made |= {name: told[name] for name in made if name in told}
        made |= {name: None if made[name] is None else Path(made[name]) for name in paths}
        made |= {name: tuple(made[name]) for name in lists}
        return WeeklyOptions(**made)
