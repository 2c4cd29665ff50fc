"""Which settings a run exercised: every key, from what the run did.

exercised    what the key governs happened: a rule spoke, a model was asked, an order was sized
unused       its switch is off, or nothing it governs happened in this span
unsupported  no part of a backtest: it sets the daemon, the training, a channel or a gate

A test fails while a key of the settings has no rule: new ones cannot go unreported.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backtest.evidence import flat
from backtest.report.coverage_rules import RULES, Facts, Rule, State

STATES: tuple[State, ...] = ("exercised", "unused", "unsupported")


@dataclass(frozen=True, slots=True)
class KeyUse:
    """One key, as the file a person edits names it; `why`: what the run did with it."""

    key: str
    value: Any
    state: State
    why: str


def coverage(settings: Mapping[str, Any], facts: Facts) -> tuple[KeyUse, ...]:
    """Every leaf of a settings tree (`settings_keys`), by name."""
    return tuple(_use(key, value, facts) for key, value in sorted(settings.items()))


def settings_keys(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The leaves of `Settings.model_dump(mode="json")` by their names in config.json and
    ml_config.json: `decision.`, `ml.` and `ml.paths.` are no part of those."""
    found: dict[str, Any] = {}
    for key, value in flat(tree).items():
        for prefix in ("decision.", "ml.paths.", "ml."):
            if key.startswith(prefix):
                key = key.removeprefix(prefix)
                break
        found[key] = value
    return found


def rule_of(key: str) -> Rule | None:
    """The rule of the longest name that a key is or lies under; None where there is none."""
    parts = key.split(".")
    for length in range(len(parts), 0, -1):
        name = ".".join(parts[:length])
        if name in RULES:
            return RULES[name]
    return None


def _use(key: str, value: Any, facts: Facts) -> KeyUse:
    rule = rule_of(key)
    state, why = rule(facts) if rule else ("unsupported", "no rule says when it is exercised")
    return KeyUse(key, value, state, why)
