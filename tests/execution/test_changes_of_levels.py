"""Decided levels: written down, sent, read back, and what the guard then holds a position to."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from broker.contract.constants import DealReason, OrderType
from broker.contract.errors import BrokerUnavailable
from broker.contract.retcodes import RETCODES
from tests.execution.venue import LOST, NOW_MS, Orders, entry
from tests.trading.test_journal import OPEN_MS, make_bar
from trading.execution.intents import IntentState, LevelsRequest

Make = Callable[..., Orders]
S = IntentState
BAR_MS = 900_000
MOVE = "7719-BTCUSD-1-LEVELS-0"
AWAY = BrokerUnavailable("away")


def change(name: str = MOVE, sl: float = 99_900.0, tp: float = 101_000.0) -> LevelsRequest:
    return LevelsRequest("BTCUSD", 1000, sl, tp, name)


def holding(orders: Make, *more: Any, sl: float = 99_900.0) -> Orders:
    """A protected long 1000 from 100,000 (stop 99,500, target 100,700) and a decided change of its
    levels to 99,900 and 101,000."""
    desk = orders()
    desk.send()
    desk.requests = [change(sl=sl), *more]
    desk.journal.decided(make_bar(OPEN_MS + BAR_MS), desk.requests)
    desk.venue.sent.clear()
    return desk


def levels(desk: Orders) -> tuple[float, float]:
    return desk.venue.held[1000].sl, desk.venue.held[1000].tp


def test_change_is_done_with_one_request_and_read_back(orders: Make) -> None:
    desk = holding(orders)
    assert desk.send() is S.FILLED
    assert levels(desk) == (99_900.0, 101_000.0)
    assert desk.venue.modified == [(1000, 99_900.0, 101_000.0, MOVE)]
    assert not desk.dispatcher.open_work
    assert desk.state() is S.PROTECTED


def test_change_is_written_down_before_it_is_sent(orders: Make) -> None:
    desk = holding(orders)
    desk.send()
    kinds = [kind for kind in desk.kinds() if kind.startswith("order_")]
    assert kinds[-3:] == ["order_pending", "order_sent", "order_filled"]


def test_levels_that_stand_already_count_as_set(orders: Make) -> None:
    desk = holding(orders)
    desk.venue.held[1000] = replace(desk.venue.held[1000], sl=99_900.0, tp=101_000.0)
    desk.venue.levels_answers = [10025]
    assert desk.send() is S.FILLED


UNKNOWN = [10011, 10012, 10031]


@pytest.mark.parametrize(
    "code", sorted(set(RETCODES) - {*UNKNOWN, 0, 10008, 10009, 10025}),
    ids=lambda code: RETCODES[code].name,
)  # fmt: skip
def test_refused_change_is_left_to_the_next_bar(orders: Make, code: int) -> None:
    desk = holding(orders)
    desk.venue.levels_answers = [code]
    assert desk.send() is S.REJECTED
    assert desk.beats(5) == ()
    assert len(desk.venue.modified) == 1
    assert levels(desk) == (99_500.0, 100_700.0), "the old stop stands"


def test_lost_answer_of_a_change_is_read_from_the_position(orders: Make) -> None:
    desk = holding(orders)
    desk.venue.levels_answers = ["done, answer lost"]
    assert desk.send() is S.UNKNOWN
    assert desk.beat() == ()
    assert desk.state(MOVE) is S.FILLED
    assert len(desk.venue.modified) == 1


@pytest.mark.parametrize("dialect", ["native", "mt5-httpapi"])
@pytest.mark.parametrize("answer", [LOST, *UNKNOWN], ids=str)
def test_change_that_was_not_made_is_asked_for_again(
    orders: Make, answer: object, dialect: str
) -> None:
    desk = holding(orders)
    desk.venue.dialect = dialect
    desk.venue.levels_answers = [answer]
    assert desk.send() is S.UNKNOWN
    assert desk.beat(2_999) == (MOVE,), "entries wait"
    assert desk.beat(1) == ()
    assert (desk.state(MOVE), desk.state(f"{MOVE}r1")) == (S.NOT_EXECUTED, S.FILLED)
    assert levels(desk) == (99_900.0, 101_000.0)


def test_change_is_given_up_after_three_requests(orders: Make) -> None:
    desk = holding(orders)
    desk.venue.levels_answers = [LOST] * 9
    desk.send()
    assert desk.beats(10) == ()
    assert [name for *_, name in desk.venue.modified] == [MOVE, f"{MOVE}r1", f"{MOVE}r2"]
    assert desk.state(f"{MOVE}r2") is S.NOT_EXECUTED
    assert levels(desk) == (99_500.0, 100_700.0)


def test_answer_that_the_position_does_not_bear_out_is_no_answer(orders: Make) -> None:
    desk = holding(orders)
    desk.venue.levels_answers = [10025]
    assert desk.send() is S.UNKNOWN
    assert desk.beat() == ()
    assert desk.state(f"{MOVE}r1") is S.FILLED
    assert levels(desk) == (99_900.0, 101_000.0)


def test_change_that_could_not_be_read_back_is_read_later(orders: Make) -> None:
    desk = holding(orders)

    def done_and_away() -> int:
        desk.venue.held[1000] = replace(desk.venue.held[1000], sl=99_900.0, tp=101_000.0)
        desk.venue.failing = AWAY
        return 10009

    desk.venue.levels_answers = [done_and_away]
    assert desk.send() is S.UNKNOWN
    desk.venue.failing = None
    assert desk.beat() == ()
    assert desk.state(MOVE) is S.FILLED


def test_change_is_not_repeated_where_the_stop_stands_nearer_by_now(orders: Make) -> None:
    desk = holding(orders)
    desk.venue.levels_answers = [LOST]
    desk.send()
    desk.venue.held[1000] = replace(desk.venue.held[1000], sl=99_950.0)
    assert desk.beat() == ()
    assert desk.state(MOVE) is S.NOT_EXECUTED
    assert levels(desk)[0] == 99_950.0


def test_position_that_is_gone_ends_its_change(orders: Make) -> None:
    desk = holding(orders)
    desk.venue.levels_answers = [LOST]
    desk.send()
    desk.venue.reduce(1000, 0.1, reason=DealReason.SL)
    assert desk.beat() == ()
    assert desk.state(MOVE) is S.NOT_EXECUTED


def test_absence_of_the_position_is_believed_only_where_the_margin_agrees(orders: Make) -> None:
    desk = holding(orders)
    desk.venue.levels_answers = ["done, answer lost"]
    desk.send()
    desk.venue.hides_positions = True
    assert desk.beats(5) == (MOVE,)
    desk.venue.hides_positions = False
    assert desk.beat() == ()
    assert desk.state(MOVE) is S.FILLED


def test_entry_waits_for_the_change_before_it(orders: Make) -> None:
    desk = holding(orders, entry("y"))
    desk.venue.levels_answers = [LOST]
    desk.send()
    assert desk.state("y") is S.NOT_SENT


def test_other_change_of_the_position_waits_until_the_first_is_known(orders: Make) -> None:
    desk = holding(orders)
    desk.venue.levels_answers = [LOST]
    desk.send()
    newer = [change("7719-BTCUSD-2-LEVELS-0", sl=99_950.0)]
    desk.journal.decided(make_bar(OPEN_MS + 2 * BAR_MS), newer)
    (sent,) = desk.dispatcher.send_all(newer, desk.venue.now_ms)
    assert sent.state is S.NOT_SENT
    assert len(desk.venue.modified) == 1


def test_levels_of_a_position_that_is_being_closed_stay(orders: Make) -> None:
    desk = holding(orders)
    close = [entry("x", position=1000, type=OrderType.SELL, sl=None, tp=None, price=None)]
    desk.journal.decided(make_bar(OPEN_MS + 2 * BAR_MS), close)
    desk.venue.answers = [10018]
    desk.dispatcher.send_all(close, desk.venue.now_ms)
    assert desk.send() is S.NOT_SENT
    assert desk.venue.modified == []


# restarts


def test_change_that_was_never_sent_goes_out_after_a_restart(orders: Make) -> None:
    desk = holding(orders)
    desk.restart()
    assert desk.beat() == ()
    assert desk.state(MOVE) is S.FILLED
    assert len(desk.venue.modified) == 1


def test_change_that_was_never_sent_is_dropped_after_five_minutes(orders: Make) -> None:
    desk = holding(orders)
    desk.restart()
    assert desk.beat(BAR_MS + 300_001) == ()
    assert desk.state(MOVE) is S.NOT_EXECUTED
    assert desk.venue.modified == []


@pytest.mark.parametrize("made", [True, False])
def test_change_marked_as_sent_before_a_restart_is_read_from_the_position(
    orders: Make, made: bool
) -> None:
    desk = holding(orders)
    desk.journal.set_state(MOVE, S.SENT, NOW_MS)
    if made:
        desk.venue.held[1000] = replace(desk.venue.held[1000], sl=99_900.0, tp=101_000.0)
    desk.restart()
    assert desk.beats(2) == ()
    assert desk.state(MOVE) is (S.FILLED if made else S.NOT_EXECUTED)
    assert levels(desk) == (99_900.0, 101_000.0)
    assert len(desk.venue.modified) == (0 if made else 1)


def test_unknown_change_survives_a_restart(orders: Make) -> None:
    desk = holding(orders)
    desk.venue.levels_answers = ["done, answer lost"]
    desk.send()
    desk.restart()
    assert desk.beat() == ()
    assert desk.state(MOVE) is S.FILLED


# the guard


def lost_stops(desk: Orders) -> None:
    """The venue drops both levels; reconciliation tells the dispatcher."""
    desk.venue.held[1000] = replace(desk.venue.held[1000], sl=0.0, tp=0.0)
    assert desk.dispatcher.reprotect(desk.venue.held[1000], desk.venue.now_ms)


@pytest.mark.parametrize("restarted", [False, True])
def test_lost_stops_come_back_where_they_were_last_decided(orders: Make, restarted: bool) -> None:
    desk = holding(orders)
    desk.send()
    if restarted:
        desk.restart()
    lost_stops(desk)
    assert desk.beat() == ()
    assert levels(desk) == (99_900.0, 101_000.0)
    assert desk.state() is S.PROTECTED


def test_lost_stops_come_back_where_they_were_before_a_change_that_was_refused(
    orders: Make,
) -> None:
    desk = holding(orders)
    desk.venue.levels_answers = [10016]
    desk.send()
    lost_stops(desk)
    desk.beat()
    assert levels(desk) == (99_500.0, 100_700.0)


def test_lost_stop_at_break_even_may_stand_further_out_by_a_part_of_the_entrys_risk(
    orders: Make,
) -> None:
    desk = holding(orders, sl=100_000.0)
    desk.venue.bid, desk.venue.ask = 100_010.0, 100_012.0
    desk.send()
    desk.venue.spec = replace(desk.venue.spec, trade_stops_level=5_000)
    lost_stops(desk)
    desk.beat()
    assert levels(desk)[0] == 99_960.0, "40 points of price further out; the entry risked 500"
    assert desk.state() is S.PROTECTED


def test_lost_stop_that_the_venue_takes_only_much_further_out_closes(orders: Make) -> None:
    desk = holding(orders, sl=100_000.0)
    desk.venue.bid, desk.venue.ask = 100_010.0, 100_012.0
    desk.send()
    desk.venue.spec = replace(desk.venue.spec, trade_stops_level=13_600)
    lost_stops(desk)
    desk.beat()
    assert desk.state() is S.EMERGENCY_CLOSED, "126 further out; a quarter of 500 is 125"
    assert len(desk.venue.modified) == 1, "nothing is asked for first"


def test_market_beyond_the_newest_stop_closes_at_once(orders: Make) -> None:
    desk = holding(orders)
    desk.send()
    desk.venue.bid = 99_800.0
    lost_stops(desk)
    desk.beat()
    assert desk.venue.held == {}
    assert desk.state() is S.EMERGENCY_CLOSED


def test_entry_that_is_not_protected_yet_is_guarded_by_what_was_decided_since(
    orders: Make,
) -> None:
    desk = orders()
    desk.venue.drops_stops = True
    desk.venue.levels_answers = [10029]
    assert desk.send() is S.FILLED
    desk.journal.decided(make_bar(OPEN_MS + BAR_MS), [change()])
    desk.dispatcher.send_all([change()], desk.venue.now_ms)
    assert desk.beat() == ()
    assert desk.state() is S.PROTECTED
    assert levels(desk) == (99_900.0, 101_000.0)
    assert len(desk.venue.modified) == 2
