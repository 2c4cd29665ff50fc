"""B7–B11 and the order of checks: what the trade server refuses, and with which code."""

from dataclasses import replace

import pytest

from broker.contract.constants import Filling, OrderType, TradeAction, TypeTime
from broker.simulator.records import TradeRequest
from market.bars import Bars
from market.instrument import Execution, TradeMode
from market.sessions import Sessions
from tests.builders import make_bars
from tests.simulator.terminals import (
    QUIET,
    UNIT,
    at,
    buy,
    make_terminal,
    only_position,
    place,
    sell,
    set_levels,
)


def _quiet(spec=UNIT, **settings):
    return make_terminal([QUIET] * 6, spec=spec, spread_points=30, **settings)


STOPS = [
    # bid 100.00, ask 100.30, stops level 50 points
    ("buy", 99.50, 0.0, 10009),
    ("buy", 99.51, 0.0, 10016),
    ("buy", 0.0, 100.50, 10009),
    ("buy", 0.0, 100.49, 10016),
    ("sell", 100.80, 0.0, 10009),
    ("sell", 100.79, 0.0, 10016),
    ("sell", 0.0, 99.80, 10009),
    ("sell", 0.0, 99.81, 10016),
]


@pytest.mark.parametrize(("side", "sl", "tp", "retcode"), STOPS)
def test_b07_stops_level_is_measured_from_the_closing_side(side, sl, tp, retcode):
    terminal = _quiet(replace(UNIT, stops_level_points=50))
    send = buy if side == "buy" else sell
    assert send(terminal, sl=sl, tp=tp).retcode == retcode


@pytest.mark.parametrize("level", [{"sl": 100.0}, {"sl": 101.0}, {"tp": 100.0}, {"tp": 99.0}])
def test_b07_wrong_side_or_equal_is_refused_without_a_stops_level(level):
    assert buy(_quiet(), **level).retcode == 10016


def test_b07_level_off_the_tick_grid_is_refused():
    assert buy(_quiet(), sl=98.995).retcode == 10016
    assert buy(_quiet(), sl=-1.0).retcode == 10016


def test_b08_freeze_level_stops_changes_and_closes_near_a_level():
    terminal = _quiet(replace(UNIT, freeze_level_points=100))
    ticket = buy(terminal, sl=99.0).order
    assert set_levels(terminal, ticket, sl=98.0).retcode == 10029
    assert sell(terminal, position=ticket).retcode == 10029
    far = buy(terminal, sl=98.99).order
    assert set_levels(terminal, far, sl=98.0).retcode == 10009


def test_b08_freeze_level_stops_removal_of_a_near_order():
    terminal = _quiet(replace(UNIT, freeze_level_points=100))
    ticket = place(terminal, OrderType.BUY_LIMIT, 99.50).order
    remove = TradeRequest(TradeAction.REMOVE, order=ticket)
    assert terminal.order_send(remove).retcode == 10029


@pytest.mark.parametrize("lots", [0.0, 0.001, 0.015, 100.01, -1.0])
def test_b09_volume_off_range_or_step_is_refused(lots):
    assert buy(_quiet(), lots).retcode == 10014


def test_b09_side_limit_positions_limit_and_close_volume():
    terminal = _quiet(replace(UNIT, volume_limit=2.0))
    ticket = buy(terminal, 1.5).order
    assert buy(terminal, 0.6).retcode == 10034
    assert sell(terminal, 2.0).retcode == 10009
    assert sell(terminal, 1.6, position=ticket).retcode == 10038
    one = _quiet(terms={"max_positions": 1})
    buy(one)
    assert buy(one).retcode == 10040


def test_b09_partial_close_leaving_less_than_the_minimum_is_refused():
    terminal = _quiet(replace(UNIT, volume_min=0.1))
    ticket = buy(terminal, 0.15).order
    assert sell(terminal, 0.10, position=ticket).retcode == 10014
    assert sell(terminal, 0.15, position=ticket).retcode == 10009


def test_b10_unchanged_levels_are_no_changes():
    terminal = _quiet()
    ticket = buy(terminal, sl=99.0, tp=105.0).order
    assert set_levels(terminal, ticket, sl=99.0, tp=105.0).retcode == 10025
    assert set_levels(terminal, ticket, sl=99.0).retcode == 10009
    assert only_position(terminal).tp == 0


def test_b10_gone_position_is_10036():
    terminal = _quiet()
    ticket = buy(terminal).order
    sell(terminal, position=ticket)
    assert sell(terminal, position=ticket).retcode == 10036
    assert set_levels(terminal, ticket, sl=99.0).retcode == 10036


@pytest.mark.parametrize(
    ("bits", "policy", "retcode"),
    [
        (1, Filling.FOK, 10009), (1, Filling.IOC, 10030), (2, Filling.FOK, 10030),
        (2, Filling.IOC, 10009), (3, Filling.RETURN, 10030), (3, 3, 10030),
    ],
)  # fmt: skip
def test_b11_filling_needs_its_bit_and_return_is_not_for_market_execution(bits, policy, retcode):
    terminal = _quiet(replace(UNIT, filling_bits=bits))
    assert buy(terminal, type_filling=policy).retcode == retcode


def test_b11_return_is_taken_in_exchange_execution_and_for_pending_orders():
    terminal = _quiet(replace(UNIT, execution=Execution.EXCHANGE, filling_bits=0))
    assert buy(terminal, type_filling=Filling.RETURN).retcode == 10009
    assert place(terminal, OrderType.BUY_LIMIT, 90.0).retcode == 10009


def _never_open() -> Sessions:
    return Sessions("UTC", ())


# The first failure wins: each row breaks the named rule and every later one.
BROKEN = [
    ("rights", 10026, {"terms": {"trade_allowed": False}}, {"trade_mode": TradeMode.DISABLED}),
    ("mode", 10017, {}, {"trade_mode": TradeMode.DISABLED, "sessions": _never_open()}),
    ("mode", 10044, {}, {"trade_mode": TradeMode.CLOSE_ONLY, "sessions": _never_open()}),
    ("mode", 10043, {}, {"trade_mode": TradeMode.SHORT_ONLY, "sessions": _never_open()}),
    ("session", 10018, {"start_row": 6}, {"sessions": _never_open()}),
    ("quotes", 10021, {"start_row": 6}, {}),
    ("volume", 10014, {}, {"filling_bits": 0}),
]


@pytest.mark.parametrize(("rule", "retcode", "settings", "changes"), BROKEN)
def test_validation_order_first_failure_wins(rule, retcode, settings, changes):
    terminal = _quiet(replace(UNIT, **changes), **settings)
    assert buy(terminal, 0.001, sl=500.0).retcode == retcode
    assert len(terminal.ledger.deals) == 1


def test_validation_order_from_filling_to_margin():
    terminal = _quiet(replace(UNIT, filling_bits=1), balance=1.0)
    assert buy(terminal, 99.0, sl=500.0).retcode == 10030
    assert buy(terminal, 99.0, sl=500.0, type_filling=Filling.FOK).retcode == 10016
    assert buy(terminal, 99.0, type_filling=Filling.FOK).retcode == 10019


def test_algo_trading_switch_off_is_10027():
    terminal = _quiet()
    terminal.desk.client_allows = False
    assert buy(terminal).retcode == 10027


def test_long_only_symbol_still_lets_a_long_close():
    terminal = _quiet(replace(UNIT, trade_mode=TradeMode.LONG_ONLY))
    ticket = buy(terminal).order
    assert sell(terminal).retcode == 10042
    assert sell(terminal, position=ticket).retcode == 10009


def test_no_bar_at_the_instant_refuses_with_10021_and_the_quote_stays_stale():
    bars = Bars.followed_by(make_bars([QUIET] * 3), make_bars([QUIET], start_ms=at(5)))
    terminal = make_terminal(bars)
    terminal.advance(at(3))
    assert terminal.tick("BTCUSD").time_msc == at(3) - 1
    assert buy(terminal).retcode == 10021
    terminal.advance(at(5))
    assert buy(terminal).retcode == 10009


def test_unknown_symbol_action_and_ticket_are_refused():
    terminal = _quiet()
    assert terminal.order_send(TradeRequest(TradeAction.DEAL, "NOPE", 1.0)).retcode == 10013
    assert terminal.order_send(TradeRequest(99, "BTCUSD", 1.0)).retcode == 10013
    assert terminal.order_send(TradeRequest(TradeAction.REMOVE, order=77)).retcode == 10035
    ticket = buy(terminal).order
    assert buy(terminal, position=ticket).retcode == 10013


def test_order_check_says_zero_and_sends_nothing():
    terminal = _quiet()
    request = TradeRequest(TradeAction.DEAL, "BTCUSD", 1.0, type_filling=Filling.IOC)
    assert terminal.order_check(request).retcode == 0
    assert terminal.order_check(replace(request, volume=0.001)).retcode == 10014
    assert len(terminal.ledger.deals) == 1


@pytest.mark.parametrize(
    ("kind", "price", "retcode"),
    [
        (OrderType.BUY_LIMIT, 100.30, 10015), (OrderType.BUY_LIMIT, 99.81, 10015),
        (OrderType.BUY_LIMIT, 99.80, 10009), (OrderType.BUY_STOP, 100.30, 10015),
        (OrderType.SELL_STOP, 100.0, 10015), (OrderType.SELL_LIMIT, 100.5, 10009),
        (OrderType.BUY_LIMIT, 90.005, 10015), (OrderType.BUY_STOP_LIMIT, 110.0, 10035),
    ],
)  # fmt: skip
def test_pending_price_lies_on_its_side_by_the_stops_level(kind, price, retcode):
    terminal = _quiet(replace(UNIT, stops_level_points=50))
    assert place(terminal, kind, price).retcode == retcode


def test_pending_order_is_changed_removed_and_limited():
    terminal = _quiet(terms={"max_orders": 1})
    ticket = place(terminal, OrderType.BUY_LIMIT, 90.0).order
    assert place(terminal, OrderType.BUY_LIMIT, 91.0).retcode == 10033
    change = TradeRequest(TradeAction.MODIFY, order=ticket, price=90.0)
    assert terminal.order_send(change).retcode == 10025
    assert terminal.order_send(replace(change, price=95.0, sl=94.0)).retcode == 10009
    assert terminal.working_orders()[0].price_open == 95.0
    assert terminal.order_send(TradeRequest(TradeAction.REMOVE, order=ticket)).retcode == 10009
    assert terminal.ledger.orders[-1].state == 2


def test_pending_expiration_in_the_past_is_refused():
    terminal = _quiet()
    late = {"type_time": TypeTime.SPECIFIED, "expiration": at(1)}
    assert place(terminal, OrderType.BUY_LIMIT, 90.0, **late).retcode == 10022
    late["expiration"] = at(3)
    assert place(terminal, OrderType.BUY_LIMIT, 90.0, **late).retcode == 10009
    terminal.advance(at(4))
    assert terminal.ledger.orders[-1].state == 6
