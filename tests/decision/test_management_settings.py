"""Settings of guards and management: what does not go together, what may change while running."""

from typing import Any

import pytest
from pydantic import ValidationError

from trading.decision.management_settings import ActiveManagement
from trading.decision.reloadable import RELOADABLE, When, refusal, reloaded
from trading.decision.settings import DecisionSettings

ON = {"enabled": True}


def tree(**management: Any) -> DecisionSettings:
    return DecisionSettings.model_validate({"ml_active_management": management})


def test_defaults_are_the_seeds() -> None:
    settings = DecisionSettings()
    assert settings.max_daily_loss_pct == 3.0
    assert settings.max_weekly_drawdown_pct == 20.0
    assert settings.risk_management.min_atr_threshold == 15.0
    assert settings.equity_curve_filter.model_dump() == {
        "enabled": False, "lookback_trades": 10, "max_drawdown_pct": 5.0,
    }  # fmt: skip
    assert settings.position_optimization.model_dump() == {
        "exit_threshold": 0.80, "min_prob_diff": 0.25, "min_bars_held": 4,
    }  # fmt: skip
    management = settings.ml_active_management
    assert management.kelly_lot_sizing.max_kelly_fraction == 0.5
    assert management.ml_trailing_stop.base_trail_atr_mult == 1.2
    assert management.ml_trailing_stop.min_profit_atr == 0.8
    assert management.position_as_primary_exit.catastrophic_sl_atr_mult == 3.0
    assert management.position_as_primary_exit.emergency_tp_atr_mult == 5.0
    for name, section in management:
        assert name == "enabled" or section.enabled is False, name


@pytest.mark.parametrize(
    ("management", "reason"),
    [
        ({"ml_trailing_stop": ON, "partial_close": ON}, "cuts what was just moved to break-even"),
        ({"ml_sltp": ON, "position_as_primary_exit": ON}, "each sets the stops of an entry"),
        ({"enabled": False, "position_as_primary_exit": ON}, "position model would not be asked"),
        ({"enabled": False, "add": ON}, "position model would not be asked"),
    ],
    ids=["trailing and break-even", "ml_sltp and primary exit", "primary exit alone", "add alone"],
)
def test_pairs_that_do_not_go_together_say_why(management: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        tree(**management)


@pytest.mark.parametrize(
    "management",
    [
        {"ml_trailing_stop": ON, "partial_close": {"enabled": True, "break_even": False}},
        {"enabled": False, "ml_trailing_stop": ON},
        {"enabled": False, "partial_close": ON},
        {"enabled": False, "kelly_lot_sizing": ON},
        {"enabled": False, "ml_sltp": ON},
        {"position_as_primary_exit": ON},
        {"add": ON},
    ],
    ids=lambda m: "+".join(m),
)
def test_each_switch_may_be_set_alone(management: dict[str, Any]) -> None:
    assert isinstance(tree(**management).ml_active_management, ActiveManagement)


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ({"prop": {"profile": "ftmo_2step"}}, "initial_balance above 0 is needed"),
        ({"prop": {"profile": "x", "initial_balance": 1}}, "came alone"),
        ({"prop": {"soft_stop_share": 0.9}}, "soft_stop_share up to flatten_share"),
        ({"adx_regime_filter": {"ranging_below": 0.3}}, "both regimes would hold at once"),
        ({"session_filter": {"enabled": True}}, "nothing would be traded"),
        ({"session_filter": {"windows": [{"start": "25:00", "end": "26:00"}]}}, "pattern"),
        ({"rollover_filter": {"zone": "Mars/Base"}}, "an IANA zone"),
    ],
    ids=["no balance", "no rules", "shares", "thresholds", "no window", "time", "zone"],
)
def test_bad_values_say_what_is_allowed(section: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        DecisionSettings.model_validate(section)


def test_the_list_of_reloadable_keys_is_the_seeds_and_every_key_is_real() -> None:
    assert dict(RELOADABLE) == {
        "risk_percent": When.ALWAYS,
        "max_daily_loss_pct": When.ALWAYS,
        "prediction.confidence_threshold": When.ALWAYS,
        "adx_regime_filter": When.ALWAYS,
        "circuit_breaker": When.ALWAYS,
        "ml_active_management.kelly_lot_sizing": When.FLAT,
    }
    for key in RELOADABLE:
        value: Any = DecisionSettings()
        for part in key.split("."):
            value = getattr(value, part)


def test_safe_changes_hold_and_the_others_are_named() -> None:
    old = DecisionSettings()
    new = DecisionSettings.model_validate({
        "risk_percent": 1.0, "max_lot": 0.5, "circuit_breaker": {"max_consecutive_losses": 3},
    })  # fmt: skip
    settings, changes = reloaded(old, new, holds_positions=False)
    assert settings.risk_percent == 1.0
    assert settings.circuit_breaker.max_consecutive_losses == 3
    assert settings.max_lot == old.max_lot
    assert changes == (
        ("circuit_breaker.max_consecutive_losses", 7, 3, ""),
        ("max_lot", 1.0, 0.5, "needs a restart"),
        ("risk_percent", 2.0, 1.0, ""),
    )


def test_kelly_changes_only_while_no_position_is_open() -> None:
    new = tree(kelly_lot_sizing=ON)
    held, changes = reloaded(DecisionSettings(), new, holds_positions=True)
    assert not held.ml_active_management.kelly_lot_sizing.enabled
    assert changes[0].refused == "holds only while no position is open"
    flat, _ = reloaded(DecisionSettings(), new, holds_positions=False)
    assert flat == new


def test_a_key_is_not_reloadable_because_its_name_begins_alike() -> None:
    assert refusal("risk_percent_of_equity", holds_positions=False) == "needs a restart"
    assert refusal("circuit_breaker.enabled", holds_positions=False) == ""
