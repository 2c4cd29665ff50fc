"""How much is risked: through tick value, floored, never above what was set."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import make_input
from trading.decision import sizing, stops
from trading.decision.decide import decide
from trading.decision.records import AccountView, Denial, Enter, Forecast, Quote, Side
from trading.decision.settings import DecisionSettings, RiskManagement, StopSettings

SETTINGS = DecisionSettings()


def entered(now: object, settings: DecisionSettings = SETTINGS) -> Enter:
    entry = sizing.entry(Side.BUY, now, settings)  # type: ignore[arg-type]
    assert isinstance(entry, Enter)
    return entry


def account(equity: float) -> AccountView:
    return AccountView(equity, equity, equity)


def test_risk_over_loss_at_the_stop_is_the_volume() -> None:
    entry = entered(make_input())
    assert entry == Enter(Side.BUY, 0.8, 250.0, 250.0, 200.0, 2.0, math.nan, 0.8)


def test_cent_and_dollar_account_risk_the_same_share() -> None:
    dollars = entered(make_input(account=account(500.0)))
    cents = entered(
        make_input(account=account(50_000.0), instrument={"tick_value": 1.0, "margin_per_lot": 1e5})
    )
    assert dollars.volume_lots == cents.volume_lots == 0.04
    assert dollars.volume_lots * 250 / 500 == cents.volume_lots * 250 * 100 / 50_000


def test_golden_case_of_the_cent_trap() -> None:
    # 500 USD = 50,000 USC, 2 %, stop 600 USD away: 0.0167 lot, floored to 0.01.
    now = make_input(
        account=account(50_000.0), market={"atr": 600.0},
        instrument={"tick_value": 1.0, "margin_per_lot": 1e5},
    )  # fmt: skip
    assert entered(now).volume_lots == 0.01


def test_max_lot_caps_and_floors_to_the_step() -> None:
    settings = DecisionSettings(max_lot=0.255)
    assert entered(make_input(), settings).volume_lots == 0.25


def test_commission_of_both_sides_counts_as_loss() -> None:
    assert entered(make_input(instrument={"commission_per_lot": 75.0})).volume_lots == 0.5


def test_risk_below_the_smallest_lot_is_denied_never_rounded_up() -> None:
    now = make_input(account=account(100.0))
    assert decide(now, SETTINGS).denials == (Denial("risk_too_small", 2.0 / 250.0, 0.01),)


@pytest.mark.parametrize(("free", "lots"), [(799.0, 0.63), (950.0, 0.76), (1000.0, 0.8)])
def test_margin_caps_the_volume_at_its_share_of_what_is_free(free: float, lots: float) -> None:
    entry = entered(make_input(account=AccountView(10_000.0, 10_000.0, free)))
    assert (entry.volume_lots, entry.wanted_lots) == (lots, 0.8)  # 1,000 a lot


def test_margin_too_small_for_the_smallest_lot_is_denied() -> None:
    now = make_input(account=AccountView(10_000.0, 10_000.0, 12.0))
    assert decide(now, SETTINGS).denials == (Denial("margin_free", 12.0 * 0.8, 10.0),)


def test_worth_caps_the_volume_at_the_leverage() -> None:
    settings = DecisionSettings(risk_management=RiskManagement(max_leverage=5.0))
    assert entered(make_input(), settings).volume_lots == 0.49  # 50,000 over 100,114.59 a lot
    settings = DecisionSettings(risk_management=RiskManagement(max_leverage=0.05))
    (denial,) = decide(make_input(), settings).denials
    assert denial == Denial("max_leverage", pytest.approx(0.1001146), 0.05)


def test_stops_are_multiples_of_atr_rounded_up_to_a_tick() -> None:
    settings = DecisionSettings(
        dynamic_sltp=StopSettings(sl_atr_multiplier=0.8, tp_atr_multiplier=2.0)
    )
    now = make_input(market={"atr": 100.003})
    assert stops.stop_distances(Side.BUY, now, settings) == (80.01, 200.01)


def test_stops_level_raises_the_stop_by_the_spread_before_sizing() -> None:
    now = make_input(instrument={"stops_level_points": 30_000})
    assert stops.stop_distances(Side.BUY, now, SETTINGS) == (314.59, 285.41)
    entry = entered(now)
    assert entry.volume_lots == 0.63  # 200 / 314.59, not 200 / 250
    assert entry.volume_lots * entry.sl_distance <= entry.risk_money


def test_stop_inside_the_spread_is_raised_one_tick_beyond_it() -> None:
    now = make_input(market={"atr": 10.0}, quote=Quote(0, 100_100.0, 100_114.59))
    assert stops.stop_distances(Side.BUY, now, SETTINGS) == (14.60, 10.0)


def test_short_and_long_have_the_same_size() -> None:
    short = make_input(forecast=Forecast(0.3, 0.5, 0.2, (-1, -1, 0)))
    (sell,) = decide(short, SETTINGS).intents
    (buy,) = decide(make_input(), SETTINGS).intents
    assert isinstance(sell, Enter)
    assert isinstance(buy, Enter)
    assert (sell.side, sell.volume_lots) == (Side.SELL, buy.volume_lots)


@given(
    equity=st.floats(10, 1e7),
    atr=st.floats(0.5, 5000),
    risk=st.floats(0.01, 10),
    step=st.sampled_from([0.01, 0.1, 0.001]),
    tick_value=st.sampled_from([0.01, 1.0, 0.37]),
    max_lot=st.floats(0.01, 50),
)
def test_loss_at_the_stop_never_exceeds_the_risk(
    equity: float, atr: float, risk: float, step: float, tick_value: float, max_lot: float
) -> None:
    now = make_input(
        account=account(equity), market={"atr": atr},
        instrument={"volume_step": step, "volume_min": step, "tick_value": tick_value,
                    "margin_per_lot": 0.0},
    )  # fmt: skip
    settings = DecisionSettings(
        risk_percent=risk, max_lot=max_lot, risk_management=RiskManagement(max_leverage=1e9)
    )
    entry = sizing.entry(Side.BUY, now, settings)
    wanted = equity * risk / 100
    if isinstance(entry, Denial):
        assert entry.rule == "risk_too_small"
        per_step = stops.stop_distances(Side.BUY, now, settings)[0] / 0.01 * tick_value * step
        assert max_lot < step or wanted < per_step * (1 + 1e-9)
        return
    loss = entry.volume_lots * entry.sl_distance / 0.01 * tick_value
    assert loss <= wanted * (1 + 1e-9)
    assert entry.volume_lots <= max_lot
    assert round(entry.volume_lots / step, 6) % 1 == pytest.approx(0, abs=1e-6)
