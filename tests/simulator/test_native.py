"""The face of the MetaTrader5 package: names, field order, constants, times and failures."""

import inspect
from datetime import UTC, datetime

import numpy as np
import pytest

from broker.simulator import native_words
from broker.simulator.native import NativeTerminal
from market.server_clock import ServerClock
from tests.builders import MONDAY_MS
from tests.simulator.terminals import QUIET, at, make_terminal

M15 = 15
ROWS = [(100 + i, 102 + i, 99 + i, 101 + i) for i in range(40)]
NEW_YORK = "America/New_York+7h"  # UTC+2 in winter


def _native(zone: str = "UTC", **settings) -> NativeTerminal:
    return NativeTerminal(make_terminal(ROWS, server_zone=zone, spread_points=20, start_row=10,
                                        **settings))  # fmt: skip


def _request(native: NativeTerminal, **fields):
    return {
        "action": native.TRADE_ACTION_DEAL, "symbol": "BTCUSD", "volume": 0.1,
        "type": native.ORDER_TYPE_BUY, "price": 110.2, "deviation": 20, "magic": 7,
        "comment": "NS1:abc", "type_time": native.ORDER_TIME_GTC,
        "type_filling": native.ORDER_FILLING_IOC,
    } | fields  # fmt: skip


# The first fields and the count of each tuple, as version 5.0.6231 of the package has them.
SHAPES = {
    "AccountInfo": (28, "login trade_mode leverage limit_orders margin_so_mode"),
    "TerminalInfo": (22, "community_account community_connection connected dlls_allowed"),
    "SymbolInfo": (96, "custom chart_mode select visible session_deals"),
    "Tick": (8, "time bid ask last volume time_msc flags volume_real"),
    "TradePosition": (19, "ticket time time_msc time_update time_update_msc type magic"),
    "TradeOrder": (24, "ticket time_setup time_setup_msc time_done time_done_msc"),
    "TradeDeal": (18, "ticket order time time_msc type entry magic position_id reason"),
    "TradeRequest": (17, "action magic order symbol volume price stoplimit sl tp deviation"),
    "OrderSendResult": (11, "retcode deal order volume price bid ask comment request_id"),
    "OrderCheckResult": (9, "retcode balance equity profit margin margin_free margin_level"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_named_tuples_have_the_packages_fields(name):
    fields = getattr(native_words, name)._fields
    count, first = SHAPES[name]
    assert len(fields) == count
    assert fields[: len(first.split())] == tuple(first.split())


def test_constants_have_the_packages_numbers():
    native = _native()
    assert (native.TIMEFRAME_M15, native.TIMEFRAME_H1, native.TIMEFRAME_W1) == (15, 16385, 32769)
    assert (native.TRADE_ACTION_SLTP, native.ORDER_FILLING_RETURN) == (6, 2)
    assert (native.TRADE_RETCODE_DONE, native.RES_E_INTERNAL_FAIL_TIMEOUT) == (10009, -10005)
    assert (native.DEAL_REASON_SL, native.ACCOUNT_MARGIN_MODE_RETAIL_HEDGING) == (4, 2)


def test_functions_of_the_package_are_all_there():
    wanted = (
        "initialize shutdown version last_error login account_info terminal_info symbols_total "
        "symbols_get symbol_info symbol_info_tick symbol_select copy_rates_from "
        "copy_rates_from_pos copy_rates_range copy_ticks_from copy_ticks_range orders_total "
        "orders_get order_calc_margin order_calc_profit order_check order_send positions_total "
        "positions_get history_orders_total history_orders_get history_deals_total "
        "history_deals_get"
    )
    for name in wanted.split():
        assert inspect.ismethod(getattr(_native(), name)), name


def test_rates_have_the_packages_dtype_and_the_servers_clock():
    native = _native(NEW_YORK)
    rates = native.copy_rates_from_pos("BTCUSD", M15, 0, 3)
    assert rates.dtype.names == (
        "time", "open", "high", "low", "close", "tick_volume", "spread", "real_volume",
    )  # fmt: skip
    assert [str(rates.dtype[n]) for n in ("time", "tick_volume", "spread")] == [
        "int64", "uint64", "int32",
    ]  # fmt: skip
    assert rates["time"][-1] == at(10) // 1000 + 7200
    assert native.symbol_info_tick("BTCUSD").time_msc == at(10) + 7_200_000


def test_copy_rates_counts_and_ranges_include_both_ends():
    native = _native()
    closed = native.copy_rates_from_pos("BTCUSD", M15, 1, 4)
    assert [int(t) * 1000 for t in closed["time"]] == [at(6), at(7), at(8), at(9)]
    ranged = native.copy_rates_range("BTCUSD", M15, at(3) // 1000, at(5) // 1000)
    assert [int(t) * 1000 for t in ranged["time"]] == [at(3), at(4), at(5)]
    until = native.copy_rates_from("BTCUSD", M15, datetime.fromtimestamp(at(5) / 1000, UTC), 2)
    assert [int(t) * 1000 for t in until["time"]] == [at(4), at(5)]
    assert len(native.copy_rates_range("BTCUSD", M15, 0, 1)) == 0


def test_rates_hide_what_has_not_happened():
    native = _native()
    assert len(native.copy_rates_from_pos("BTCUSD", M15, 0, 1000)) == 11
    assert len(native.copy_rates_range("BTCUSD", M15, 0, 2**31)) == 11


def test_ticks_are_the_first_ticks_of_bars():
    native = _native()
    ticks = native.copy_ticks_range("BTCUSD", 0, 2**31, native.COPY_TICKS_ALL)
    assert len(ticks) == 11
    assert tuple(ticks[-1])[:4] == (at(10) // 1000, 110.0, 110.2, 0.0)
    assert len(native.copy_ticks_from("BTCUSD", at(4) // 1000, 3, native.COPY_TICKS_ALL)) == 3


def test_order_send_answers_with_the_packages_tuple_and_echoes_the_request():
    native = _native()
    result = native.order_send(_request(native, sl=90.0))
    assert (result.retcode, result.order, result.deal) == (10009, 1, 2)
    assert (result.price, result.bid, result.ask) == (110.2, 110.0, 110.2)
    assert result.request.comment == "NS1:abc"
    assert native.last_error() == (1, "Success")
    (position,) = native.positions_get(symbol="BTCUSD")
    assert (position.magic, position.sl, position.tp, position.time) == (
        7,
        90.0,
        0.0,
        at(10) // 1000,
    )
    assert native.positions_get(ticket=99) == ()
    assert native.positions_total() == 1


def test_failures_are_none_with_last_error():
    native = _native()
    assert native.symbol_info("NOPE") is None
    assert native.last_error()[0] == native.RES_E_NOT_FOUND
    assert native.copy_rates_from_pos("BTCUSD", native.TIMEFRAME_M5, 0, 5) is None
    assert native.last_error()[0] == native.RES_E_INVALID_PARAMS
    assert native.order_send({"action": 1, "colour": "red"}) is None
    assert native.last_error() == (-2, 'Invalid "colour" argument')
    assert native.order_send(_request(native, volume="much")) is None
    assert native.last_error() == (-2, 'Invalid "volume" argument')
    assert native.order_send(_request(native, comment="x" * 32)) is None
    assert native.login(5) is False
    assert native.last_error()[0] == native.RES_E_AUTH_FAILED


def test_history_is_read_by_time_position_and_order():
    native = _native(NEW_YORK)
    opened = native.order_send(_request(native, tp=112.0))
    native.terminal.advance(native.terminal.end_ms)
    assert [d.entry for d in native.history_deals_get(position=opened.order)] == [0, 1]
    assert [d.ticket for d in native.history_deals_get(ticket=opened.order)] == [opened.deal]
    closing = native.history_deals_get(position=opened.order)[-1]
    clock = ServerClock(NEW_YORK)
    assert closing.time_msc == clock.to_server_s(at(11) - 1) * 1000 + 999
    window = (closing.time, closing.time)
    assert native.history_deals_get(*window) == (closing,)
    assert native.history_deals_total(0, 2**31) == 3
    assert native.history_orders_total(0, 2**31) == 2
    assert native.history_orders_get(position=opened.order)[0].ticket == opened.order
    assert native.history_deals_get(0, 2**31, group="!BTC*,*")[0].symbol == ""


def test_pending_orders_carry_server_times_back_and_forth():
    native = _native(NEW_YORK)
    expires_s = ServerClock(NEW_YORK).to_server_s(at(20))
    placed = native.order_send(_request(
        native, action=native.TRADE_ACTION_PENDING, type=native.ORDER_TYPE_BUY_LIMIT, price=105.0,
        type_time=native.ORDER_TIME_SPECIFIED, expiration=expires_s,
    ))  # fmt: skip
    assert (placed.retcode, placed.request.expiration) == (10009, expires_s)
    (order,) = native.orders_get()
    assert (order.price_open, order.time_expiration, order.state) == (105.0, expires_s, 1)
    assert native.orders_total() == 1
    assert native.terminal.book.orders[order.ticket].row.time_expiration_ms == at(20)


def test_calculations_and_check():
    native = _native()
    buy = native.ORDER_TYPE_BUY
    assert native.order_calc_margin(buy, "BTCUSD", 2.0, 110.0) == 2.2
    assert native.order_calc_profit(buy, "BTCUSD", 2.0, 110.0, 111.5) == 3.0
    check = native.order_check(_request(native, volume=2.0))
    assert (check.retcode, check.comment) == (0, "Done")
    assert check.margin == pytest.approx(2.2)
    assert check.margin_free == pytest.approx(10_000 - 2.2)


def test_account_terminal_and_symbol_tell_what_they_are():
    native = _native()
    assert native.initialize() is True
    assert native.version()[0] == 500
    assert native.terminal_info().connected is True
    native.terminal.desk.client_allows = False
    assert native.terminal_info().trade_allowed is False
    account = native.account_info()
    assert (account.balance, account.currency, account.margin_mode) == (10_000.0, "USD", 2)
    info = native.symbol_info("BTCUSD")
    assert (info.bid, info.ask, info.spread, info.digits) == (110.0, 110.2, 20, 2)
    assert (info.trade_tick_value, info.filling_mode, info.swap_rollover3days) == (0.01, 3, 3)
    assert native.symbol_select("BTCUSD") is True
    assert [s.name for s in native.symbols_get("*USD")] == ["BTCUSD"]


def test_no_quote_before_the_first_bar_is_a_zero_tick():
    terminal = make_terminal([QUIET], start_row=0)
    early = NativeTerminal(make_terminal([QUIET], start_row=-1))
    assert early.symbol_info_tick("BTCUSD").bid == 0.0
    assert early.symbol_info("BTCUSD").ask == 0.0
    assert len(early.copy_rates_from_pos("BTCUSD", M15, 0, 5)) == 0
    assert terminal.now_ms == MONDAY_MS


def test_closed_rates_are_the_data_verbatim():
    native = _native()
    rates = native.copy_rates_from_pos("BTCUSD", M15, 1, 10)
    bars = native.terminal.closed_bars("BTCUSD")
    for name in ("open", "high", "low", "close", "tick_volume"):
        np.testing.assert_array_equal(rates[name], getattr(bars, name))
    np.testing.assert_array_equal(rates["spread"], bars.spread_points)


def test_history_window_may_lie_in_an_hour_the_server_never_showed():
    native = _native(NEW_YORK)
    skipped_s = 1_741_508_000 // 3600 * 3600 + 1800  # 2025-03-09 in the morning, server time
    for hours in range(24):
        assert native.history_deals_get(0, skipped_s + hours * 3600)[0].type == 2
