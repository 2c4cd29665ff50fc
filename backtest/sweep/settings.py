"""Overrides over settings: the schemas of the settings decide what a sweep may try.

Keys are those of the settings files (`risk_percent`, `prediction.quantile.top_share`,
`paper.slippage_points`). Keys of models, features and labels are not among them: they need another
training, not another backtest.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from backtest.sweep.errors import SweepError
from broker.simulator.settings import PaperSettings
from trading.decision.settings import DecisionSettings

Overrides = Mapping[str, Any]

_Model = TypeVar("_Model", bound=BaseModel)
_PAPER = "paper"
# The firm's rules are read from a file of their own.
_FIXED = ("prop_rules", "prop.profile")


@dataclass(frozen=True, slots=True)
class TradedSettings:
    """What a backtest is decided by, beside models and bars."""

    decision: DecisionSettings
    paper: PaperSettings

    def text(self) -> str:
        """Canonical: equal settings, equal text."""
        both = {"decision": _tree(self.decision), _PAPER: _tree(self.paper)}
        return json.dumps(both, sort_keys=True, default=str)


def with_overrides(base: TradedSettings, overrides: Overrides) -> TradedSettings:
    """`base` with other values. Raises `SweepError` with every problem, one a line."""
    problems = _problems_of_keys(base, overrides)
    if problems:
        raise SweepError(_text(problems))
    decision = {key: value for key, value in overrides.items() if not _is_paper(key)}
    paper = {key.removeprefix("paper."): overrides[key] for key in overrides if _is_paper(key)}
    return TradedSettings(_changed(base.decision, decision), _changed(base.paper, paper, "paper."))


def require_allowed(base: TradedSettings, trials: Iterable[Overrides]) -> None:
    """Refuses a sweep before its first trial. Raises `SweepError` with every problem once."""
    problems: dict[str, None] = {}
    for overrides in trials:
        try:
            with_overrides(base, overrides)
        except SweepError as error:
            problems |= dict.fromkeys(str(error).splitlines())
    if problems:
        raise SweepError("\n".join(problems))


def known_keys(base: TradedSettings) -> tuple[str, ...]:
    """Every key that a sweep may set."""
    keys = _leaves(_tree(base.decision)) + _leaves({_PAPER: _tree(base.paper)})
    return tuple(key for key in keys if key not in _FIXED and not key.startswith("prop_rules."))


def _problems_of_keys(base: TradedSettings, overrides: Overrides) -> list[str]:
    known = known_keys(base)
    return [_unknown(key, known, overrides[key]) for key in overrides if key not in known]


def _unknown(key: str, known: tuple[str, ...], value: Any) -> str:
    by_end = [each for each in known if each.rpartition(".")[2] == key.rpartition(".")[2]]
    near = list(dict.fromkeys([*by_end, *get_close_matches(key, known, n=3)]))[:3]
    hint = f"did you mean {' or '.join(near)}?" if near else "docs/search.md says which"
    return f"sweep: {key}: a key of decisions or paper is allowed, {hint}; {value!r} came"


def _changed(model: _Model, values: Overrides, prefix: str = "") -> _Model:
    """The model with other values at dotted paths, validated as a whole."""
    if not values:
        return model
    tree = _tree(model)
    for key, value in values.items():
        *above, last = key.split(".")
        part = tree
        for name in above:
            part = part[name]
        part[last] = value
    if isinstance(model, DecisionSettings):
        tree["prop_rules"] = model.prop_rules
    try:
        return type(model).model_validate(tree)
    except ValidationError as error:
        raise SweepError(
            _text(
                f"sweep: {prefix}{'.'.join(map(str, each['loc']))}: "
                f"{each['msg'].removeprefix('Value error, ')}; {_shown(each['input'])} came"
                for each in error.errors()
            )
        ) from None


def _tree(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(mode="json")


def _leaves(tree: Mapping[str, Any], above: str = "") -> list[str]:
    found = []
    for key, value in tree.items():
        path = f"{above}{key}"
        found += _leaves(value, f"{path}.") if isinstance(value, dict) else [path]
    return found


def _is_paper(key: str) -> bool:
    return key.startswith("paper.")


def _text(problems: Iterable[str]) -> str:
    return "\n".join(problems)


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "…"
