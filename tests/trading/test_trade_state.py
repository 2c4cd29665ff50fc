"""Facts of open trades, by hand: closes counted, best prices, the ATR of the decided bar."""

from dataclasses import replace

import numpy as np
import pytest

from market.bars import Bars
from market.indicators import atr
from market.instruments import instrument
from tests.builders import MONDAY_MS, make_bars
from tests.trading.doubles import walk
from trading.decision.records import OpenTrade, Side
from trading.trade_book import TradeBook
from trading.trade_state import HELD_LOOKBACK_MS, TradeFacts, facts_of_window, held_trades

BTC = instrument("BTCUSD")
BAR_MS = 900_000
# open, high, low, close; the spread is 10.00
ROWS = [
    (100.0, 101.0, 99.0, 100.0),
    (100.0, 104.0, 98.0, 103.0),
    (103.0, 110.0, 102.0, 105.0),
    (105.0, 106.0, 90.0, 95.0),
]


def bars() -> Bars:
    return make_bars(ROWS, spread_points=1000)


def trade(side: Side, opened_ms: int, volume: float = 0.5) -> OpenTrade:
    return OpenTrade(7, side, volume, 100.0, 0.0, 0.0, opened_ms, 0.0, 0.0)


def close_ms(row: int) -> int:
    return MONDAY_MS + (row + 1) * BAR_MS


@pytest.mark.parametrize(
    ("opened_ms", "row", "held"),
    [
        (close_ms(0), 1, 1),  # filled at the decided bar's close: the entry bar is the next
        (close_ms(0) + 2500, 1, 1),  # a live fill comes a little later
        (close_ms(0), 3, 3),
        (close_ms(1) - 1, 1, 1),  # by hand, inside a bar: that bar counts
        (close_ms(2), 2, 0),  # no close since the fill yet
    ],
)
def test_bars_held_counts_the_closes_since_the_fill(opened_ms: int, row: int, held: int) -> None:
    facts = TradeFacts(bars(), BTC)
    assert facts.held(trade(Side.BUY, opened_ms), row, entry_volume_lots=0.5).bars_held == held


def test_a_gap_in_the_bars_counts_no_closes() -> None:
    holed = bars().rows(0, 2).followed_by(bars().rows(3, 4))
    held = TradeFacts(holed, BTC).held(trade(Side.BUY, close_ms(0)), 2, entry_volume_lots=0.5)
    assert held.bars_held == 2


@pytest.mark.parametrize(
    ("side", "row", "best"),
    [
        (Side.BUY, 1, 104.0),  # the highest bid
        (Side.BUY, 2, 110.0),
        (Side.BUY, 3, 110.0),
        (Side.SELL, 1, 108.0),  # the lowest ask: 98 and the spread of 10
        (Side.SELL, 3, 100.0),
        (Side.SELL, 0, 100.0),  # before the first close: the fill
    ],
)
def test_best_price_is_the_extreme_on_the_side_it_would_leave_at(
    side: Side, row: int, best: float
) -> None:
    held = TradeFacts(bars(), BTC).held(trade(side, close_ms(0)), row, entry_volume_lots=0.5)
    assert held.best_price == best


def test_an_extreme_of_a_bar_that_nobody_asked_about_counts() -> None:
    facts, mine = TradeFacts(bars(), BTC), trade(Side.BUY, close_ms(0))
    best = [facts.held(mine, row, entry_volume_lots=0.5).best_price for row in (1, 3, 2, 3)]
    assert best == [104.0, 110.0, 110.0, 110.0]


def test_exit_price_is_the_bid_of_a_long_and_the_ask_of_a_short() -> None:
    facts = TradeFacts(bars(), BTC)
    assert facts.exit_price(trade(Side.BUY, 0), 3) == 95.0
    assert facts.exit_price(trade(Side.SELL, 0), 3) == 105.0


def test_atr_at_entry_is_that_of_the_decided_bar() -> None:
    long = walk(5400)
    ranges = atr(long.high, long.low, long.close, long.open_ms, 14)
    opened_ms = int(long.close_ms[5390])
    held = TradeFacts(long, BTC).held(trade(Side.BUY, opened_ms), 5399, entry_volume_lots=0.5)
    assert held.atr_entry == ranges[5390]
    assert held.bars_held == 9


def test_window_of_the_daemon_gives_the_bits_of_the_whole_history() -> None:
    long = walk(5300 + 60 * 96)
    window = long.rows(len(long) - 10_500, len(long))
    for days in (0.2, 3, 39, 59):
        opened_ms = int(long.close_ms[-1]) - int(days * 86_400_000)
        for side in (Side.BUY, Side.SELL):
            mine = trade(side, opened_ms)
            whole = TradeFacts(long, BTC).held(mine, len(long) - 1, entry_volume_lots=0.5)
            live = facts_of_window(window, BTC).held(mine, len(window) - 1, entry_volume_lots=0.5)
            assert live == whole
            assert np.isfinite(whole.atr_entry)


def test_a_trade_older_than_the_look_back_counts_as_one_of_that_age() -> None:
    long = walk(5300 + 60 * 96)
    facts, row = TradeFacts(long, BTC), len(long) - 1
    oldest_ms = int(long.close_ms[row]) - HELD_LOOKBACK_MS
    old = facts.held(trade(Side.BUY, oldest_ms - 86_400_000), row, entry_volume_lots=0.5)
    assert old == facts.held(trade(Side.BUY, oldest_ms), row, entry_volume_lots=0.5)
    assert old.bars_held == 40 * 96


def test_held_trades_go_with_the_open_ones_and_know_their_volume_at_entry() -> None:
    book = TradeBook(7719)
    mine = trade(Side.BUY, close_ms(0), volume=0.2)
    book.adopt(replace(mine, volume_lots=0.5))
    strange = replace(mine, position_id=8)
    held = held_trades((mine, strange), book, TradeFacts(bars(), BTC), 2)
    assert [each.position_id for each in held] == [7, 8]
    assert [each.entry_volume_lots for each in held] == [0.5, 0.2]
