"""Excursions, denied entries and costs, added up by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest

from backtest.driver import BacktestRun, run_backtest
from backtest.report.breakdown import groups
from backtest.report.costs import run_costs
from backtest.report.denial_ledger import ShadowTrades, denial_ledger, follow
from backtest.report.excursions import excursions
from backtest.report.review import LoneDenial, Review
from backtest.report.trades import trades_with_levels
from broker.simulator.settings import PaperSettings
from market.instruments import instrument
from tests.backtest.markets import decided, rules
from tests.builders import make_bars
from trading.decision.records import Side

BUY, SELL, WEAK = [0.5, 0.3, 0.2], [0.3, 0.5, 0.2], [0.41, 0.39, 0.2]
QUIET = (100_000.0, 100_050.0, 99_950.0, 100_000.0)


def run_of(
    side: list[float], *candles: tuple[float, float, float, float], **decision: object
) -> BacktestRun:
    bars = make_bars([QUIET, *candles], spread_points=1000)
    columns = decided(bars, np.array([side, *[WEAK] * len(candles)]))
    return run_backtest(columns, rules(**decision))


def excursion_of(run: BacktestRun) -> tuple[float, float]:
    found = excursions(trades_with_levels(run), run.bars.history, 0.01)
    assert found.against_r == pytest.approx(found.against / 250)
    return float(found.against[0]), float(found.favour[0])


def test_long_counts_bids_before_the_exit_bar_and_the_exit_itself() -> None:
    run = run_of(BUY, (100_000, 100_150, 99_900, 100_000), (100_000, 100_400, 99_800, 100_300))
    # ask 100,010: 110 below, 140 above; the last bar counts with its target alone, 250 above
    assert excursion_of(run) == (110.0, 250.0)


def test_short_counts_asks() -> None:
    run = run_of(SELL, (100_000, 100_150, 99_900, 100_000), (100_000, 100_300, 99_950, 100_100))
    # bid 100,000: ask up to 100,160, down to 99,910; stopped at the ask of 100,250
    assert excursion_of(run) == (250.0, 90.0)


def test_trade_that_ends_in_its_first_bar_has_its_exit_alone() -> None:
    assert excursion_of(run_of(BUY, (100_000, 100_400, 99_900, 100_300))) == (0.0, 250.0)


def test_lone_denial_is_the_entry_as_it_would_have_been_sent() -> None:
    run = run_of(WEAK, QUIET, QUIET)
    review = Review(run)
    assert len(list(review.lines())) == 3
    first = review.lone[0]
    assert (first.row, first.rule, first.side) == (0, "margin", Side.BUY)
    assert (first.price, first.sl, first.tp) == (100_010.0, 99_760.0, 100_260.0)
    assert first.volume_lots == 0.8
    # the last bar has no open after it: two rules speak there
    assert review.denied == {"margin": 3, "stale_quote": 1}
    assert review.denied_alone == {"margin": 2}


@pytest.mark.parametrize(
    ("side", "candle", "profit"),
    [(Side.BUY, (100_000, 100_300, 99_900, 100_200), 250.0),
     (Side.BUY, (100_000, 100_300, 99_700, 100_200), -250.0),
     (Side.SELL, (100_000, 100_050, 99_700, 99_800), 250.0),
     (Side.SELL, (100_000, 100_245, 99_900, 100_200), -250.0)],
    ids=["long_target", "long_both_is_the_stop", "short_target", "short_stop_at_the_ask"],
)  # fmt: skip
def test_denied_entry_is_followed_by_the_rules_of_the_terminal(
    side: Side, candle: tuple[float, float, float, float], profit: float
) -> None:
    run = run_of(WEAK, candle)
    price = 100_010.0 if side is Side.BUY else 100_000.0
    lone = LoneDenial(0, "margin", side, 0.5, price, price - side * 250, price + side * 250)
    shadow = follow([lone], run.venue.terminal, "BTCUSD", 0)["margin"]
    assert shadow.net == pytest.approx([profit / 2])
    assert shadow.r == pytest.approx([math.copysign(1.0, profit)])


def test_denied_entry_pays_commission_twice_and_swap_of_its_nights() -> None:
    of = replace(instrument("BTCUSD"), commission_per_lot=3.0)
    bars = make_bars([QUIET] * 97 + [(100_000, 100_300, 99_900, 100_200)], spread_points=1000)
    run = run_backtest(decided(bars, np.array([BUY] + [WEAK] * 97)), rules(of))
    (trade,) = run.trades
    lone = LoneDenial(0, "x", Side.BUY, trade.volume_lots, 100_010.0, 99_760.0, 100_260.0)
    shadow = follow([lone], run.venue.terminal, "BTCUSD", 0)["x"]
    # the swap of this symbol goes by the price of the night, within 1 % of the entry's
    assert shadow.net[0] == pytest.approx(trade.net_profit, rel=0.01)
    assert shadow.net[0] < 250 * trade.volume_lots - 6 * trade.volume_lots


def test_entry_that_neither_level_ended_is_not_followed() -> None:
    run = run_of(WEAK, QUIET)
    lone = LoneDenial(0, "margin", Side.BUY, 0.5, 100_010.0, 99_760.0, 100_260.0)
    assert follow([lone], run.venue.terminal, "BTCUSD", 0) == {}


def test_rule_that_denied_losers_saved_and_one_that_denied_winners_cost() -> None:
    lost = ShadowTrades(np.full(40, -10.0), np.full(40, -1.0), 1.0)
    won = ShadowTrades(np.full(40, 10.0), np.full(40, 1.0), 1.0)
    mixed = ShadowTrades(np.tile([10.0, -10.0], 20), np.tile([1.0, -1.0], 20), 1.0)
    denied = {"saver": 50, "dear": 60, "coin": 70, "silent": 5}
    alone = dict.fromkeys(("saver", "dear", "coin"), 40)
    rows = denial_ledger(denied, alone, {"saver": lost, "dear": won, "coin": mixed})
    assert [(row.rule, row.verdict) for row in rows] == [
        ("coin", "not told apart from 0"), ("dear", "cost"), ("saver", "saved"),
        ("silent", "nothing to follow"),
    ]  # fmt: skip
    assert [row.saved for row in rows] == [0.0, -400.0, 400.0, 0.0]


def test_three_losers_of_a_rule_say_nothing_about_it() -> None:
    few = ShadowTrades(np.full(3, -10.0), np.full(3, -1.0), 1.0)
    (row,) = denial_ledger({"rare": 3}, {"rare": 3}, {"rare": few})
    assert row.verdict == "too few to tell"


def test_group_without_a_known_risk_has_a_win_rate_and_no_mean() -> None:
    (only,) = groups(["a", "a"], np.array([5.0, -5.0]), np.array([np.nan, np.nan]))
    assert (only.trades, only.won.share) == (2, 0.5)
    assert math.isnan(only.mean_r)


def test_costs_of_one_trade_are_its_spread_and_its_slippage() -> None:
    bars = make_bars([QUIET, (100_000, 100_300, 99_950, 100_200)], spread_points=1000)
    columns = decided(bars, np.array([BUY, WEAK]))
    paper = PaperSettings(slippage_points=0)
    slips = replace(rules(paper=paper), slippage=(20,))
    costs = run_costs(run_backtest(columns, slips))
    # bought once at an ask 10 USD above the bid, 0.20 USD worse than that
    assert (costs.spread, costs.commission, costs.swap) == (pytest.approx(8.0), 0.0, 0.0)
    assert costs.slippage == pytest.approx(0.2 * 0.8)
    assert costs.slipped_points == pytest.approx(20)
    # 250 of target less the slippage, and what the spread took
    assert costs.share_of_gross == pytest.approx(8.0 / ((250 - 0.2) * 0.8 + 8.0))
