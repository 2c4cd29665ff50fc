"""A filled entry bears its stops within seconds, or it is closed (D14)."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from broker.contract.constants import DealReason, OrderType
from broker.contract.errors import BrokerUnavailable
from tests.execution.venue import LOST, NOW_MS, Orders, entry
from trading.execution.intents import IntentState

Make = Callable[..., Orders]
S = IntentState


def naked(orders: Make) -> Orders:
    """A venue that fills entries and drops their stops."""
    desk = orders()
    desk.venue.drops_stops = True
    return desk


def naked_ms(desk: Orders) -> list[int]:
    return [payload["naked_ms"] for _, _, payload in desk.journal.events("naked")]


def test_dropped_stops_are_set_at_once(orders: Make) -> None:
    desk = naked(orders)
    assert desk.send() is S.PROTECTED
    ((_, sl, tp, client_id),) = desk.venue.modified
    assert (sl, tp, client_id) == (99_500.0, 100_700.0, "as1")
    assert desk.state("as1") is S.FILLED
    assert naked_ms(desk) == [0]


def test_change_of_stops_is_written_down_before_it_is_sent(orders: Make) -> None:
    desk = naked(orders)
    desk.send()
    kinds = [k for k in desk.kinds() if k.startswith("order_")]
    assert kinds == [
        "order_pending", "order_sent", "order_filled", "order_pending", "order_sent",
        "order_filled", "order_protected",
    ]  # fmt: skip


def test_stops_that_stand_already_count_as_set(orders: Make) -> None:
    desk = naked(orders)
    desk.venue.levels_answers = [10025]
    desk.send()
    assert desk.state("as1") is S.FILLED


def test_three_refused_changes_end_in_an_emergency_close(orders: Make) -> None:
    desk = naked(orders)
    desk.venue.levels_answers = [10016, 10016, 10016]
    assert desk.send() is S.EMERGENCY_CLOSED
    assert len(desk.venue.modified) == 3
    assert desk.venue.held == {}
    close = desk.venue.sent[-1]
    assert (close.client_id, close.position, close.type.name) == ("ac0", 1000, "SELL")
    assert close.magic >> 32 == 7719
    assert desk.pages.keys == ["emergency 1000"]
    assert naked_ms(desk) == [0]
    assert not desk.dispatcher.open_work


def test_each_change_asks_for_levels_further_out(orders: Make) -> None:
    desk = naked(orders)
    desk.venue.spec = replace(desk.venue.spec, trade_freeze_level=60_000)
    desk.venue.levels_answers = [10016, 10016]
    assert desk.send() is S.PROTECTED
    assert [sl for _, sl, _, _ in desk.venue.modified] == [99_398.0, 99_397.99, 99_397.98]


def test_frozen_change_waits_for_the_next_quote(orders: Make) -> None:
    desk = naked(orders)
    desk.venue.levels_answers = [10029]
    assert desk.send() is S.FILLED
    assert desk.dispatcher.open_work
    assert len(desk.venue.modified) == 1
    assert desk.beat() == ()
    assert desk.state() is S.PROTECTED
    assert naked_ms(desk) == [3_000]


def test_naked_for_six_seconds_is_closed_whatever_the_changes_do(orders: Make) -> None:
    desk = naked(orders)
    desk.venue.levels_answers = [10029, 10029, 10029, 10029]
    desk.send()
    desk.beats(2)
    assert desk.state() is S.EMERGENCY_CLOSED
    assert naked_ms(desk) == [6_000]


def test_lost_answer_of_a_change_is_read_from_the_position(orders: Make) -> None:
    desk = naked(orders)
    desk.venue.levels_answers = ["done, answer lost"]
    assert desk.send() is S.FILLED
    assert desk.state("as1") is S.UNKNOWN
    assert desk.beat() == ()
    assert desk.state() is S.PROTECTED
    assert len(desk.venue.modified) == 1


def test_lost_change_that_was_not_made_is_asked_anew(orders: Make) -> None:
    desk = naked(orders)
    desk.venue.levels_answers = [LOST]
    desk.send()
    desk.beat()
    assert (desk.state("as1"), desk.state("as2")) == (S.NOT_EXECUTED, S.FILLED)
    assert desk.state() is S.PROTECTED


def test_market_beyond_the_wanted_stop_closes_at_once(orders: Make) -> None:
    desk = naked(orders)
    desk.venue.answers = [lambda _: setattr(desk.venue, "bid", 99_400.0) or 10009]
    assert desk.send() is S.EMERGENCY_CLOSED
    assert desk.venue.modified == []


def test_stop_that_may_only_stand_much_further_away_closes(orders: Make) -> None:
    desk = naked(orders)
    desk.venue.spec = replace(desk.venue.spec, trade_stops_level=70_000)
    assert desk.send() is S.EMERGENCY_CLOSED


def test_position_that_shows_late_is_waited_for(orders: Make) -> None:
    desk = orders()
    desk.venue.hides_positions = True
    assert desk.send() is S.FILLED
    assert desk.beats(3) == ("a",)
    desk.venue.hides_positions = False
    assert desk.beat() == ()
    assert desk.state() is S.PROTECTED
    assert naked_ms(desk) == []


def test_position_that_never_shows_is_handed_over_and_paged(orders: Make) -> None:
    desk = orders()
    desk.venue.hides_positions = desk.venue.hides_deals = True
    desk.venue.margin = 0.0
    desk.send()
    assert desk.beats(50) == ()
    assert desk.state() is S.CLOSED
    assert desk.pages.keys == ["lost a"]


def test_position_stopped_out_before_it_was_read_back_is_closed(orders: Make) -> None:
    desk = orders()
    desk.venue.hides_positions = True
    desk.send()
    (held,) = desk.venue.held.values()
    desk.venue.reduce(held.ticket, held.volume, reason=DealReason.SL)
    desk.venue.hides_positions = False
    assert desk.beat() == ()
    assert desk.state() is S.CLOSED
    assert desk.pages.keys == []


def test_time_without_answers_is_not_counted_as_naked(orders: Make) -> None:
    desk = naked(orders)
    desk.venue.answers = [lambda _: setattr(desk.venue, "failing", BrokerUnavailable("x")) or 10009]
    assert desk.send() is S.FILLED
    desk.venue.now_ms += 60_000
    desk.dispatcher.beat(desk.venue.now_ms)
    desk.venue.failing = None
    desk.beat()
    assert desk.state() is S.PROTECTED
    assert naked_ms(desk) == [3_000]


def test_restart_goes_on_guarding_and_keeps_counting_changes(orders: Make) -> None:
    desk = naked(orders)
    desk.venue.levels_answers = [10029, 10016, 10016]
    desk.send()
    desk.restart()
    desk.beat()
    assert [each[3] for each in desk.venue.modified] == ["as1", "as2", "as3"]
    assert desk.state() is S.EMERGENCY_CLOSED


def test_restart_goes_on_with_an_emergency_close(orders: Make) -> None:
    desk = naked(orders)
    desk.venue.levels_answers = [10016] * 3
    desk.venue.answers = [10009, 10018]
    desk.send()
    assert desk.venue.held
    desk.restart()
    assert desk.beat(60_000) == ()
    assert desk.venue.held == {}
    assert desk.state() is S.EMERGENCY_CLOSED


def test_position_that_lost_its_stops_later_is_guarded_anew(orders: Make) -> None:
    desk = orders()
    desk.send()
    (held,) = desk.venue.held.values()
    desk.venue.held[held.ticket] = bare = replace(held, sl=0.0)
    desk.venue.now_ms += 1_000
    assert desk.dispatcher.reprotect(bare, desk.venue.now_ms)
    assert desk.beat(0) == ()
    assert desk.venue.held[held.ticket].sl == 99_500.0
    assert not desk.dispatcher.reprotect(replace(held, magic=5), NOW_MS)


def test_changes_are_counted_anew_when_stops_are_lost_again(orders: Make) -> None:
    desk = naked(orders)
    desk.venue.levels_answers = [10016, 10016]
    assert desk.send() is S.PROTECTED
    (held,) = desk.venue.held.values()
    desk.venue.held[held.ticket] = bare = replace(held, sl=0.0)
    desk.venue.now_ms += 60_000
    desk.dispatcher.reprotect(bare, desk.venue.now_ms)
    assert desk.beat(0) == ()
    assert desk.state() is S.PROTECTED
    assert len(desk.venue.modified) == 4


@pytest.mark.parametrize("kind", ["long", "short"])
def test_both_sides_are_guarded_alike(orders: Make, kind: str) -> None:
    short = {"type": OrderType.SELL, "price": 99_998.0, "sl": 100_500.0, "tp": 99_300.0}
    desk = orders(entry(**(short if kind == "short" else {})))
    desk.venue.drops_stops = True
    assert desk.send() is S.PROTECTED
    ((_, sl, tp, _),) = desk.venue.modified
    assert (sl, tp) == (desk.requests[0].sl, desk.requests[0].tp)
