"""Prop firms' limits: their arithmetic, and how we stay away from them."""

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import make_input
from tests.decision.tape import HOLD, long
from trading.decision import prop_guard, prop_rules
from trading.decision.decide import decide
from trading.decision.prop_rules import Phase, PropRules
from trading.decision.records import (
    AccountView,
    Add,
    Close,
    DayState,
    DecisionInput,
    Denial,
    Enter,
    ExitForecast,
    Forecast,
    GuardState,
    HeldTrade,
    NewsEvent,
    OpenTrade,
    PropState,
    Quote,
    Side,
)
from trading.decision.settings import DecisionSettings

RULES = PropRules.model_validate(
    json.loads((Path(__file__).parents[2] / "config" / "prop_rules.json").read_text())
)
PRAGUE = "Europe/Prague"
EXIT = ExitForecast(0.1, 0.85, 0.05, (1, 1, 0))
BUY = Forecast(0.5, 0.3, 0.2, (1, 1, 0))


def rules(profile: str = "ftmo_2step", phase: Phase = "challenge", **prop: Any) -> DecisionSettings:
    """A prop account of 100,000 (or as given); our own daily guard is off."""
    named = {"profile": profile, "phase": phase, "initial_balance": 100_000.0} | prop
    return DecisionSettings.model_validate({
        "prop": named, "prop_rules": RULES.profiles[profile], "max_daily_loss_pct": 0,
        "max_weekly_drawdown_pct": 0, "risk_percent": 0.5, "max_open_positions": 9,
    })  # fmt: skip


def state(
    balance: float, equity: float | None = None, *, initial: float = 100_000.0,
    highest: float = 0.0, low: float = float("nan"),
) -> PropState:  # fmt: skip
    day = DayState(0, balance, balance if equity is None else equity, low)
    return PropState(day, initial, max(initial, highest), 0, 0.0, 0.0)


def at(
    local: str,
    prop: PropState,
    *,
    balance: float = 100_000.0,
    trades: tuple[OpenTrade, ...] = (),
    zone: str = PRAGUE,
    **fields: Any,
) -> DecisionInput:
    """An input at a local time; open trades stand at their profits, the bar does not move."""
    instant = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone))
    close_ms = round(instant.timestamp() * 1000)
    equity = balance + sum(trade.profit for trade in trades)
    market = {
        "open_ms": close_ms - 900_000, "close_ms": close_ms, "high": 1000.0, "low": 1000.0,
        "close": 1000.0, "spread_points": 0, "atr": 100.0,
    }  # fmt: skip
    defaults = {
        "quote": Quote(close_ms, 1000.0, 1000.0),
        "account": AccountView(balance, equity, equity),
        "open_trades": trades,
        "guard": GuardState(prop.day, prop.day, 0, (), prop),
        "forecast": BUY,
    }
    return make_input(market=market, **(defaults | fields))


def losing(floating: float, **fields: Any) -> OpenTrade:
    """A long of 100 lots whose loss at 1,000 is `floating`; its stop is 10 away from there."""
    price_open = 1000.0 - floating / 100
    trade = long(volume_lots=100.0, price_open=price_open, sl=990.0, tp=0.0, profit=floating)
    return replace(trade, **fields)


# The arithmetic of the limits


def test_ftmo_midnight_example_is_legal_before_midnight_and_a_breach_after() -> None:
    # 200,000; 4,000 closed profit, 13,000 floating loss: equity 191,000 all the time.
    ftmo = RULES.profiles["ftmo_2step"]
    equity = 200_000.0 + 4_000.0 - 13_000.0
    at_2359 = prop_rules.daily_floor(ftmo.daily, state(200_000.0, initial=200_000.0))
    at_0000 = prop_rules.daily_floor(ftmo.daily, state(204_000.0, equity, initial=200_000.0))
    assert (at_2359, at_0000) == (190_000.0, 194_000.0)
    assert equity >= at_2359
    assert equity < at_0000


@pytest.mark.parametrize(
    ("local", "closes"),
    [("2025-06-02 20:45", False), ("2025-06-02 21:00", True), ("2025-06-02 23:45", True)],
)
def test_ftmo_midnight_example_is_closed_in_the_evening_before(local: str, closes: bool) -> None:
    settings = rules(initial_balance=200_000.0, soft_stop_share=1.0, flatten_share=1.0)
    day = state(200_000.0, initial=200_000.0)
    now = at(local, day, balance=204_000.0, trades=(losing(-13_000.0),))
    assert bool(decide(now, settings).intents) is closes


@pytest.mark.parametrize(
    ("profile", "day", "name", "floor"),
    [
        ("ftmo_2step", state(104_000.0, 101_000.0), "daily", 99_000.0),
        ("ftmo_2step", state(94_000.0), "total", 90_000.0),
        ("ftmo_1step", state(104_000.0, highest=104_000.0), "daily", 101_000.0),
        ("ftmo_1step", state(96_000.0, highest=104_000.0), "total", 94_000.0),
        ("ftmo_1step", state(96_000.0), "daily", 93_000.0),
        ("fundingpips_2step", state(100_000.0, 104_000.0), "daily", 98_800.0),
        ("fundingpips_2step", state(100_000.0, 96_000.0), "daily", 95_000.0),
        ("fundingpips_1step", state(97_000.0), "total", 94_000.0),
        ("the5ers_high_stakes", state(102_000.0, 101_000.0), "daily", 96_900.0),
    ],
)
def test_highest_floor_of_each_firm(profile: str, day: PropState, name: str, floor: float) -> None:
    assert prop_rules.highest_floor(RULES.profiles[profile], day) == (name, pytest.approx(floor))


def test_every_profile_is_dated_and_has_its_sources() -> None:
    assert RULES.as_of == "2026-11-20"
    for profile in RULES.profiles.values():
        assert all(source.startswith("https://") for source in profile.sources)


def test_zones_are_the_firms_own_clocks() -> None:
    assert {name: profile.zone for name, profile in RULES.profiles.items()} == {
        "ftmo_2step": PRAGUE, "ftmo_1step": PRAGUE, "fundingpips_2step": "Etc/GMT-3",
        "fundingpips_1step": "Etc/GMT-3", "the5ers_high_stakes": "Etc/GMT-3",
    }  # fmt: skip
    summer = datetime(2025, 7, 1, tzinfo=ZoneInfo("Etc/GMT-3")).utcoffset()
    assert summer is not None
    assert summer.total_seconds() == 3 * 3600


# Soft stop, then flatten


@pytest.mark.parametrize(
    ("equity", "denied"), [(97_000.5, False), (97_000.0, True), (96_000.0, True)]
)
def test_soft_stop_denies_entries_at_its_share_of_the_allowance(
    equity: float, denied: bool
) -> None:
    now = at("2025-06-02 12:00", state(100_000.0), balance=equity)
    denials = decide(now, rules()).denials
    said = Denial("prop_soft_stop", equity, "above 97000.00 (daily limit)")
    assert denials == ((said,) if denied else ())


def test_soft_stop_holds_until_the_firms_midnight() -> None:
    now = at("2025-06-02 12:00", state(100_000.0, low=96_900.0), balance=101_000.0)
    assert [denial.rule for denial in decide(now, rules()).denials] == ["prop_soft_stop"]
    new_day = at("2025-06-03 00:00", state(101_000.0), balance=101_000.0)
    assert decide(new_day, rules()).denials == ()


def test_candles_of_a_day_that_goes_wrong() -> None:
    # One trade of 100 lots from 1,000; the allowance of 5,000 is 60 % used at 970, 80 % at 960.
    table = [
        ((1000, 985), "", ()),
        ((990, 969), "prop_soft_stop", ()),
        ((985, 961), "prop_soft_stop", ()),
        ((985, 960), "prop_soft_stop", (Close(7, "prop_daily_loss"),)),
    ]
    low = float("nan")
    trade = losing(0.0, sl=900.0)
    for (high, bar_low), rule, intents in table:
        day = state(100_000.0, low=low)
        now = at("2025-06-02 12:00", day, trades=(trade,), forecast=None, missing_feature="x")
        now = replace(now, market=replace(now.market, high=float(high), low=float(bar_low)))
        decision = decide(now, rules())
        assert [d.rule for d in decision.denials if d.rule != "features"] == [rule] * bool(rule)
        assert decision.intents == intents
        low = 100_000.0 - (1000 - bar_low) * 100


def test_trade_that_is_flattened_gets_no_other_intent() -> None:
    day = state(100_000.0, low=95_000.0)
    held = tuple(HeldTrade(i, 9, 1200.0, 100.0, 100.0, EXIT) for i in (7, 8))
    trades = (losing(0.0), losing(0.0, position_id=8))
    decision = decide(at("2025-06-02 12:00", day, trades=trades, held=held), rules())
    assert decision.intents == (Close(7, "prop_daily_loss"), Close(8, "prop_daily_loss"))


def test_total_limit_is_named_where_it_is_the_nearer_one() -> None:
    day = state(94_500.0)  # daily floor 89,500, total floor 90,000
    now = at("2025-06-02 12:00", day, balance=90_900.0, trades=(losing(0.0),))
    decision = decide(now, rules())
    assert decision.intents == (Close(7, "prop_total_loss"),)
    assert decision.denials[0].limit == "above 92000.00 (total limit)"


# The pre-trade test


@pytest.mark.parametrize(
    ("trades", "enters"),
    [
        ((), True),  # 0.5 % of 98,500, half as much again for a gap: 97,761 stays above 96,000
        ((losing(0.0),), True),  # 100 lots · 10 · 1.5 more
        ((losing(0.0, sl=985.0),), False),  # 100 lots · 15 · 1.5 more: 95,512
        ((losing(0.0, sl=985.0), losing(0.0, sl=1030.0, position_id=8)), False),
        ((losing(0.0), losing(0.0, position_id=8)), False),
        ((losing(0.0, sl=1005.0),), True),  # a stop in profit loses nothing
    ],
    ids=["alone", "near stop", "far stop", "a winner pays for none", "two stops", "in profit"],
)
def test_entry_is_denied_where_all_stops_together_could_break_a_limit(
    trades: tuple[OpenTrade, ...], enters: bool
) -> None:
    now = at("2025-06-02 12:00", state(100_000.0), balance=98_500.0, trades=trades)
    settings = DecisionSettings(**(dict(rules()) | {"max_lot": 100.0}))
    decision = decide(now, settings)
    if enters:
        assert isinstance(decision.intents[-1], Enter)
    else:
        (denial,) = decision.denials
        assert denial.rule == "prop_pre_trade"
        assert denial.limit == "above 96000.00 (daily limit)"
        assert isinstance(denial.observed, float)
        assert denial.observed < 96_000.0


def test_addition_passes_the_same_test() -> None:
    said = ExitForecast(0.05, 0.05, 0.9, (2, 2, 0))
    winner = losing(6_000.0, volume_lots=10.0, price_open=400.0, sl=995.0)
    for balance, adds in ((91_000.0, True), (90_100.0, False)):
        now = at("2025-06-02 12:00", state(100_000.0), balance=balance, trades=(winner,))
        held = (HeldTrade(7, 9, 1000.0, 100.0, 10.0, said),)
        now = replace(now, held=held, forecast=Forecast(0.3, 0.3, 0.4, (0, 0, 0)))
        settings = DecisionSettings.model_validate(
            rules(soft_stop_share=1.0, flatten_share=1.0).model_dump()
            | {"ml_active_management": {"add": {"enabled": True}}}
        )
        decision = decide(now, settings)
        assert bool([i for i in decision.intents if isinstance(i, Add)]) is adds
        assert ("prop_pre_trade" in {d.rule for d in decision.denials}) is not adds


def test_commission_counts_in_the_pre_trade_test() -> None:
    day = at("2025-06-02 12:00", state(100_000.0), balance=96_000.0)
    cheap = replace(day, instrument=replace(day.instrument, commission_per_lot=0.0))
    dear = replace(day, instrument=replace(day.instrument, commission_per_lot=30.0))
    settings = rules(soft_stop_share=1.0, flatten_share=1.0, gap_factor=1.0, buffer_share=0.0)
    assert prop_guard.pre_trade(1.0, 950.0, cheap, settings) is None
    assert prop_guard.pre_trade(1.0, 950.0, dear, settings) == Denial(
        "prop_pre_trade", 94_990.0, "above 95000.00 (daily limit)"
    )


def test_entry_beside_a_trade_without_a_stop_is_denied() -> None:
    now = at("2025-06-02 12:00", state(100_000.0), trades=(losing(0.0, sl=0.0),))
    assert decide(now, rules()).denials == (
        Denial("prop_pre_trade", "a trade without a stop", "a stop on every trade"),
    )


@given(
    volume=st.floats(0.01, 50), distance=st.floats(1, 500), gap=st.floats(1, 3),
    equity=st.floats(91_000, 110_000), commission=st.floats(0, 20),
)  # fmt: skip
def test_whatever_passes_the_pre_trade_test_cannot_break_a_limit_at_its_slippage(
    volume: float, distance: float, gap: float, equity: float, commission: float
) -> None:
    now = at("2025-06-02 12:00", state(100_000.0), balance=equity)
    now = replace(now, instrument=replace(now.instrument, commission_per_lot=commission))
    if prop_guard.pre_trade(volume, distance, now, rules(gap_factor=gap)) is None:
        assert equity - volume * (distance * gap + 2 * commission) > 95_000.0


# News, weekend, phases


def test_funded_phase_neither_opens_nor_closes_around_news() -> None:
    now = at("2025-06-02 14:30", state(100_000.0), trades=(losing(0.0),))
    event = NewsEvent(now.market.close_ms + 120_000, "USD", 3, "CPI")
    held = (HeldTrade(7, 9, 1000.0, 100.0, 100.0, EXIT),)
    now = replace(now, news=(event,), held=held)
    decision = decide(now, rules(phase="funded"))
    assert decision.intents == ()
    assert Denial("prop_news", "USD CPI in 2 min", "none within 2 min") in decision.denials
    free = decide(now, rules(phase="challenge"))
    assert Close(7, "position_exit") in free.intents


def test_limits_come_before_the_news_rule() -> None:
    now = at("2025-06-02 14:30", state(100_000.0, low=95_100.0), trades=(losing(0.0),))
    now = replace(now, news=(NewsEvent(now.market.close_ms, "USD", 3, "CPI"),))
    assert decide(now, rules(phase="funded")).intents == (Close(7, "prop_daily_loss"),)


@pytest.mark.parametrize(
    ("minutes", "phase", "denied", "closed"),
    [
        (135, "funded", False, False), (120, "funded", True, False), (45, "funded", True, False),
        (30, "funded", True, True), (15, "funded", True, True), (15, "challenge", False, False),
    ],
)  # fmt: skip
def test_funded_standard_account_is_flat_before_a_long_break(
    minutes: int, phase: Phase, denied: bool, closed: bool
) -> None:
    trade = losing(0.0, volume_lots=0.1)
    held = (HeldTrade(7, 9, 1000.0, 100.0, 0.1, HOLD),)
    now = at("2025-06-06 12:00", state(100_000.0), trades=(trade,), held=held)
    now = replace(now, break_ms=now.market.close_ms + minutes * 60_000)
    decision = decide(now, rules(phase=phase))
    said = Denial("prop_break", f"closes in {minutes} min", "more than 120 min")
    assert decision.denials == ((said,) if denied else ())
    assert (Close(7, "prop_break") in decision.intents) is closed


def test_prop_rules_without_their_state_are_an_error_not_a_silence() -> None:
    with pytest.raises(ValueError, match="prop: the day's state is needed for FTMO 2-Step"):
        decide(make_input(), rules())


def test_short_trade_is_measured_at_the_ask() -> None:
    trade = losing(0.0, side=Side.SELL, sl=1010.0)
    now = at("2025-06-02 12:00", state(100_000.0), balance=98_500.0, trades=(trade,))
    far = replace(now, quote=replace(now.quote, ask=980.0))
    settings = rules(gap_factor=1.0)
    assert prop_guard.pre_trade(1.0, 100.0, now, settings) is None  # 100 lots · 10
    assert prop_guard.pre_trade(1.0, 100.0, far, settings) is not None  # 100 lots · 30
