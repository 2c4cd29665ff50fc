"""Which settings may change while the daemon runs. The one list of them, and its rule."""

from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

from trading.decision.settings import DecisionSettings


class When(Enum):
    """`ALWAYS`: at any bar. `FLAT`: careful, only while no position is open."""

    ALWAYS = "always"
    FLAT = "only while no position is open"


# A key stands for everything below it. Every other key needs a restart.
RELOADABLE: Mapping[str, When] = {
    "risk_percent": When.ALWAYS,  # read at the next entry
    "max_daily_loss_pct": When.ALWAYS,
    "prediction.confidence_threshold": When.ALWAYS,  # the seeds' min_confidence
    "adx_regime_filter": When.ALWAYS,
    "circuit_breaker": When.ALWAYS,
    "ml_active_management.kelly_lot_sizing": When.FLAT,
}


class Change(NamedTuple):
    """One key that was edited. `refused`: why it does not hold yet, empty where it does."""

    path: str
    old: Any
    new: Any
    refused: str = ""


def reloaded(
    old: DecisionSettings, new: DecisionSettings, *, holds_positions: bool
) -> tuple[DecisionSettings, tuple[Change, ...]]:
    """`old` with every change that may hold now, and all changes, refused ones with the reason.

    `pydantic.ValidationError` where the safe changes alone do not fit the old rest.
    """
    before, after = leaves(old.model_dump()), leaves(new.model_dump())
    edited = sorted(
        path for path in before.keys() | after.keys() if before.get(path) != after.get(path)
    )
    changes = tuple(
        Change(path, before.get(path), after.get(path), refusal(path, holds_positions))
        for path in edited
    )
    tree = old.model_dump()
    for change in changes:
        if not change.refused:
            _put(tree, change.path, change.new)
    return DecisionSettings.model_validate(tree), changes


def refusal(path: str, holds_positions: bool) -> str:
    """Why a changed key does not hold now; empty where it does."""
    when = next((rule for key, rule in RELOADABLE.items() if _is_below(path, key)), None)
    if when is None:
        return "needs a restart"
    return f"holds {when.value}" if when is When.FLAT and holds_positions else ""


def _is_below(path: str, key: str) -> bool:
    return path == key or path.startswith(f"{key}.")


def leaves(tree: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Each value of a tree of settings by its key path."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        path = f"{above}{key}"
        found |= leaves(value, f"{path}.") if isinstance(value, dict) else {path: value}
    return found


def _put(tree: dict[str, Any], path: str, value: Any) -> None:
    *above, last = path.split(".")
    for key in above:
        tree = tree[key]
    tree[last] = value
