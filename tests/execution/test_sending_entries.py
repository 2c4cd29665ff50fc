"""Entries: written ahead, sent once, asked again only where the table and the quote allow it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from broker.contract.errors import BadAnswer, BrokerRefused, BrokerUnavailable, OutcomeUnknown
from broker.contract.retcodes import RETCODES, RetcodeClass
from tests.execution.venue import LOST, NOW_MS, Orders, entry
from trading.execution.intents import IntentState
from trading.execution.settings import OrderSettings

Make = Callable[..., Orders]
S = IntentState


def test_entry_is_marked_as_sent_before_it_leaves(orders: Make) -> None:
    desk = orders()
    seen: list[Any] = []
    desk.venue.answers = [lambda request: seen.append(desk.state()) or 10009]
    desk.send()
    assert seen == [S.SENT]
    assert desk.kinds()[:3] == ["order_pending", "order_sent", "order_filled"]


def test_filled_entry_is_read_back_at_once(orders: Make) -> None:
    desk = orders()
    assert desk.send() is S.PROTECTED
    assert not desk.dispatcher.open_work
    assert desk.venue.modified == []


def test_partial_fill_is_adopted_and_the_rest_not_sent(orders: Make) -> None:
    desk = orders()
    desk.venue.fill_share = 0.6
    assert desk.send() is S.PROTECTED
    assert "order_partial" in desk.kinds()
    assert len(desk.venue.sent) == 1


EXPECTED = {
    # code: (state of the entry, how often it is sent when the venue always answers so)
    10008: (S.UNKNOWN, 1),
    10004: (S.REJECTED, 3), 10020: (S.REJECTED, 3), 10015: (S.REJECTED, 2),
    10016: (S.REJECTED, 2), 10030: (S.REJECTED, 2),
    10011: (S.UNKNOWN, 1), 10012: (S.UNKNOWN, 1), 10031: (S.UNKNOWN, 1), 10028: (S.UNKNOWN, 1),
}  # fmt: skip
FILLED_OR_A_CHECK = {0, 10009, 10010}
ENDING = sorted(set(RETCODES) - FILLED_OR_A_CHECK)


@pytest.mark.parametrize("code", ENDING, ids=lambda code: RETCODES[code].name)
def test_each_retcode_of_the_table_ends_an_entry_as_the_table_says(orders: Make, code: int) -> None:
    expected = EXPECTED.get(code, (S.REJECTED, 1))
    desk = orders()
    desk.venue.answers = [code] * 5
    sent = desk.dispatcher.send_all(desk.requests, NOW_MS)[0]
    assert (sent.state, len(desk.venue.sent)) == expected
    assert len({each.client_id for each in desk.venue.sent}) == len(desk.venue.sent)
    halted = RETCODES[code].class_ is RetcodeClass.HALT
    assert bool(desk.dispatcher.halts) is bool(desk.pages.keys) is halted
    waits = code in (10021, 10024, 10029, 10039)
    assert desk.dispatcher.open_work is (waits or sent.state is S.UNKNOWN)


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (BrokerUnavailable("queue full"), S.NOT_SENT),
        (BrokerRefused("no rights"), S.REJECTED),
        (OutcomeUnknown("timeout"), S.UNKNOWN),
        (BadAnswer("<html>"), S.UNKNOWN),
    ],
)
def test_each_failure_of_the_bridge_has_its_state(
    orders: Make, error: Exception, state: IntentState
) -> None:
    desk = orders()
    desk.venue.answers = [error]
    assert desk.send() is state is desk.state()
    assert len(desk.venue.sent) == 1


def test_requote_is_asked_again_under_a_new_name_at_the_new_price(orders: Make) -> None:
    desk = orders()

    def requote(_: object) -> int:
        desk.venue.bid, desk.venue.ask = 99_999.0, 100_001.0
        return 10004

    desk.venue.answers = [requote]
    assert desk.send() is S.PROTECTED
    first, again = desk.venue.sent
    assert again.client_id == "ar1"
    assert (again.price, again.sl, again.tp) == (100_001.0, 99_501.0, 100_701.0)
    assert again.magic != first.magic
    assert again.magic >> 32 == first.magic >> 32
    assert again.comment != first.comment
    assert (desk.state("a"), desk.state("ar1")) == (S.REJECTED, S.PROTECTED)


@pytest.mark.parametrize(
    ("bid", "ask", "why"),
    [(99_996.99, 100_000.0, "spread 301 points"), (100_000.5, 100_002.01, "moved 201 points"),
     (0.0, 0.0, "no quote")],
)  # fmt: skip
def test_entry_is_dropped_where_the_fresh_quote_fails_its_gates(
    orders: Make, bid: float, ask: float, why: str
) -> None:
    desk = orders()
    desk.venue.bid, desk.venue.ask = bid, ask
    desk.venue.answers = [10020]
    sent = desk.dispatcher.send_all(desk.requests, NOW_MS)[0]
    assert sent.state is S.REJECTED
    assert why in sent.note
    assert len(desk.venue.sent) == 1


def test_stops_that_are_too_near_are_moved_outward_once(orders: Make) -> None:
    desk = orders(entry(sl=99_600.0, tp=100_400.0))
    desk.venue.spec = replace(desk.venue.spec, trade_stops_level=40_500)
    desk.venue.answers = [10016]
    assert desk.send() is S.PROTECTED
    again = desk.venue.sent[-1]
    assert (again.sl, again.tp) == (99_592.99, 100_403.01)


def test_stop_that_would_have_to_move_far_drops_the_entry(orders: Make) -> None:
    desk = orders()
    desk.venue.spec = replace(desk.venue.spec, trade_stops_level=70_000)
    desk.venue.answers = [10016]
    assert desk.send() is S.REJECTED
    assert len(desk.venue.sent) == 1


def test_requote_that_took_long_is_not_asked_again(orders: Make) -> None:
    desk = orders(clock_ms=lambda: NOW_MS + 5_001)
    desk.venue.answers = [10004]
    assert desk.send() is S.REJECTED
    assert len(desk.venue.sent) == 1


def test_halt_holds_for_a_while_though_the_venue_says_that_all_is_well(orders: Make) -> None:
    desk = orders()
    desk.venue.answers = [10027]
    desk.send()
    desk.beat(899_999)
    assert desk.dispatcher.halts
    desk.beat(1)
    assert desk.dispatcher.halts == ()


def test_refused_filling_is_replaced_by_the_other_one(orders: Make) -> None:
    desk = orders()
    desk.venue.answers = [10030]
    assert desk.send() is S.PROTECTED
    assert [each.type_filling.name for each in desk.venue.sent] == ["FOK", "IOC"]


def test_entry_without_quotes_waits_for_beats_and_goes_out(orders: Make) -> None:
    desk = orders()
    desk.venue.answers = [10021]
    assert desk.send() is S.REJECTED
    assert desk.dispatcher.open_work
    desk.beat(500)
    assert len(desk.venue.sent) == 1
    desk.beat(500)
    assert desk.state("ar1") is S.PROTECTED
    assert not desk.dispatcher.open_work


def test_too_many_requests_backs_off_five_seconds_and_more(orders: Make) -> None:
    desk = orders()
    desk.venue.answers = [10024, 10024, 10024]
    desk.send()
    sent_after = []
    for second in range(1, 60):
        before = len(desk.venue.sent)
        desk.beat(1_000)
        sent_after += [second] * (len(desk.venue.sent) - before)
    assert sent_after == [5, 15]


def test_waiting_entry_is_forgotten_over_a_restart(orders: Make) -> None:
    desk = orders()
    desk.venue.answers = [10021]
    desk.send()
    desk.restart()
    assert desk.beats(5) == ()
    assert len(desk.venue.sent) == 1


def test_halted_account_sends_no_entry_until_the_venue_allows_it_again(orders: Make) -> None:
    desk = orders(entry("a"), entry("b"), entry("c"))
    desk.venue.answers = [10027]
    desk.venue.trade_allowed = False
    first, second, _ = desk.dispatcher.send_all(desk.requests, NOW_MS)
    assert (first.state, second.state) == (S.REJECTED, S.NOT_SENT)
    assert "10027" in second.note
    desk.beat(900_000)
    assert desk.dispatcher.halts
    desk.venue.trade_allowed = True
    desk.beat()
    assert desk.dispatcher.halts == ()
    assert "halt_lifted" in desk.kinds()
    assert desk.pages.settled == ["halt "]


def test_disabled_symbol_halts_that_symbol_alone(orders: Make) -> None:
    desk = orders(entry("a"), entry("b", symbol="XAUUSD"))
    desk.venue.answers = [10017]
    first, second = desk.dispatcher.send_all(desk.requests, NOW_MS)
    assert (first.state, second.state) == (S.REJECTED, S.PROTECTED)


def test_nothing_is_sent_after_an_unknown_outcome(orders: Make) -> None:
    desk = orders(entry("a"), entry("b"))
    desk.venue.answers = [LOST]
    desk.send()
    assert (desk.state("a"), desk.state("b")) == (S.UNKNOWN, S.NOT_SENT)


def test_entries_stop_before_the_request_budget_is_spent(orders: Make) -> None:
    many = [entry(f"e{number}") for number in range(6)]
    desk = orders(*many, settings=OrderSettings(requests_per_hour=5, reserved_for_exits=2))
    states = [each.state for each in desk.dispatcher.send_all(many, NOW_MS)]
    assert states == [S.PROTECTED] * 3 + [S.NOT_SENT] * 3


def test_budget_counts_what_was_sent_before_a_restart(orders: Make) -> None:
    two = [entry("a"), entry("b")]
    desk = orders(*two, settings=OrderSettings(requests_per_hour=1))
    assert desk.dispatcher.send_all(two[:1], NOW_MS)[0].state is S.PROTECTED
    desk.restart()
    assert desk.dispatcher.send_all(two[1:], NOW_MS)[0].state is S.NOT_SENT


def test_dry_dispatcher_sends_nothing(orders: Make) -> None:
    desk = orders(dry=True)
    assert desk.send() is S.DRY is desk.state()
    assert desk.venue.sent == []
    assert desk.beat() == ()
