"""Requests, answers and lost answers at a terminal."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from broker.contract.constants import DealReason, OrderType
from broker.contract.errors import (
    BrokerRefused,
    BrokerUnavailable,
    IntentInFlight,
    IntentReused,
    OutcomeUnknown,
)
from broker.contract.retcodes import RETCODES, RetcodeClass
from broker.native import NativeBroker
from broker.native.intents import KEPT_MS
from market.server_clock import ServerClock
from tests.broker.orders import make_order
from tests.broker.stand_in import NOW_MS, StandIn, sent, server_deal, server_position, server_tick
from tests.patience import PATIENCE_S


def broker_over(mt5: StandIn) -> NativeBroker:
    return NativeBroker(mt5, ServerClock("UTC"), now_ms=lambda: NOW_MS, mode="live")


def test_market_buy_without_a_price_is_sent_at_the_ask() -> None:
    mt5 = StandIn()
    broker_over(mt5).send(make_order(sl=99.0, tp=102.0, deviation=20))
    body = mt5.sent[0]
    assert (body["action"], body["price"], body["sl"], body["tp"]) == (1, 100.1, 99.0, 102.0)
    assert (body["type_filling"], body["deviation"]) == (0, 20)
    assert "position" not in body


@pytest.mark.parametrize("code", sorted(set(RETCODES) - {0}))
def test_every_retcode_becomes_its_outcome_or_unknown(code: int) -> None:
    mt5 = StandIn()
    mt5.answer_order = lambda _: sent(code)
    if RETCODES[code].class_ is RetcodeClass.UNKNOWN:
        with pytest.raises(OutcomeUnknown, match=str(code)):
            broker_over(mt5).send(make_order())
        return
    result = broker_over(mt5).send(make_order())
    expected = {10008: "placed", 10009: "filled", 10010: "partial", 10025: "placed"}
    assert result.outcome == expected.get(code, "rejected")
    assert result.retcode_name == RETCODES[code].name


def test_retcode_nobody_knows_leaves_the_outcome_unknown() -> None:
    mt5 = StandIn()
    mt5.answer_order = lambda _: sent(10999)
    with pytest.raises(OutcomeUnknown):
        broker_over(mt5).send(make_order())


@pytest.mark.parametrize(
    ("code", "kind"),
    [(-1, OutcomeUnknown), (-10001, OutcomeUnknown), (-10002, OutcomeUnknown),
     (-10005, OutcomeUnknown), (-10004, BrokerUnavailable), (-10003, BrokerUnavailable),
     (-2, BrokerRefused), (-8, BrokerRefused)],
)  # fmt: skip
def test_silence_to_an_order_is_what_its_last_error_means(code: int, kind: type) -> None:
    mt5 = StandIn()
    mt5.answer_order, mt5.error = lambda _: None, (code, "said")
    with pytest.raises(kind) as caught:
        broker_over(mt5).send(make_order())
    assert type(caught.value) is kind


def test_answer_without_a_retcode_leaves_the_outcome_unknown() -> None:
    mt5 = StandIn()
    mt5.answer_order = lambda _: object()
    with pytest.raises(OutcomeUnknown):
        broker_over(mt5).send(make_order())


def test_terminal_that_fails_right_after_an_order_leaves_its_outcome_unknown() -> None:
    mt5 = StandIn()

    def last_words(_: dict[str, Any]) -> Any:
        mt5.positions, mt5.error = None, (-6, "logged out")
        return sent()

    mt5.answer_order = last_words
    broker = broker_over(mt5)
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            broker.send(make_order())
    assert len(mt5.sent) == 1


def test_request_that_came_too_late_is_not_sent() -> None:
    mt5 = StandIn()
    result = broker_over(mt5).send(make_order(valid_until_msc=NOW_MS - 1))
    assert (result.outcome, result.retcode_name) == ("not_sent", "INVALID_EXPIRATION")
    assert mt5.sent == []


def test_request_at_its_last_valid_instant_is_sent() -> None:
    assert broker_over(StandIn()).send(make_order(valid_until_msc=NOW_MS)).outcome == "filled"


@pytest.mark.parametrize(("limit", "outcome"), [(9, "not_sent"), (10, "filled")])
def test_spread_above_the_requests_limit_is_not_sent(limit: int, outcome: str) -> None:
    assert broker_over(StandIn()).send(make_order(max_spread_points=limit)).outcome == outcome


def test_same_request_twice_is_sent_once_and_answered_twice() -> None:
    mt5 = StandIn()
    broker = broker_over(mt5)
    assert broker.send(make_order()) == broker.send(make_order())
    assert len(mt5.sent) == 1


def test_same_client_id_for_another_request_is_refused() -> None:
    mt5 = StandIn()
    broker = broker_over(mt5)
    broker.send(make_order())
    with pytest.raises(IntentReused, match="a-1"):
        broker.send(make_order(volume=0.03))
    assert len(mt5.sent) == 1


def test_unsent_request_may_be_sent_again() -> None:
    mt5 = StandIn()
    broker = broker_over(mt5)
    mt5.answer_order, mt5.error = lambda _: None, (-10004, "no IPC")
    with pytest.raises(BrokerUnavailable):
        broker.send(make_order())
    mt5.answer_order = lambda _: sent()
    assert broker.send(make_order()).outcome == "filled"


def test_lost_answer_is_never_sent_again_and_found_in_the_deals() -> None:
    mt5 = StandIn()
    broker, order = broker_over(mt5), make_order()
    mt5.answer_order, mt5.error = lambda _: None, (-10005, "IPC timeout")
    with pytest.raises(OutcomeUnknown):
        broker.send(order)
    with pytest.raises(IntentInFlight):
        broker.send(order)
    assert broker.intent("a-1").state == "in_flight"
    mt5.deals = (server_deal(9, magic=order.magic),)
    result = broker.send(order)
    assert (result.outcome, result.deal, result.position) == ("filled", 9, 55)
    assert len(mt5.sent) == 1


def test_new_bridge_finds_what_an_earlier_one_sent() -> None:
    mt5, order = StandIn(), make_order()
    mt5.deals = (server_deal(9, magic=order.magic),)
    report = broker_over(mt5).intent("a-1")
    assert (report.state, report.position, len(report.deals)) == ("filled", 55, 1)
    assert broker_over(mt5).send(order).deal == 9
    assert mt5.sent == []


def test_stop_loss_deal_with_the_entrys_magic_is_not_the_intents() -> None:
    mt5, order = StandIn(), make_order()
    mt5.deals = (
        server_deal(9, magic=order.magic),
        server_deal(10, magic=order.magic, entry=1, reason=int(DealReason.SL)),
    )
    assert [deal.ticket for deal in broker_over(mt5).intent("a-1").deals] == [9]


def test_placed_market_order_is_filled_once_its_deal_is_there() -> None:
    mt5, order = StandIn(), make_order()
    mt5.answer_order = lambda _: sent(10008, deal=0)
    broker = broker_over(mt5)
    assert broker.send(order).outcome == "placed"
    assert broker.intent("a-1").state == "in_flight"
    mt5.deals = (server_deal(9, magic=order.magic),)
    report = broker.intent("a-1")
    assert (report.state, report.position) == ("filled", 55)


def test_same_request_from_two_threads_is_sent_once() -> None:
    mt5 = StandIn()
    entered, go = threading.Event(), threading.Event()

    def slowly(_: dict[str, Any]) -> Any:
        entered.set()
        go.wait(PATIENCE_S)
        return sent()

    mt5.answer_order = slowly
    broker = broker_over(mt5)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(broker.send, make_order())
        entered.wait(PATIENCE_S)
        second = threads.submit(broker.send, make_order())
        go.set()
        assert first.result() == second.result()
    assert len(mt5.sent) == 1


def test_intent_older_than_a_week_is_forgotten() -> None:
    mt5, now = StandIn(), [NOW_MS]
    broker = NativeBroker(mt5, ServerClock("UTC"), now_ms=lambda: now[0], mode="live")
    broker.send(make_order("a-1"))
    now[0] += KEPT_MS + 1
    broker.send(make_order("a-2"))
    assert (broker.has_answer("a-1"), broker.has_answer("a-2")) == (False, True)


def test_intent_nobody_sent_is_unknown() -> None:
    report = broker_over(StandIn()).intent("never")
    assert (report.state, report.result, report.deals) == ("unknown", None, ())


def test_rejected_intent_says_so() -> None:
    mt5 = StandIn()
    mt5.answer_order = lambda _: sent(10019)
    broker = broker_over(mt5)
    broker.send(make_order())
    assert broker.intent("a-1").state == "rejected"


def test_close_by_identifier_is_sent_by_ticket() -> None:
    mt5 = StandIn()
    mt5.positions = (server_position(900, identifier=55),)
    request = make_order(type=OrderType.SELL, position=55)
    result = broker_over(mt5).send(request)
    assert (mt5.sent[0]["position"], mt5.sent[0]["price"], result.position) == (900, 100.0, 55)


def test_close_of_a_position_that_is_gone_is_rejected_and_not_sent() -> None:
    mt5 = StandIn()
    result = broker_over(mt5).send(make_order(type=OrderType.SELL, position=55))
    assert (result.retcode_name, result.outcome) == ("POSITION_CLOSED", "rejected")
    assert mt5.sent == []


def test_close_uses_a_filling_the_symbol_allows() -> None:
    mt5 = StandIn()
    mt5.positions = (server_position(55),)
    mt5.spec = type(mt5.spec)(**{**vars(mt5.spec), "filling_mode": 2})
    broker_over(mt5).close(55, client_id="c-1")
    assert mt5.sent[0]["type_filling"] == 1
    assert mt5.sent[0]["type"] == int(OrderType.SELL)


def test_levels_already_as_asked_count_as_placed() -> None:
    mt5 = StandIn()
    mt5.positions = (server_position(55),)
    mt5.answer_order = lambda _: sent(10025, order=0, deal=0)
    broker = broker_over(mt5)
    assert broker.modify(55, sl=99.0, tp=102.0, client_id="m-1").outcome == "placed"
    assert broker.intent("m-1").state == "filled"


def test_check_sends_nothing_and_passes_with_zero() -> None:
    mt5 = StandIn()
    result = broker_over(mt5).check(make_order())
    assert (result.retcode, result.outcome, mt5.sent) == (0, "not_sent", [])


def test_position_of_an_entry_is_the_order_that_opened_it() -> None:
    mt5 = StandIn()
    mt5.answer_order = lambda _: sent(order=77)
    mt5.positions = (server_position(1), server_position(77))
    assert broker_over(mt5).send(make_order()).position == 77


def test_quote_that_is_not_there_stops_the_order_before_it_is_sent() -> None:
    mt5 = StandIn()
    mt5.tick = server_tick(NOW_MS, bid=0.0, ask=0.0)
    with pytest.raises(BrokerUnavailable):
        broker_over(mt5).send(replace(make_order(), price=100.0))
    assert mt5.sent == []
