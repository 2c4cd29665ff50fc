"""B18–B28: orders, deals and positions, bars and sessions as a client sees them."""

from dataclasses import replace

from broker.contract.constants import DealEntry, DealReason, OrderType
from broker.simulator.native import NativeTerminal
from market.sessions import Sessions
from tests.builders import make_bars
from tests.simulator.terminals import (
    QUIET,
    UNIT,
    at,
    buy,
    last_deal,
    make_terminal,
    only_position,
    place,
    sell,
)

M15 = 15


def test_b18_order_and_deal_tickets_are_separate_and_the_position_takes_its_orders():
    terminal = make_terminal([QUIET] * 3)
    first, second = buy(terminal), sell(terminal)
    assert (first.order, second.order) == (1, 2)
    assert (first.deal, second.deal) == (2, 3)
    assert [(p.ticket, p.identifier) for p in terminal.positions()] == [(1, 1), (2, 2)]
    assert [order.position_id for order in terminal.ledger.orders] == [1, 2]


def test_b19_closing_without_a_position_opens_an_opposite_one():
    terminal = make_terminal([QUIET] * 3)
    buy(terminal)
    sell(terminal)
    assert [p.type for p in terminal.positions()] == [OrderType.BUY, OrderType.SELL]


def test_b20_partial_close_keeps_ticket_price_and_levels():
    terminal = make_terminal([QUIET, QUIET, (101, 101, 101, 101), QUIET])
    ticket = buy(terminal, 0.30, sl=90.0, tp=110.0).order
    terminal.advance(at(2))
    result = sell(terminal, 0.10, position=ticket)
    assert result.order != ticket
    position = terminal.positions()[0]
    assert (position.ticket, position.volume, position.price_open) == (ticket, 0.20, 100.0)
    assert (position.sl, position.tp) == (90.0, 110.0)
    assert (position.time_msc, position.time_update_msc) == (at(1), at(2))
    deal = terminal.deals()[-1]
    assert (deal.entry, deal.position_id, deal.volume, deal.profit) == (
        DealEntry.OUT, ticket, 0.10, 0.10,
    )  # fmt: skip


def test_b21_reasons_say_who_closed():
    rows = [QUIET, QUIET, (100, 103, 100, 100), (100, 100, 97, 100), QUIET, QUIET]
    terminal = make_terminal(rows)
    buy(terminal, tp=102.0)
    buy(terminal, sl=98.0)
    manual = buy(terminal).order
    terminal.advance(at(4))
    sell(terminal, position=manual)
    out = [deal.reason for deal in terminal.ledger.deals if deal.entry is DealEntry.OUT]
    assert out == [DealReason.TP, DealReason.SL, DealReason.EXPERT]


def test_b23_fill_price_is_in_the_result_and_server_closes_rewrite_comment_and_magic():
    terminal = make_terminal([QUIET, QUIET, (95, 95, 95, 95)], spread_points=30)
    assert buy(terminal, sl=98.0, magic=77, comment="NS1:abc").price == 100.30
    terminal.advance(at(2))
    assert (last_deal(terminal).comment, last_deal(terminal).magic) == ("[sl 98.00]", 0)


def test_b23_close_by_request_carries_the_requests_magic_and_comment():
    terminal = make_terminal([QUIET] * 3)
    ticket = buy(terminal, magic=77, comment="in").order
    sell(terminal, position=ticket, magic=78, comment="out")
    assert (last_deal(terminal).comment, last_deal(terminal).magic) == ("out", 78)


def test_b24_bars_exist_only_where_the_data_has_them():
    bars = make_bars([QUIET] * 2).followed_by(make_bars([QUIET] * 2, start_ms=at(5)))
    terminal = make_terminal(bars)
    terminal.advance(at(7))
    rates = NativeTerminal(terminal).copy_rates_from_pos("BTCUSD", M15, 0, 10)
    assert [int(time) * 1000 for time in rates["time"]] == [at(0), at(1), at(5), at(6)]
    assert set(rates["real_volume"]) == {0}


def test_b25_index_zero_is_the_forming_bar_and_shows_one_tick():
    terminal = make_terminal([QUIET, (101, 105, 99, 104), QUIET])
    terminal.advance(at(1) + 60_000)
    rates = NativeTerminal(terminal).copy_rates_from_pos("BTCUSD", M15, 0, 2)
    assert tuple(rates[-1])[1:6] == (101, 101, 101, 101, 1)
    assert tuple(rates[0])[1:6] == (*QUIET, 100)


def test_b25_after_a_close_without_a_tick_the_newest_row_is_the_closed_bar():
    bars = make_bars([QUIET] * 2).followed_by(make_bars([QUIET], start_ms=at(5)))
    terminal = make_terminal(bars)
    terminal.advance(at(2))
    native = NativeTerminal(terminal)
    assert int(native.copy_rates_from_pos("BTCUSD", M15, 0, 1)["time"][0]) * 1000 == at(1)
    assert native.symbol_info_tick("BTCUSD").time_msc == at(2) - 1


def _daily_break() -> Sessions:
    """Open except 00:30–01:00 UTC."""
    windows = tuple((day, *span) for day in range(7) for span in ((0, 30), (60, 1440)))
    return Sessions("UTC", windows)


def test_b28_closed_market_refuses_orders_and_reopens():
    terminal = make_terminal([QUIET] * 6, spec=replace(UNIT, sessions=_daily_break()))
    ticket = buy(terminal).order
    terminal.advance(at(2))
    assert buy(terminal).retcode == 10018
    assert sell(terminal, position=ticket).retcode == 10018
    assert place(terminal, OrderType.BUY_LIMIT, 90.0).retcode == 10018
    terminal.advance(at(4))
    assert sell(terminal, position=ticket).retcode == 10009


def test_b28_levels_cannot_fill_until_the_market_reopens():
    bars = make_bars([QUIET] * 2).followed_by(make_bars([(90, 90, 90, 90)], start_ms=at(4)))
    terminal = make_terminal(bars, spec=replace(UNIT, sessions=_daily_break()))
    buy(terminal, sl=99.0)
    terminal.advance(at(4) - 1)
    assert only_position(terminal).sl == 9900
    assert terminal.tick("BTCUSD").time_msc == at(2) - 1
    terminal.advance(at(4))
    assert last_deal(terminal).time_ms == at(4)
