"""Health truth (docs/bridge.md A.3; D5, D12, D18, D28, D30, D32, D34): who may enter, who exit."""

from dataclasses import replace
from typing import Any

import pytest

from broker.contract.messages import Account, Health, MarketHealth, TerminalHealth, Tick
from market.instruments import INSTRUMENTS
from tests.builders import make_spec
from trading.health import (
    HealthLimits,
    HealthVerdict,
    Look,
    Pins,
    expected_tick_value,
    judge_health,
    offset_error_ms,
)

NOW_MS = 1_750_000_000_000
MINUTE_MS = 60_000
LIMITS = HealthLimits()
PINS = Pins(5, "Demo", 0, "spec")
TERMINAL = TerminalHealth(True, True, False, 5602, 100, "Broker")
HEALTH = Health(
    "ok", "1.0", "0.1.0", "native", "live", "boot", 1.0, TERMINAL, 5, "Demo", True, True, 2, "USD",
    (MarketHealth("BTCUSD", NOW_MS, 0, True),), NOW_MS, NOW_MS, 0, "tzrule", 0, 0,
)  # fmt: skip
ACCOUNT = Account(
    5, "Demo", "", "Broker", "USD", 2, 1e4, 0.0, 0.0, 1e4, 0.0, 1e4, 0.0, 2, 0, 70.0, 20.0, 0, 100,
    0, True, True, "USD", 1.0,
)  # fmt: skip
TICK = Tick(NOW_MS, 1e5, 1e5 + 10, 0.0, 0, 6)
LOOK = Look(NOW_MS, NOW_MS, HEALTH, ACCOUNT, make_spec(spec_hash="spec"), TICK, True)


def judged(**fields: Any) -> HealthVerdict:
    return judge_health(replace(LOOK, **fields), PINS, LIMITS)


def terminal(**fields: Any) -> Health:
    return replace(HEALTH, terminal=replace(TERMINAL, **fields))


def test_healthy_look_allows_everything() -> None:
    verdict = judged()
    assert (verdict.entries_ok, verdict.exits_ok, verdict.reasons) == (True, True, ())


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"health": terminal(connected=False)}, "not_connected"),
        ({"health": terminal(trade_allowed=False)}, "trade_rights"),
        ({"health": terminal(tradeapi_disabled=True)}, "trade_rights"),
        ({"health": replace(HEALTH, account_trade_allowed=False)}, "trade_rights"),
        ({"health": replace(HEALTH, account_trade_expert=False)}, "trade_rights"),
        ({"account": replace(ACCOUNT, login=6)}, "account"),
        ({"account": replace(ACCOUNT, server="Real")}, "account"),
        ({"account": replace(ACCOUNT, trade_mode=2)}, "account"),
        ({"health": replace(HEALTH, login=6)}, "account"),
    ],
)
def test_without_connection_rights_or_account_exits_stop_too(
    fields: dict[str, Any], rule: str
) -> None:
    verdict = judged(**fields)
    assert [each.rule for each in verdict.problems] == [rule]
    assert not verdict.entries_ok
    assert not verdict.exits_ok


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"tick": replace(TICK, time_msc=NOW_MS - 120_001)}, "tick_age"),
        ({"frozen_ms": 120_001}, "quote_frozen"),
        ({"health": replace(HEALTH, utc_msc=NOW_MS + 1_501)}, "clock_skew"),
        ({"health": replace(HEALTH, clock_skew_ms=-1_501)}, "clock_skew"),
        ({"offset_error_ms": 3_600_000}, "clock_offset"),
        ({"spec": make_spec(spec_hash="other")}, "spec_changed"),
        ({"spec": make_spec(spec_hash="spec", trade_mode=3)}, "trade_mode"),
        ({"spec": make_spec(spec_hash="spec", trade_tick_value=0.0106)}, "tick_value"),
        ({"account": replace(ACCOUNT, margin_mode=0), "foreign_here": True}, "netting"),
    ],
)
def test_these_stop_entries_alone(fields: dict[str, Any], rule: str) -> None:
    verdict = judged(**fields)
    assert [each.rule for each in verdict.problems] == [rule]
    assert not verdict.entries_ok
    assert verdict.exits_ok


@pytest.mark.parametrize(
    "fields",
    [
        {"tick": replace(TICK, time_msc=NOW_MS - 120_000)},
        {"tick": replace(TICK, time_msc=0), "session_open": False},
        {"tick": None, "frozen_ms": 10**9},
        {"frozen_ms": 10**9, "session_open": False},
        {"health": replace(HEALTH, utc_msc=NOW_MS + 1_500)},
        {"health": replace(HEALTH, login=0, server="")},
        {"spec": make_spec(spec_hash="spec", trade_tick_value=0.0104)},
        {"foreign_here": True},
        {"account": replace(ACCOUNT, margin_mode=0)},
    ],
)
def test_within_its_limit_nothing_is_wrong(fields: dict[str, Any]) -> None:
    assert judged(**fields).entries_ok


@pytest.mark.parametrize(
    ("late_ms", "expected"),
    [
        (0, 0), (4_999, 0), (5_001, None), (-3_600_000, 3_600_000), (3_600_000 + 2_000, -3_600_000),
        (7_200_000 - 900_000, -6_300_000), (400_000, None),
    ],
)  # fmt: skip
def test_fresh_quote_tells_the_offset_in_quarter_hours(late_ms: int, expected: int | None) -> None:
    assert offset_error_ms(NOW_MS - late_ms, NOW_MS) == expected


@pytest.mark.parametrize("units", [1, 100], ids=["USD", "USC"])
@pytest.mark.parametrize("symbol", INSTRUMENTS)
def test_every_known_instruments_tick_value_follows_from_its_contract(
    symbol: str, units: int
) -> None:
    mine = INSTRUMENTS[symbol].in_deposit_currency(units)
    spec = make_spec(
        trade_tick_size=mine.tick_size, trade_contract_size=mine.contract_size,
        trade_calc_mode=int(mine.calc_mode), currency_profit=mine.currency_profit,
    )  # fmt: skip
    account = replace(ACCOUNT, unit_to_base=1 / units)
    assert expected_tick_value(spec, account) == pytest.approx(mine.tick_value)


@pytest.mark.parametrize(
    "fields", [{"currency_profit": "JPY"}, {"trade_calc_mode": 1}], ids=["rate", "futures"]
)
def test_tick_value_that_needs_a_rate_is_not_judged(fields: dict[str, Any]) -> None:
    assert expected_tick_value(make_spec(**fields), ACCOUNT) is None
