"""What a person asked of a walk-forward run."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class WalkOptions:
    """What a person asked for. `overrides` hold for trading alone, `train_overrides` for training
    and trading. `twins`: random twins of each block."""

    kinds: tuple[str, ...]
    data: Path
    every_weeks: int = 13
    first_ms: int | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    profile: str = "quick"
    device: str = "auto"
    symbol: str | None = None
    m1: Path | None = None
    calendar: Path | None = None
    costs: Path | None = None
    overrides: tuple[str, ...] = ()
    train_overrides: tuple[str, ...] = ()
    twins: int = 0
