"""What every broker does, the one in this process and the one behind HTTP."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from broker.contract.constants import DealEntry, DealReason, DealType, OrderType, PositionType
from broker.contract.errors import BrokerError, BrokerRefused, IntentReused
from broker.contract.port import Broker
from market.bars import Bars
from market.timeframe import Timeframe
from tests.broker.conftest import Venue
from tests.broker.orders import make_order
from tests.broker.paper_bridge import START_MS, STEP_MS, walk

FAR_MS = START_MS + 10_000 * STEP_MS


def test_health_of_a_paper_bridge_is_ok(venue: Venue) -> None:
    venue.broker.symbol("BTCUSD")
    health = venue.broker.health()
    assert (health.status, health.mode, health.dialect) == ("ok", "paper", venue.dialect)
    assert (health.utc_msc, health.utc_offset_s) == (START_MS, 7200)
    assert [each.symbol for each in health.market] == ["BTCUSD"]


def test_account_holds_its_deposit(venue: Venue) -> None:
    account = venue.broker.account()
    assert (account.balance, account.equity, account.margin_level) == (10_000.0, 10_000.0, 0.0)


def test_bars_are_the_closed_ones_verbatim(venue: Venue) -> None:
    bars = venue.broker.rates("BTCUSD", Timeframe.M15, from_ms=0, to_ms=FAR_MS)
    assert bars.sha256() == walk().rows(0, 50).sha256()


def test_bar_appears_when_the_clock_reaches_its_close(venue: Venue) -> None:
    def newest_ms() -> int:
        bars = venue.broker.rates("BTCUSD", Timeframe.M15, from_ms=0, to_ms=FAR_MS)
        return int(bars.open_ms[-1])

    venue.terminal.advance(START_MS + STEP_MS - 1)
    assert newest_ms() == START_MS - STEP_MS
    venue.terminal.advance(START_MS + STEP_MS)
    assert newest_ms() == START_MS


def test_range_without_bars_is_empty(venue: Venue) -> None:
    assert len(venue.broker.rates("BTCUSD", Timeframe.M15, from_ms=0, to_ms=STEP_MS)) == 0


def test_quote_is_the_first_of_the_bar_that_opens(venue: Venue) -> None:
    tick = venue.broker.tick("BTCUSD")
    assert tick.time_msc == START_MS
    assert tick.bid == walk().open[50]
    assert tick.ask == pytest.approx(tick.bid + 10.0, abs=1e-9)


def test_order_opens_a_position_that_close_ends(venue: Venue) -> None:
    broker = venue.broker
    opened = broker.send(make_order("e-1", sl=50_000.0, tp=70_000.0))
    assert (opened.outcome, opened.client_id, opened.sent_msc) == ("filled", "e-1", START_MS)
    (position,) = broker.positions("BTCUSD")
    assert position.identifier == opened.position
    assert (position.type, position.volume, position.sl) == (PositionType.BUY, 0.02, 50_000.0)
    close = make_order("c-1", type=OrderType.SELL, position=opened.position)
    assert broker.send(close).position == opened.position
    assert broker.positions() == ()
    deals = broker.deals(from_ms=0, to_ms=FAR_MS)
    assert [deal.type for deal in deals] == [DealType.BALANCE, DealType.BUY, DealType.SELL]
    assert [deal.entry for deal in deals[1:]] == [DealEntry.IN, DealEntry.OUT]
    assert {deal.position_id for deal in deals[1:]} == {opened.position}


def test_stop_loss_fires_while_nobody_asks(venue: Venue) -> None:
    bid = venue.broker.tick("BTCUSD").bid
    opened = venue.broker.send(make_order(sl=bid - 20.0))
    venue.terminal.advance(venue.terminal.end_ms)
    assert venue.broker.positions() == ()
    last = venue.broker.deals(from_ms=START_MS, to_ms=FAR_MS)[-1]
    assert (last.reason, last.position_id) == (DealReason.SL, opened.position)


def test_deals_are_those_inside_the_range(venue: Venue) -> None:
    venue.broker.send(make_order())
    assert len(venue.broker.deals(from_ms=START_MS + 1, to_ms=FAR_MS)) == 0
    assert len(venue.broker.deals(from_ms=START_MS, to_ms=START_MS + 1)) == 2


def test_snapshot_shows_account_positions_and_quote_of_one_instant(venue: Venue) -> None:
    venue.broker.send(make_order())
    snapshot = venue.broker.snapshot("BTCUSD")
    assert snapshot.as_of_msc == START_MS
    assert snapshot.account == venue.broker.account()
    assert snapshot.positions == venue.broker.positions()
    assert snapshot.tick == venue.broker.tick("BTCUSD")


def test_rejection_is_a_result_and_not_an_error(venue: Venue) -> None:
    result = venue.broker.send(make_order(volume=0.015))
    assert (result.outcome, result.retcode_name) == ("rejected", "INVALID_VOLUME")
    assert venue.broker.positions() == ()


def test_late_request_is_not_sent(venue: Venue) -> None:
    result = venue.broker.send(make_order(valid_until_msc=START_MS - 1))
    assert (result.outcome, venue.broker.positions()) == ("not_sent", ())


def test_wide_spread_is_not_bought(venue: Venue) -> None:
    assert venue.broker.send(make_order(max_spread_points=999)).outcome == "not_sent"
    assert venue.broker.send(make_order(max_spread_points=1000)).outcome == "filled"


def test_check_passes_with_zero_and_opens_nothing(venue: Venue) -> None:
    assert venue.broker.check(make_order()).retcode == 0
    assert venue.broker.check(make_order(volume=1000.0)).retcode_name == "INVALID_VOLUME"
    assert venue.broker.positions() == ()


def test_levels_are_set_and_removed(venue: Venue) -> None:
    broker = venue.broker
    position = broker.send(make_order()).position
    assert broker.modify(position, sl=50_000.0, tp=70_000.0, client_id="m-1").outcome == "filled"
    assert (broker.positions()[0].sl, broker.positions()[0].tp) == (50_000.0, 70_000.0)
    again = broker.modify(position, sl=50_000.0, tp=70_000.0, client_id="m-2")
    assert (again.retcode_name, again.outcome) == ("NO_CHANGES", "placed")
    broker.modify(position, sl=0.0, tp=0.0, client_id="m-3")
    assert (broker.positions()[0].sl, broker.positions()[0].tp) == (0.0, 0.0)


def test_levels_of_a_position_that_is_gone_are_rejected(venue: Venue) -> None:
    result = venue.broker.modify(404, sl=1.0, tp=2.0, client_id="m-1")
    assert (result.outcome, result.retcode_name) == ("rejected", "POSITION_CLOSED")


def test_same_intent_twice_is_one_position_and_one_answer(venue: Venue) -> None:
    first, second = venue.broker.send(make_order()), venue.broker.send(make_order())
    assert first == second
    assert len(venue.broker.positions()) == 1


def test_same_client_id_for_another_request_is_refused(venue: Venue) -> None:
    venue.broker.send(make_order())
    with pytest.raises(IntentReused, match="a-1"):
        venue.broker.send(make_order(volume=0.05))
    assert len(venue.broker.positions()) == 1


def test_intent_tells_its_fill(venue: Venue) -> None:
    result = venue.broker.send(make_order())
    report = venue.broker.intent("a-1")
    assert (report.state, report.result, report.position) == ("filled", result, result.position)
    assert [deal.ticket for deal in report.deals] == [result.deal]


def test_intent_nobody_sent_is_unknown(venue: Venue) -> None:
    assert venue.broker.intent("never/sent it").state == "unknown"


@pytest.mark.parametrize("ask", ["symbol", "tick", "snapshot", "positions", "orders"])
def test_unknown_symbol_is_refused_by_name(venue: Venue, ask: str) -> None:
    with pytest.raises(BrokerRefused, match="NOSUCH"):
        getattr(venue.broker, ask)("NOSUCH")


def test_order_for_an_unknown_symbol_is_refused(venue: Venue) -> None:
    with pytest.raises(BrokerRefused, match="NOSUCH"):
        venue.broker.send(make_order(symbol="NOSUCH"))


def test_no_pending_order_is_an_empty_list(venue: Venue) -> None:
    assert venue.broker.orders() == ()


Call = Callable[[Broker], Any]
SCRIPT: tuple[Call, ...] = (
    lambda b: b.symbol("BTCUSD"),
    lambda b: b.health(),
    lambda b: b.rates("BTCUSD", Timeframe.M15, from_ms=0, to_ms=FAR_MS),
    lambda b: b.rates("BTCUSD", Timeframe.H1, from_ms=0, to_ms=FAR_MS),
    lambda b: b.send(make_order("e-1", sl=50_000.0)),
    lambda b: b.send(make_order("e-1", sl=50_000.0)),
    lambda b: b.send(make_order("e-1", sl=51_000.0)),
    lambda b: b.send(make_order("e-2", type=OrderType.SELL, tp=61_000.0)),
    lambda b: b.send(make_order("e-3", volume=99.0)),
    lambda b: b.send(replace(make_order("e-4"), symbol="NOSUCH")),
    lambda b: b.check(make_order("e-5")),
    lambda b: b.snapshot("BTCUSD"),
    lambda b: b.modify(b.positions()[0].identifier, sl=52_000.0, tp=0.0, client_id="m-1"),
    lambda b: b.positions("BTCUSD"),
    lambda b: b.intent("e-1"),
    lambda b: b.deals(from_ms=0, to_ms=FAR_MS),
    lambda b: b.account(),
    lambda b: b.tick("NOSUCH"),
)


def _answer(call: Call, broker: Broker) -> Any:
    """What a call gave: a comparable value, or the error's type and words."""
    try:
        given = call(broker)
    except BrokerError as error:
        return type(error), str(error)
    if isinstance(given, Bars):
        return [np.asarray(getattr(given, f.name)).tolist() for f in fields(Bars)[2:]]
    if hasattr(given, "boot_id"):
        return replace(given, boot_id="", uptime_s=0.0)
    return given


def test_both_give_the_same_answers_message_for_message(
    in_process: Venue, over_http: Venue
) -> None:
    for number, call in enumerate(SCRIPT):
        here, there = _answer(call, in_process.broker), _answer(call, over_http.broker)
        assert here == there, f"call {number}"
        for venue in (in_process, over_http):
            venue.terminal.advance(venue.terminal.now_ms + STEP_MS)
