"""B1–B6: at which price, when and why a trade fills."""

from dataclasses import replace

import numpy as np
import pytest

from broker.contract.constants import DealEntry, DealReason, DealType, OrderType, TypeTime
from market.instrument import Execution
from tests.builders import make_bars
from tests.simulator.terminals import (
    QUIET,
    UNIT,
    at,
    buy,
    last_deal,
    make_terminal,
    market_order,
    only_position,
    place,
    sell,
)


def test_b01_buy_fills_at_the_ask_and_a_long_closes_at_the_bid():
    terminal = make_terminal([QUIET] * 4, spread_points=30)
    bought = buy(terminal)
    assert (bought.retcode, bought.price) == (10009, 100.30)
    assert terminal.positions()[0].price_current == 100.0
    sold = sell(terminal, position=bought.order)
    assert sold.price == 100.0
    assert terminal.balance == 10_000 - 0.30


def test_b01_sell_fills_at_the_bid_and_a_short_closes_at_the_ask():
    terminal = make_terminal([QUIET] * 4, spread_points=30)
    sold = sell(terminal)
    assert sold.price == 100.0
    assert terminal.positions()[0].price_current == 100.30
    assert buy(terminal, position=sold.order).price == 100.30


def test_b02_market_execution_ignores_deviation_and_slips_both_ways():
    fills = []
    for seed in range(30):
        terminal = make_terminal([QUIET] * 3, seed=seed, slippage_points=5)
        result = buy(terminal, price=50.0, deviation=0)
        assert result.retcode == 10009
        fills.append(round((result.price - 100.0) * 100))
    assert min(fills) < 0 < max(fills)
    assert all(-5 <= fill <= 5 for fill in fills)


@pytest.mark.parametrize(("asked", "retcode"), [(100.0, 10009), (99.97, 10009), (99.96, 10004)])
def test_b02_instant_execution_requotes_beyond_the_deviation(asked, retcode):
    spec = replace(UNIT, execution=Execution.INSTANT)
    terminal = make_terminal([QUIET] * 3, spec=spec, slippage_points=50)
    result = buy(terminal, price=asked, deviation=3)
    assert result.retcode == retcode
    assert result.price in (0.0, 100.0)  # no slippage: the price is the one that was shown
    assert (result.bid, result.ask) == (100.0, 100.0)


# side, sl, tp, the bar after the entry, (reason, fill) or None
TOUCHES = [
    (1, 99.0, 0.0, (100, 101, 99.01, 100), None),
    (1, 99.0, 0.0, (100, 101, 99.0, 100), (DealReason.SL, 99.0)),
    (1, 0.0, 101.0, (100, 100.99, 99, 100), None),
    (1, 0.0, 101.0, (100, 101, 99, 100), (DealReason.TP, 101.0)),
    (-1, 101.0, 0.0, (100, 100.69, 99, 100), None),
    (-1, 101.0, 0.0, (100, 100.70, 99, 100), (DealReason.SL, 101.0)),
    (-1, 0.0, 99.0, (100, 101, 98.71, 100), None),
    (-1, 0.0, 99.0, (100, 101, 98.70, 100), (DealReason.TP, 99.0)),
]


@pytest.mark.parametrize(("side", "sl", "tp", "bar", "expected"), TOUCHES)
def test_b03_levels_trigger_on_the_side_that_closes(side, sl, tp, bar, expected):
    terminal = make_terminal([QUIET, bar, QUIET], spread_points=30)
    kind = OrderType.BUY if side > 0 else OrderType.SELL
    assert market_order(terminal, kind, sl=sl, tp=tp).retcode == 10009
    terminal.advance(at(2))
    if expected is None:
        assert len(terminal.book.positions) == 1
        return
    deal = last_deal(terminal)
    assert (deal.reason, deal.price_ticks) == (expected[0], round(expected[1] * 100))
    assert deal.time_ms == at(2) - 1


def test_b03_position_can_close_in_the_bar_it_was_opened_in():
    terminal = make_terminal([QUIET, (100, 103, 97, 100), QUIET])
    buy(terminal, sl=98.0)
    assert len(terminal.book.positions) == 1
    terminal.advance(at(2))
    assert terminal.book.positions == {}
    assert last_deal(terminal).reason is DealReason.SL


def test_b04_gap_through_the_stop_fills_at_the_first_tick():
    terminal = make_terminal([QUIET, QUIET, (95, 96, 94, 95), QUIET])
    buy(terminal, sl=99.0)
    terminal.advance(at(2))
    deal = last_deal(terminal)
    assert (deal.reason, deal.price_ticks, deal.time_ms) == (DealReason.SL, 9500, at(2))


def test_b04_gap_after_a_long_quiet_stretch_is_still_a_gap():
    for quiet in (63, 64, 65, 66, 130):
        terminal = make_terminal([*[QUIET] * quiet, (95, 96, 94, 95), QUIET])
        buy(terminal, sl=99.0)
        terminal.advance(at(2))
        terminal.advance(at(quiet))
        assert (last_deal(terminal).price_ticks, last_deal(terminal).time_ms) == (9500, at(quiet))


def test_b04_gap_through_the_target_fills_better_than_the_target():
    terminal = make_terminal([QUIET, QUIET, (105, 106, 104, 105), QUIET])
    buy(terminal, tp=101.0)
    terminal.advance(at(2))
    assert last_deal(terminal).price_ticks == 10500


def test_b04_weekend_gap_fills_when_the_market_reopens():
    closed = make_bars([QUIET] * 3)
    reopened = make_bars([(95, 96, 94, 95)] * 2, start_ms=at(200))
    terminal = make_terminal(closed.followed_by(reopened))
    buy(terminal, sl=99.0)
    terminal.advance(at(199))
    assert len(terminal.book.positions) == 1
    terminal.advance(at(200))
    assert (last_deal(terminal).price_ticks, last_deal(terminal).time_ms) == (9500, at(200))


def test_b05_both_levels_inside_the_bar_take_the_stop_and_say_so():
    terminal = make_terminal([QUIET, (100, 102, 98, 100), QUIET])
    buy(terminal, sl=99.0, tp=101.0)
    terminal.advance(at(2))
    deal = last_deal(terminal)
    assert (deal.reason, deal.price_ticks, deal.ambiguous) == (DealReason.SL, 9900, True)


def test_b05_ask_side_stop_is_invisible_on_the_bid_chart():
    terminal = make_terminal([QUIET, (100, 100.8, 99.5, 100), QUIET], spread_points=30)
    sell(terminal, sl=101.0)
    terminal.advance(at(2))
    assert last_deal(terminal).reason is DealReason.SL


def test_b06_ask_follows_the_spread_of_each_bar():
    bars = make_bars([QUIET] * 4)
    bars.spread_points[:] = [10, 20, 30, 40]
    terminal = make_terminal(bars)
    asks = []
    for row in (1, 2, 3):
        terminal.advance(at(row))
        asks.append(terminal.tick("BTCUSD").ask)
    assert asks == [100.10, 100.20, 100.30]
    terminal.advance(at(4))
    assert terminal.tick("BTCUSD").ask == 100.40


# kind, price, the bar after placement, fill or None
PENDING = [
    (OrderType.BUY_LIMIT, 99.0, (100, 101, 98.70, 100), 99.0),
    (OrderType.BUY_LIMIT, 99.0, (100, 101, 98.71, 100), None),
    (OrderType.BUY_STOP, 101.0, (100, 100.70, 99, 100), 101.0),
    (OrderType.BUY_STOP, 101.0, (100, 100.69, 99, 100), None),
    (OrderType.SELL_LIMIT, 101.0, (100, 101, 99, 100), 101.0),
    (OrderType.SELL_STOP, 99.0, (100, 101, 99, 100), 99.0),
    (OrderType.SELL_STOP, 99.0, (100, 101, 99.01, 100), None),
]


@pytest.mark.parametrize(("kind", "price", "bar", "fill"), PENDING)
def test_pending_order_triggers_on_its_side_of_the_quote(kind, price, bar, fill):
    terminal = make_terminal([QUIET, bar, QUIET], spread_points=30)
    placed = place(terminal, kind, price, magic=5, comment="c")
    assert placed.retcode == 10009
    terminal.advance(at(2))
    if fill is None:
        assert list(terminal.book.orders) == [placed.order]
        return
    position = only_position(terminal)
    assert (position.open_ticks, position.ticket) == (round(fill * 100), placed.order)
    assert (last_deal(terminal).magic, last_deal(terminal).comment) == (5, "c")
    assert terminal.ledger.orders[-1].position_id == placed.order


def test_pending_order_beyond_a_gap_fills_at_the_first_tick():
    terminal = make_terminal([QUIET, QUIET, (105, 106, 104, 105), QUIET])
    place(terminal, OrderType.BUY_STOP, 101.0)
    terminal.advance(at(2))
    assert only_position(terminal).open_ticks == 10500


def test_pending_order_stopped_in_its_own_bar_takes_the_stop_and_never_the_target():
    terminal = make_terminal([QUIET, (100, 103, 97, 100), QUIET, QUIET])
    place(terminal, OrderType.BUY_STOP, 101.0, sl=98.0, tp=102.0)
    terminal.advance(at(2))
    deal = last_deal(terminal)
    assert (deal.entry, deal.reason, deal.price_ticks) == (DealEntry.OUT, DealReason.SL, 9800)
    assert deal.ambiguous


def test_pending_target_waits_for_the_bar_after_the_trigger():
    terminal = make_terminal([QUIET, (100, 103, 99.5, 100), (101.5, 102, 101, 101.5), QUIET])
    place(terminal, OrderType.BUY_STOP, 101.0, tp=102.0)
    terminal.advance(at(2))
    assert len(terminal.book.positions) == 1
    terminal.advance(at(3))
    assert last_deal(terminal).reason is DealReason.TP


def test_pending_order_without_margin_is_rejected_when_it_triggers():
    terminal = make_terminal([QUIET, (100, 102, 99, 100), QUIET], balance=100.0)
    place(terminal, OrderType.BUY_STOP, 101.0, 90.0)
    buy(terminal, 50.0)
    terminal.advance(at(2))
    assert (len(terminal.book.positions), terminal.book.orders) == (1, {})
    assert terminal.ledger.orders[-1].state == 5


def test_day_order_expires_at_server_midnight():
    terminal = make_terminal([QUIET] * 100, server_zone="Europe/Athens")
    place(terminal, OrderType.BUY_STOP, 150.0, type_time=TypeTime.DAY)
    terminal.advance(at(88) - 1)
    assert len(terminal.book.orders) == 1
    terminal.advance(at(88))  # 22:00 UTC is midnight in Athens in winter
    assert terminal.book.orders == {}
    assert terminal.ledger.orders[-1].time_done_ms == at(88)


def test_slippage_is_the_same_for_the_same_request_on_the_same_bar():
    def fill(read_first: bool) -> float:
        terminal = make_terminal([QUIET] * 4, slippage_points=50)
        if read_first:
            terminal.account()
            buy(terminal, lots=0.5, comment="other")
        return buy(terminal, comment="NS1:abc", magic=9).price

    assert fill(False) == fill(True)


def test_entry_deal_carries_side_magic_and_comment():
    terminal = make_terminal([QUIET] * 3)
    sell(terminal, magic=3, comment="NS1:x")
    deal = last_deal(terminal)
    assert (deal.type, deal.entry, deal.magic, deal.comment) == (
        DealType.SELL, DealEntry.IN, 3, "NS1:x",
    )  # fmt: skip
    assert np.isclose(terminal.deals()[-1].price, 100.0)
