"""The definitions of every figure, on a ledger small enough to add up by hand."""

import math

import numpy as np
import pytest

from broker.contract.constants import DealEntry, DealReason, DealType
from broker.contract.messages import Deal
from market.bars import Bars
from tests.builders import MONDAY_MS, make_bars, make_deal, make_input
from trading.canonical import decision_line
from trading.decision.decide import decide
from trading.decision.settings import DecisionSettings
from trading.equity import equity_curve
from trading.results import alarms, summarise

BAR = 900_000
INSTRUMENT = make_input().instrument


def bars() -> Bars:
    """Five bars around 100,000; the spread is 10 USD."""
    return make_bars(
        [
            (100_000, 100_000, 100_000, 100_000),
            (100_000, 100_500, 99_900, 100_300),
            (100_300, 101_000, 99_800, 101_000),
            (101_000, 101_200, 100_000, 100_500),
            (100_500, 100_600, 100_400, 100_500),
        ],
        spread_points=1000,
    )


def ledger() -> list[Deal]:
    """One lot long from bar 1, target in bar 2: +990. One lot short from bar 3, stopped: −110."""
    at = [MONDAY_MS + row * BAR for row in range(6)]
    out = {"entry": DealEntry.OUT, "magic": 0, "volume": 1.0}
    return [
        make_deal(1, at[0], type=DealType.BALANCE, position_id=0, profit=10_000.0),
        make_deal(2, at[1], position_id=5, volume=1.0, price=100_010.0, commission=-2.0),
        make_deal(3, at[3] - 1, position_id=5, **out, type=DealType.SELL, price=101_000.0,
                  reason=DealReason.TP, profit=990.0, commission=-2.0),
        make_deal(4, at[3], position_id=6, volume=1.0, type=DealType.SELL, price=101_000.0),
        make_deal(5, at[4] - 1, position_id=6, **out, type=DealType.BUY, price=101_110.0,
                  reason=DealReason.SL, profit=-110.0, swap=-1.0),
    ]  # fmt: skip


def test_equity_is_marked_at_each_close_and_at_the_worst_inside_the_bar() -> None:
    curve = equity_curve(ledger()[1:], bars(), INSTRUMENT, initial_balance=10_000.0)
    # Bar 1: long from 100,010, bid 100,300 at the close and 99,900 at its low, 2 of commission.
    # Bar 2 wins 990 at its target, but was at 99,800 before. Bar 3 loses with its deal alone.
    assert curve.close.tolist() == [10_000.0, 10_288.0, 10_986.0, 10_875.0, 10_875.0]
    assert curve.worst.tolist() == [10_000.0, 9_888.0, 9_788.0, 10_875.0, 10_875.0]
    assert curve.drawdown.tolist() == pytest.approx(
        [0.0, 112 / 10_000, 500 / 10_288, 111 / 10_986, 111 / 10_986]
    )


def test_open_short_is_marked_at_the_ask() -> None:
    deals = ledger()[3:4]
    curve = equity_curve(deals, bars(), INSTRUMENT, initial_balance=10_000.0)
    assert curve.close.tolist() == [10_000.0] * 3 + [10_490.0, 10_490.0]
    assert curve.worst.tolist() == [10_000.0] * 3 + [9_790.0, 10_390.0]


def test_worst_is_never_above_the_close_even_for_a_fill_inside_the_bar() -> None:
    deals = [make_deal(1, MONDAY_MS + BAR + 1000, volume=1.0, price=100_500.0)]
    curve = equity_curve(deals, bars(), INSTRUMENT, initial_balance=10_000.0)
    assert curve.close[1] == curve.worst[1] == 9_800.0


def test_partial_close_halves_what_floats() -> None:
    at = MONDAY_MS + BAR
    deals = [
        make_deal(1, at, volume=1.0, price=100_000.0),
        make_deal(2, at + BAR, volume=0.5, type=DealType.SELL, entry=DealEntry.OUT,
                  price=100_300.0, profit=150.0),
    ]  # fmt: skip
    curve = equity_curve(deals, bars(), INSTRUMENT, initial_balance=10_000.0)
    assert curve.close.tolist() == [10_000.0, 10_300.0, 10_650.0, 10_400.0, 10_400.0]


def summary_of(deals: list[Deal], **options: object) -> dict[str, object]:
    now = [make_input(), make_input(recent_losses=7, session_open=False)]
    lines = [decision_line(each, decide(each, DecisionSettings())) for each in now]
    words = {
        "strategy_id": 7719, "initial_balance": 10_000.0, "final_equity": 10_875.0,
        "data_sha256": "d",
    }  # fmt: skip
    return summarise(lines, deals, bars(), INSTRUMENT, **(words | options))  # type: ignore[arg-type]


def test_summary_of_the_hand_made_ledger() -> None:
    summary = summary_of(ledger(), decision_ms=[1.0, 2.0, 3.0])
    expected = {
        "bars": 5, "decisions": 2, "orders": 1, "deals": 4, "trades": 2, "win_rate": 0.5,
        "denials": {"circuit_breaker": 1, "market_closed": 1}, "net_profit": 875.0,
        "final_equity": 10_875.0, "decision_ms_p50": 2.0, "data_sha256": "d",
    }  # fmt: skip
    assert {key: summary[key] for key in expected} == expected
    assert summary["profit_factor"] == pytest.approx(986 / 111)
    assert summary["max_drawdown_pct"] == pytest.approx(100 * 500 / 10_288)


def test_deals_hash_covers_trades_alone() -> None:
    with_deposit, without = summary_of(ledger()), summary_of(ledger()[1:])
    assert with_deposit["deals_sha256"] == without["deals_sha256"]
    assert with_deposit["deals_sha256"] != summary_of(ledger()[:3])["deals_sha256"]


def test_figures_that_do_not_exist_are_null_with_a_reason() -> None:
    nothing = summary_of([])
    for key in ("win_rate", "profit_factor", "sharpe", "decision_ms_p50", "decision_ms_p99"):
        assert nothing[key] is None
        assert nothing["notes"][key]  # type: ignore[index]
    only_winner = summary_of(ledger()[:3])
    assert only_winner["profit_factor"] is None
    assert only_winner["notes"]["profit_factor"] == "no losing trade"  # type: ignore[index]


def test_sharpe_is_of_daily_returns_over_the_root_of_365() -> None:
    rows = 96 * 4
    closes = np.repeat([100_000.0, 101_000.0, 100_500.0, 102_000.0], 96)
    days = make_bars([(price, price, price, price) for price in closes])
    deals = [make_deal(1, MONDAY_MS, volume=0.1, price=100_000.0)]
    curve = equity_curve(deals, days, INSTRUMENT, initial_balance=10_000.0)
    assert len(curve.close) == rows
    returns = np.diff(np.array([10_000, 10_000, 10_100, 10_050, 10_200])) / [
        10_000, 10_000, 10_100, 10_050,
    ]  # fmt: skip
    expected = returns.mean() / returns.std(ddof=1) * math.sqrt(365)
    summary = summarise(
        [], deals, days, INSTRUMENT, strategy_id=7719, initial_balance=10_000.0,
        final_equity=10_200.0, data_sha256="",
    )  # fmt: skip
    assert summary["sharpe"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"sharpe": 5.1}, ["Sharpe ratio 5.1 is above 5"]),
        ({"profit_factor": 4.2}, ["profit factor 4.20 is above 4"]),
        ({"win_rate": 0.76}, ["win rate 76.0% is above 75 %"]),
        ({"trades": 29}, ["29 trades are fewer than 30"]),
        ({"sharpe": 5.0, "profit_factor": 4.0, "win_rate": 0.75}, []),
        ({"sharpe": None, "profit_factor": None, "win_rate": None}, []),
        ({"profit_factor": None, "net_profit": 900.0}, ["profit factor without a loss is above 4"]),
    ],
)
def test_implausible_figures_raise_an_alarm(figures: dict[str, object], words: list[str]) -> None:
    plausible = {"sharpe": 1.0, "profit_factor": 1.2, "win_rate": 0.55, "trades": 300,
                 "net_profit": 0.0}  # fmt: skip
    found = alarms(plausible | figures)
    assert len(found) == len(words)
    assert all(text in alarm for text, alarm in zip(words, found, strict=True))
