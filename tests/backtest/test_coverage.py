"""Every settings key is exercised, unused or unsupported in a run, from what the run did."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel

from backtest.report.coverage import KeyUse, coverage, rule_of, settings_keys
from backtest.report.coverage_rules import RULES, Facts
from settings import Settings, load_settings
from trading.decision.settings import DecisionSettings


def keys_of(model: type[BaseModel], above: str = "") -> set[str]:
    """Every key that a schema allows, sections opened."""
    found = set()
    for name, field in model.model_fields.items():
        sections = [each for each in _types(field.annotation) if issubclass(each, BaseModel)]
        found |= keys_of(sections[0], f"{above}{name}.") if sections else {f"{above}{name}"}
    return found


def _types(annotation: Any) -> list[type]:
    inner = getattr(annotation, "__args__", None)
    if inner is None:
        return [annotation] if isinstance(annotation, type) else []
    return [each for one in inner for each in _types(one)] if _is_union(annotation) else []


def _is_union(annotation: Any) -> bool:
    return type(None) in annotation.__args__


ALL_KEYS = sorted(settings_keys(dict.fromkeys(keys_of(Settings))))


@pytest.mark.parametrize("key", ALL_KEYS)
def test_every_key_of_the_settings_has_a_rule(key: str) -> None:
    assert rule_of(key) is not None, f"{key}: add a rule to backtest/report/coverage_rules.py"


def test_keys_of_the_decision_have_a_rule_of_their_own_section() -> None:
    """No rule above the sections: a new filter or a new key of its own cannot hide under one."""
    for name in DecisionSettings.model_fields.keys() - {"prediction"}:
        sections = {rule.split(".")[0] for rule in RULES}
        assert name in sections, name
    assert {"prediction", "risk_management", "dynamic_sltp", "ml_active_management"}.isdisjoint(
        RULES
    )


def test_every_rule_belongs_to_a_key() -> None:
    for rule in RULES:
        assert any(key == rule or key.startswith(f"{rule}.") for key in ALL_KEYS), rule


def facts(**found: Any) -> Facts:
    none: Counter[str] = Counter()
    quiet = Facts(DecisionSettings(), none, none, none, none, 100, 0, 0, 0, False, False, False,
                  False)  # fmt: skip
    return replace(quiet, **found)


def use(key: str, of: Facts) -> KeyUse:
    tree = settings_keys(load_settings().model_dump(mode="json"))
    (found,) = [each for each in coverage(tree, of) if each.key == key]
    return found


def test_limit_that_never_spoke_is_unused_and_says_that_it_was_on() -> None:
    found = use("max_daily_loss_pct", facts())
    assert (found.state, found.why) == ("unused", "on, and never spoke")


def test_limit_that_spoke_is_exercised_and_says_how_often() -> None:
    found = use("max_daily_loss_pct", facts(denied=Counter(daily_loss=12)))
    assert (found.state, found.why) == ("exercised", "spoke at 12 bars")


def test_switched_off_filter_is_unused_even_where_a_rule_of_its_name_spoke() -> None:
    off = facts(denied=Counter(adx_regime=3))
    assert use("adx_regime_filter.enabled", off).why == "off"


def test_threshold_of_the_other_gate_is_unused() -> None:
    denied = Counter(margin=5, confidence=5)
    assert use("prediction.quantile.top_share", facts(denied=denied)).state == "exercised"
    assert use("prediction.confidence_threshold", facts(denied=denied)).state == "unused"


def test_key_of_the_daemon_is_unsupported_and_says_where_it_counts() -> None:
    found = use("bridge.read_timeout_s", facts())
    assert found.state == "unsupported"
    assert "bridge" in found.why


def test_key_without_a_rule_is_reported_and_not_dropped() -> None:
    (found,) = coverage({"brand_new.key": 1}, facts())
    assert (found.state, found.why) == ("unsupported", "no rule says when it is exercised")
