"""What the account's day, week and last trades forbid, bar by bar."""

from dataclasses import replace

import pytest

from tests.builders import MONDAY_MS, make_input
from tests.decision.tape import Tape, long, short
from trading.decision.decide import decide
from trading.decision.filter_settings import EquityCurveFilter
from trading.decision.guards import worst_equity
from trading.decision.management_settings import ActiveManagement
from trading.decision.records import (
    AccountView,
    DayState,
    DecisionInput,
    Denial,
    Forecast,
    GuardState,
)
from trading.decision.settings import DecisionSettings

SETTINGS = DecisionSettings()
NO_MANAGEMENT = ActiveManagement(enabled=False)
BUY = Forecast(0.5, 0.3, 0.2, (1, 1, 0))
FRESH = DayState(MONDAY_MS, 10_000.0, 10_000.0)


def guarded(
    equity: float = 10_000.0,
    *,
    day: DayState = FRESH,
    week: DayState = FRESH,
    trades_today: int = 0,
    recent_net: tuple[float, ...] = (),
) -> DecisionInput:
    account = AccountView(equity, equity, equity)
    return make_input(account=account, guard=GuardState(day, week, trades_today, recent_net))


@pytest.mark.parametrize(
    ("equity", "loss_pct"),
    [(9_800.0, None), (9_709.0, None), (9_708.0, 292.0 / 9_708 * 100), (-5.0, 100.0)],
)
def test_daily_loss_is_a_share_of_the_equity_that_is_left(
    equity: float, loss_pct: float | None
) -> None:
    said = {d.rule: d for d in decide(guarded(equity), SETTINGS).denials}
    wanted = Denial("daily_loss", loss_pct, 3.0) if loss_pct else None
    assert said.get("daily_loss") == wanted


def test_daily_loss_once_reached_holds_for_the_day() -> None:
    day = replace(FRESH, low_equity=9_600.0)
    (denial,) = decide(guarded(10_500.0, day=day), SETTINGS).denials
    assert denial == Denial("daily_loss", 400 / 9_600 * 100, 3.0)
    assert decide(guarded(10_500.0), SETTINGS).denials == ()


def test_daily_loss_sees_the_worst_price_of_a_bar_that_came_back() -> None:
    tape = Tape(SETTINGS, long(volume_lots=4.0))
    table = [
        ((1010, 990, 1000), []),
        ((1005, 925, 1000), ["daily_loss"]),  # 4 lots · 75 = 300 at the low
        ((1020, 990, 1010), ["daily_loss"]),
    ]
    for row, rules in table:
        denials = tape.bar(*row, forecast=BUY).denials
        assert [d.rule for d in denials if d.rule != "max_open_positions"] == rules
    assert denials[-1] == Denial("daily_loss", 300 / 9_700 * 100, 3.0)


def test_bar_that_closes_at_midnight_counts_for_the_day_before() -> None:
    trade = replace(long(volume_lots=4.0), profit=0.0)
    now = replace(guarded(), open_trades=(trade,))
    now = replace(now, market=replace(now.market, low=900.0))
    settings = DecisionSettings(max_open_positions=2, ml_active_management=NO_MANAGEMENT)
    for start_ms, rules in ((now.market.close_ms, []), (now.market.open_ms, ["daily_loss"])):
        day = replace(FRESH, start_ms=start_ms)
        at = replace(now, guard=GuardState(day, FRESH, 0, ()))
        assert [denial.rule for denial in decide(at, settings).denials] == rules


def test_worst_equity_of_a_short_is_at_the_highs_ask() -> None:
    base = make_input(market={"high": 1050.0, "low": 900.0, "spread_points": 1000})
    trade = replace(short(), profit=-10.0)
    now = replace(base, account=AccountView(10_000.0, 9_990.0, 0.0), open_trades=(trade,))
    assert worst_equity(now) == 10_000.0 - 60.0


def test_worst_equity_is_never_above_the_snapshot() -> None:
    now = make_input(market={"low": 1_200.0}, open_trades=(long(),))  # a gap after the bar
    assert worst_equity(now) == 10_000.0


def test_worst_equity_leaves_credit_and_other_positions_as_they_are() -> None:
    trade = replace(long(), profit=50.0)
    now = make_input(
        market={"low": 950.0}, account=AccountView(10_000.0, 10_650.0, 0.0), open_trades=(trade,)
    )
    assert worst_equity(now) == 10_550.0


def test_weekly_drawdown_is_a_share_of_the_weeks_start_and_holds() -> None:
    week = DayState(MONDAY_MS, 10_000.0, 10_000.0)
    day = DayState(MONDAY_MS, 8_100.0, 8_100.0)
    assert decide(guarded(8_001.0, day=day, week=week), SETTINGS).denials == ()
    (denial,) = decide(guarded(8_000.0, day=day, week=week), SETTINGS).denials
    assert denial == Denial("weekly_drawdown", 20.0, 20.0)
    (denial,) = decide(
        guarded(9_000.0, day=day, week=replace(week, low_equity=7_500.0)), SETTINGS
    ).denials
    assert denial == Denial("weekly_drawdown", 25.0, 20.0)


def test_trades_of_the_day_are_counted_where_a_limit_is_set() -> None:
    limited = DecisionSettings(max_trades_per_day=3)
    assert decide(guarded(trades_today=2), limited).denials == ()
    assert decide(guarded(trades_today=3), limited).denials == (Denial("max_trades_per_day", 3, 3),)
    assert decide(guarded(trades_today=99), SETTINGS).denials == ()


def test_equity_curve_looks_at_the_last_trades_together() -> None:
    rule = EquityCurveFilter(enabled=True, lookback_trades=3, max_drawdown_pct=5.0)
    settings = DecisionSettings(equity_curve_filter=rule)
    assert decide(guarded(recent_net=(-900.0, -300.0, -300.0, 150.0)), settings).denials == ()
    (denial,) = decide(guarded(recent_net=(900.0, -300.0, -300.0, 100.0)), settings).denials
    assert denial == Denial("equity_curve", 5.0, 5.0)
    assert decide(guarded(recent_net=(-900.0,)), SETTINGS).denials == ()


@pytest.mark.parametrize(
    ("key", "left"),
    [("max_daily_loss_pct", "weekly_drawdown"), ("max_weekly_drawdown_pct", "daily_loss")],
)
def test_zero_switches_a_guard_off(key: str, left: str) -> None:
    settings = SETTINGS.model_copy(update={key: 0.0})
    assert [denial.rule for denial in decide(guarded(5_000.0), settings).denials] == [left]


def test_guards_are_carried_together_in_order() -> None:
    settings = DecisionSettings(
        max_trades_per_day=1, equity_curve_filter=EquityCurveFilter(enabled=True)
    )
    now = guarded(5_000.0, trades_today=1, recent_net=(-5_000.0,))
    assert [denial.rule for denial in decide(now, settings).denials] == [
        "daily_loss", "weekly_drawdown", "max_trades_per_day", "equity_curve",
    ]  # fmt: skip


def test_settings_say_whether_a_guard_state_is_needed() -> None:
    assert SETTINGS.guards_account
    off = {"max_daily_loss_pct": 0.0, "max_weekly_drawdown_pct": 0.0}
    assert not DecisionSettings(**off).guards_account  # type: ignore[arg-type]
    assert DecisionSettings(**off, max_trades_per_day=1).guards_account  # type: ignore[arg-type]
