"""The market with a known edge: what is planted is what the bars hold, and nothing else is."""

from dataclasses import replace

import numpy as np
import pytest

from market.bars import Bars, Int64s
from market.fills import STOP, TARGET, first_exit, ticks
from market.indicators import atr
from tests.evaluation.planted_forecasters import coin, one_bar_early, surges
from tests.evaluation.planted_market import (
    BTC,
    PLANTED_BARS,
    SLOT_BARS,
    PlantedMarket,
    planted_market,
)
from tests.evaluation.planted_runs import DECISION, FREE, WARM_UP_SLOTS, decide_all

SLOTS = WARM_UP_SLOTS + 120
# The first signals whose ATR(14) has its whole history.
KNOWN = 40


@pytest.fixture(scope="module")
def market() -> PlantedMarket:
    return planted_market(3, slots=SLOTS, edge=0.60)


def outcomes(bars: Bars, rows: Int64s, sides: Int64s) -> list[int]:
    """Of trades that enter after the close of each row, with stop and target one ATR away."""
    open_, high, low, _, spread = ticks(bars, BTC.tick_size, BTC.point)
    distance = np.ceil(atr(bars.high, bars.low, bars.close, bars.open_ms, 14)[rows] / BTC.tick_size)
    found = []
    for row, side, away in zip(rows.tolist(), sides.tolist(), distance.tolist(), strict=True):
        fill = int(open_[row + 1] + (spread[row] if side > 0 else 0))
        sl, tp = fill - side * int(away), fill + side * int(away)
        last = min(row + 1 + PLANTED_BARS, len(bars))
        found.append(first_exit(side, sl, tp, open_, high, low, spread, row + 1, last, True)[2])
    return found


def test_every_signal_has_the_planted_outcome_by_the_rule_of_the_fills(
    market: PlantedMarket,
) -> None:
    rows, sides = market.signals[KNOWN:], market.sides[KNOWN:]
    assert set(sides.tolist()) == {-1, 1}
    assert outcomes(market.bars, rows, sides) == market.planted[KNOWN:].tolist()


def test_planted_share_is_that_of_the_edge_with_the_spread_paid() -> None:
    planted = planted_market(9, slots=1000, edge=0.6).planted
    assert set(planted.tolist()) == {STOP, TARGET}
    assert np.mean(planted == TARGET) == pytest.approx(0.6, abs=3 * np.sqrt(0.24 / 1000))


def test_backtest_trades_every_signal_and_ends_each_trade_as_planted(market: PlantedMarket) -> None:
    run = decide_all(market.bars, surges)
    planted = market.planted[WARM_UP_SLOTS:]
    assert len(run.trades) == len(planted) == 120
    assert [trade.net_profit > 0 for trade in run.trades] == (planted == TARGET).tolist()
    assert [int(trade.side) for trade in run.trades] == market.sides[WARM_UP_SLOTS:].tolist()


def test_without_an_edge_no_bar_tells_the_next_one() -> None:
    """Neither a bar's body nor a surge: correlations within four standard errors of 0."""
    market = planted_market(4, slots=600, edge=None)
    bars = market.bars
    body = np.log(bars.close / bars.open)
    assert abs(body.mean()) < 4 * body.std() / np.sqrt(len(body))
    assert abs(np.corrcoef(body[1:], body[:-1])[0, 1]) < 4 / np.sqrt(len(body))
    after = np.sign(body[market.signals]) * body[market.signals + 1]
    assert abs(after.mean()) < 4 * after.std() / np.sqrt(len(after))


def test_bars_before_the_first_signal_do_not_know_of_the_edge() -> None:
    with_edge, without = (planted_market(5, slots=3, edge=edge).bars for edge in (0.6, None))
    first = int(planted_market(5, slots=3, edge=0.6).signals[0]) + 1
    assert with_edge.rows(0, first).sha256() == without.rows(0, first).sha256()


def test_market_is_drawn_from_its_seed() -> None:
    first, again, other = (planted_market(seed, slots=3, edge=0.6).bars for seed in (6, 6, 7))
    assert first.sha256() == again.sha256() != other.sha256()
    assert len(first) == 3 * SLOT_BARS


@pytest.mark.parametrize("rows", [SLOT_BARS * 100, SLOT_BARS * 100 + 77])
def test_forecaster_sees_closed_bars_alone_and_the_leak_one_more(
    market: PlantedMarket, rows: int
) -> None:
    bars = market.bars
    whole, cut = surges(bars), surges(bars.rows(0, rows))
    assert whole.rows(0, rows).probabilities.tolist() == cut.probabilities.tolist()
    early = one_bar_early(surges)(bars)
    assert early.probabilities[:-1].tolist() == whole.probabilities[1:].tolist()


def test_coin_without_costs_is_fair() -> None:
    market = planted_market(8, slots=600, edge=None, costs=False)
    rows = np.arange(7000, len(market.bars) - PLANTED_BARS, 53)
    both = outcomes(market.bars, np.r_[rows, rows], np.repeat([1, -1], len(rows)))
    won = np.array(both) == TARGET
    assert won.mean() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(len(won)))


def test_coins_pay_nothing_and_meet_no_guard() -> None:
    """The guards that are off for speed would have changed no deal."""
    bars = planted_market(8, slots=SLOTS, edge=None, costs=False).bars
    run = decide_all(bars, coin(1), FREE)
    assert len(run.trades) == 120
    assert sum(abs(deal.commission) + abs(deal.swap) for deal in run.deals) == 0
    guarded = decide_all(bars, coin(1), replace(FREE, decision=DECISION))
    assert guarded.deals == run.deals
