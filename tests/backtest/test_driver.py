"""The driver over the simulated terminal: a ledger known by hand, and nothing lost by skipping."""

import gc
import time
import weakref
from dataclasses import replace

import numpy as np
import pytest

from backtest.columns import DecidedBars
from backtest.driver import Rules, run_backtest
from broker.contract.constants import DealEntry, DealReason, DealType
from broker.simulator.settings import PaperSettings
from market.instrument import Execution
from market.instruments import instrument
from tests.backtest.markets import (
    decided,
    random_probabilities,
    random_walk,
    rules,
)
from tests.builders import MONDAY_MS, make_bars
from trading.canonical import parse_decision, parse_input, sha256_lines
from trading.decision.decide import decide
from trading.trade_book import closed_trades

BAR = 900_000
BUY, SELL, WEAK = [0.5, 0.3, 0.2], [0.3, 0.5, 0.2], [0.41, 0.39, 0.2]


def hand_made() -> DecidedBars:
    """Six bars, spread 10 USD. Long wins, short is stopped at the ask, the last long stays open."""
    bars = make_bars(
        [
            (100_000, 100_100, 99_900, 100_000),
            (100_000, 100_300, 99_900, 100_250),
            (100_250, 100_495, 100_200, 100_400),
            (100_400, 100_450, 100_350, 100_400),
            (100_400, 100_450, 100_350, 100_420),
            (100_430, 100_450, 100_350, 100_440),
        ],
        spread_points=1000,
    )
    return decided(bars, np.array([BUY, SELL, WEAK, BUY, BUY, WEAK]))


def test_hand_made_market_has_the_ledger_added_up_by_hand() -> None:
    run = run_backtest(hand_made(), rules())
    close = [MONDAY_MS + (row + 1) * BAR for row in range(6)]
    seen = [
        (d.time_msc, d.type, d.entry, d.reason, d.volume, d.price, d.profit) for d in run.deals[1:]
    ]
    long, short = DealType.BUY, DealType.SELL
    opened, closed, expert = DealEntry.IN, DealEntry.OUT, DealReason.EXPERT
    assert seen == [
        # 200 of risk over 250 of distance; target 250 above the ask of 100,010.
        (close[0], long, opened, expert, 0.8, 100_010.0, 0.0),
        (close[1] - 1, short, closed, DealReason.TP, 0.8, 100_260.0, 200.0),
        # 204 over 250, floored. The bid stayed below the stop at 100,500; the ask did not.
        (close[1], short, opened, expert, 0.81, 100_250.0, 0.0),
        (close[2] - 1, long, closed, DealReason.SL, 0.81, 100_500.0, -202.5),
        (close[3], long, opened, expert, 0.79, 100_410.0, 0.0),
    ]
    assert run.final_equity == pytest.approx(10_000 + 200 - 202.5 + 0.79 * (100_440 - 100_410))


def test_trades_are_folded_once_and_are_those_of_all_deals() -> None:
    run = run_backtest(hand_made(), rules())
    assert run.trades is run.trades
    assert run.trades == closed_trades(run.deals, run.rules.strategy_id)
    assert [trade.net_profit for trade in run.trades] == [200.0, -202.5]


def test_memory_of_a_run_is_free_with_the_run_whatever_was_read_of_it() -> None:
    run = run_backtest(hand_made(), rules())
    assert run.trades
    assert len(run.curve.close) == 6
    left = [weakref.ref(each) for each in (run, run.venue, run.venue.book, run.venue.terminal)]
    gc.disable()
    try:
        del run
        assert [each() for each in left] == [None] * len(left)
    finally:
        gc.enable()


def test_hand_made_market_has_every_reason() -> None:
    lines = list(run_backtest(hand_made(), rules()).lines())
    denials = [[d.rule for d in parse_decision(line).denials] for line in lines]
    assert denials == [
        [], [], ["margin"], [], ["max_open_positions"],
        ["margin", "stale_quote", "max_open_positions"],
    ]  # fmt: skip
    losses = [parse_input(line).recent_losses for line in lines]
    assert losses == [0, 0, 1, 1, 1, 1]


def test_input_of_a_bar_is_one_snapshot_at_its_close() -> None:
    line = list(run_backtest(hand_made(), rules()).lines())[4]
    now = parse_input(line)
    assert (now.quote.time_ms, now.quote.bid, now.quote.ask) == (
        MONDAY_MS + 5 * BAR, 100_430.0, 100_440.0,
    )  # fmt: skip
    (held,) = now.open_trades
    assert (held.volume_lots, held.opened_ms) == (0.79, MONDAY_MS + 4 * BAR)
    assert now.account.balance == 9_997.5
    assert now.account.equity == pytest.approx(9_997.5 + 0.79 * (100_430 - 100_410))


def test_every_line_can_be_decided_again_from_its_own_input() -> None:
    for line in run_backtest(hand_made(), rules()).lines():
        assert decide(parse_input(line), rules().decision) == parse_decision(line)


def test_missing_bar_after_the_signal_denies_a_stale_quote() -> None:
    bars = hand_made().history
    holed = decided(bars.rows(0, 1).followed_by(bars.rows(2, 6)), np.array([BUY] + [WEAK] * 4))
    run = run_backtest(holed, rules())
    assert len(run.deals) == 1
    first = parse_decision(next(iter(run.lines())))
    assert [d.rule for d in first.denials] == ["stale_quote"]


def test_instant_execution_gets_the_price_it_was_decided_on() -> None:
    of = replace(instrument("BTCUSD"), execution=Execution.INSTANT)
    run = run_backtest(hand_made(), rules(of))
    assert [settled.state for settled in run.settlements] == ["filled"] * 3


def scenario(name: str) -> tuple[DecidedBars, Rules]:
    symbol = "XAUUSD" if name == "gold" else "BTCUSD"
    of = instrument(symbol)
    level, move, atr = (2000.0, 0.001, 4.0) if symbol == "XAUUSD" else (60_000.0, 0.002, 300.0)
    bars = random_walk(of, 2000, seed=4, level=level, move=move)
    columns = decided(bars, random_probabilities(len(bars), seed=5), atr=atr, floor=0.25)
    options: dict[str, dict[str, object]] = {
        "one position": {},
        "three positions": {"max_open_positions": 3, "risk_percent": 0.5},
        "circuit breaker": {"circuit_breaker": {"max_consecutive_losses": 2}},
        "fixed gate": {"prediction": {"gate": "fixed", "confidence_threshold": 0.55}},
        "cents": {},
        "gold": {"risk_management": {"min_atr_threshold": 0.5}, "max_lot": 5.0},
    }
    cents = PaperSettings(currency="USC", balance=1_000_000.0) if name == "cents" else None
    wide = {"spread_filter": {"max_points": 1e9, "max_atr_share": 1.0}}
    return columns, rules(of, cents or PaperSettings(), **(wide | options[name]))


NAMES = ("one position", "three positions", "circuit breaker", "fixed gate", "cents", "gold")


@pytest.mark.parametrize("name", NAMES)
def test_skipping_idle_bars_changes_no_decision_and_no_deal(name: str) -> None:
    columns, by = scenario(name)
    fast, slow = run_backtest(columns, by), run_backtest(columns, by, skip_idle=False)
    assert len(fast.deals) > 40
    assert fast.deals == slow.deals
    assert fast.final_equity == slow.final_equity
    assert fast.sent == slow.sent
    assert sha256_lines(fast.lines()) == sha256_lines(slow.lines())


def test_cent_and_dollar_account_trade_the_same_lots() -> None:
    (columns, dollars), (_, cents) = scenario("one position"), scenario("cents")
    lots = [
        [deal.volume for deal in run_backtest(columns, by).deals[1:]] for by in (dollars, cents)
    ]
    assert lots[0] == lots[1]


def test_another_host_zone_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    columns, by = scenario("circuit breaker")
    here = sha256_lines(run_backtest(columns, by).lines())
    monkeypatch.setenv("TZ", "America/Los_Angeles")
    time.tzset()
    try:
        assert sha256_lines(run_backtest(columns, by).lines()) == here
    finally:
        monkeypatch.undo()
        time.tzset()


def test_decisions_do_not_depend_on_later_bars() -> None:
    columns, by = scenario("one position")
    cut = decided(columns.history.rows(0, 1000), columns.forecasts.probabilities[:1000],
                  atr=300.0, floor=0.25)  # fmt: skip
    whole = list(run_backtest(columns, by).lines())
    assert list(run_backtest(cut, by).lines())[:-1] == whole[:999]
