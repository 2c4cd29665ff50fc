"""A part is closed once: never repeated while nobody knows, and left alone once it is done."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from broker.contract.constants import DealReason, Filling, OrderType
from broker.contract.errors import BrokerUnavailable
from broker.contract.retcodes import RETCODES, RetcodeClass
from tests.execution.venue import LOST, NOW_MS, Orders, entry
from tests.trading.test_journal import OPEN_MS, make_bar
from trading.execution.intents import IntentState, LevelsRequest
from trading.execution.settings import OrderSettings

Make = Callable[..., Orders]
S = IntentState
BAR_MS = 900_000
PART = "7719-BTCUSD-1-PART-0"


def part(name: str = PART, **changes: Any) -> Any:
    words = {"type": OrderType.SELL, "position": 1000, "volume": 0.04, "sl": None, "tp": None,
             "price": None}  # fmt: skip
    return entry(name, **(words | changes))


def holding(orders: Make, *more: Any) -> Orders:
    """A protected position 1000 of 0.1 lots, and a decided part of 0.04 of it."""
    desk = orders()
    desk.send()
    desk.requests = [part(), *more]
    desk.journal.decided(make_bar(OPEN_MS + BAR_MS), desk.requests)
    desk.venue.sent.clear()
    return desk


def test_part_leaves_the_rest_behind_its_stops(orders: Make) -> None:
    desk = holding(orders)
    assert desk.send() is S.FILLED
    left = desk.venue.held[1000]
    assert (left.volume, left.sl, left.tp) == (0.06, 99_500.0, 100_700.0)
    assert desk.state() is S.PROTECTED
    assert not desk.dispatcher.open_work


def test_part_is_written_down_before_it_is_sent(orders: Make) -> None:
    desk = holding(orders)
    seen: list[IntentState | None] = []
    desk.venue.answers = [lambda _: seen.append(desk.state(PART)) or 10009]
    desk.send()
    assert seen == [S.SENT]


def test_part_that_is_filled_in_part_is_left_at_that(orders: Make) -> None:
    desk = holding(orders)
    desk.venue.fill_share, desk.venue.answers = 0.5, [10010]
    assert desk.send() is S.PARTIAL
    desk.venue.fill_share = 1.0
    assert desk.beats(10) == ()
    assert desk.venue.held[1000].volume == 0.08
    assert len(desk.venue.sent) == 1


FRESH = [code for code, each in RETCODES.items() if each.class_ is RetcodeClass.FRESH]
UNKNOWN = [10008, 10011, 10012, 10028, 10031]
DONE = [0, 10009, 10010, 10025]


@pytest.mark.parametrize("code", FRESH, ids=lambda code: RETCODES[code].name)
def test_part_refused_for_its_price_is_asked_again_at_once(orders: Make, code: int) -> None:
    desk = holding(orders)
    desk.venue.answers = [code]
    assert desk.send() is S.FILLED
    assert [each.client_id for each in desk.venue.sent] == [PART, f"{PART}r1"]
    assert desk.venue.held[1000].volume == 0.06


def test_part_is_refused_for_good_after_as_many_answers_as_the_table_allows(orders: Make) -> None:
    desk = holding(orders)
    desk.venue.answers = [10004, 10004, 10004, 10004]
    assert desk.send() is S.REJECTED
    assert len(desk.venue.sent) == 3
    assert not desk.dispatcher.open_work


def test_other_filling_is_tried_where_the_first_is_not_taken(orders: Make) -> None:
    desk = holding(orders)
    desk.venue.answers = [10030]
    desk.send()
    assert [each.type_filling for each in desk.venue.sent] == [Filling.FOK, Filling.IOC]


@pytest.mark.parametrize(
    "code", sorted(set(RETCODES) - {*FRESH, *UNKNOWN, *DONE}), ids=lambda code: RETCODES[code].name
)
def test_part_that_is_refused_otherwise_is_not_asked_again(orders: Make, code: int) -> None:
    desk = holding(orders)
    desk.venue.answers = [code]
    assert desk.send() is S.REJECTED
    assert desk.beats(5) == ()
    assert len(desk.venue.sent) == 1
    assert desk.pages.keys == []


@pytest.mark.parametrize("dialect", ["native", "mt5-httpapi"])
@pytest.mark.parametrize("code", UNKNOWN)
def test_part_of_unknown_outcome_is_never_repeated(orders: Make, code: int, dialect: str) -> None:
    desk = holding(orders)
    desk.venue.dialect = dialect
    desk.venue.answers = [code]
    assert desk.send() is S.UNKNOWN
    assert desk.beats(39) == (PART,), "entries wait"
    assert desk.beats(3) == ()
    assert desk.state(PART) is S.NOT_EXECUTED
    assert len(desk.venue.sent) == 1
    assert desk.venue.held[1000].volume == 0.1


def test_lost_answer_of_an_executed_part_is_found_by_its_deal(orders: Make) -> None:
    desk = holding(orders)
    desk.venue.answers = ["executed, answer lost"]
    assert desk.send() is S.UNKNOWN
    assert desk.beat() == ()
    assert desk.state(PART) is S.FILLED
    assert desk.venue.held[1000].volume == 0.06


def test_part_whose_deal_is_not_in_the_history_yet_is_seen_by_the_positions_volume(
    orders: Make,
) -> None:
    desk = holding(orders)
    known = list(desk.venue.history)
    desk.venue.answers = ["executed, answer lost"]
    desk.send()
    desk.venue.history = known
    assert desk.beat() == ()
    assert desk.state(PART) is S.FILLED
    assert len(desk.venue.sent) == 1


def test_late_fill_of_an_unknown_part_is_found_and_not_doubled(orders: Make) -> None:
    desk = holding(orders)
    desk.venue.answers = [LOST]
    desk.send()
    desk.beats(20)
    desk.venue.execute(desk.venue.sent[0])
    assert desk.beat() == ()
    assert desk.state(PART) is S.FILLED
    assert desk.venue.held[1000].volume == 0.06


def test_entry_waits_for_the_part_before_it_and_a_close_does_not(orders: Make) -> None:
    desk = holding(orders, entry("x", position=2000, type=OrderType.SELL), entry("y"))
    desk.venue.answers = [LOST, 10036]
    desk.send()
    assert desk.state("y") is S.NOT_SENT
    assert [each.client_id for each in desk.venue.sent] == [PART, "x"]


def test_second_part_of_a_position_waits_until_the_first_is_known(orders: Make) -> None:
    desk = holding(orders)
    desk.venue.answers = [LOST]
    desk.send()
    other = [part("7719-BTCUSD-2-PART-0", magic=7719 << 32 | 9)]
    desk.journal.decided(make_bar(OPEN_MS + 2 * BAR_MS), other)
    (sent,) = desk.dispatcher.send_all(other, desk.venue.now_ms)
    assert (sent.state, sent.note) == (
        S.NOT_SENT, "another partial close of this position has no outcome yet",
    )  # fmt: skip


def test_position_that_is_being_closed_is_not_parted(orders: Make) -> None:
    desk = holding(orders)
    close = [entry("x", position=1000, type=OrderType.SELL, sl=None, tp=None, price=None)]
    desk.journal.decided(make_bar(OPEN_MS + 2 * BAR_MS), close)
    desk.venue.answers = [10018]
    desk.dispatcher.send_all(close, desk.venue.now_ms)
    assert desk.send() is S.NOT_SENT
    assert len(desk.venue.sent) == 1


def test_close_of_a_position_whose_part_is_unknown_takes_what_is_left(orders: Make) -> None:
    desk = holding(orders)
    desk.venue.answers = ["executed, answer lost", 10038]
    desk.send()
    close = [entry("x", position=1000, type=OrderType.SELL, sl=None, tp=None, price=None)]
    desk.journal.decided(make_bar(OPEN_MS + 2 * BAR_MS), close)
    (sent,) = desk.dispatcher.send_all(close, desk.venue.now_ms)
    assert sent.state is S.FILLED
    assert [each.volume for each in desk.venue.sent] == [0.04, 0.1, 0.06]
    assert desk.venue.held == {}


@pytest.mark.parametrize("dialect", ["native", "mt5-httpapi"])
def test_part_that_was_never_sent_goes_out_once_after_a_restart(orders: Make, dialect: str) -> None:
    desk = holding(orders)
    desk.venue.dialect = dialect
    desk.restart()
    assert desk.beats(2) == ()
    assert [each.client_id for each in desk.venue.sent] == [PART]
    assert desk.state(PART) is S.FILLED


def test_part_that_was_never_sent_is_dropped_when_its_time_is_over(orders: Make) -> None:
    desk = holding(orders)
    desk.restart()
    assert desk.beat(300_001) == ()
    assert desk.venue.sent == []
    assert desk.state(PART) is S.NOT_EXECUTED


def test_part_marked_as_sent_before_a_restart_is_asked_about(orders: Make) -> None:
    desk = holding(orders)
    desk.journal.set_state(PART, S.SENT, NOW_MS)
    desk.venue.execute(desk.requests[0])
    desk.restart()
    assert desk.beats(2) == ()
    assert desk.venue.sent == []
    assert desk.state(PART) is S.FILLED


def test_part_marked_as_sent_is_never_sent_again_to_a_bridge_that_forgets(orders: Make) -> None:
    desk = holding(orders)
    desk.venue.dialect = "mt5-httpapi"
    desk.journal.set_state(PART, S.SENT, NOW_MS)
    desk.restart()
    assert desk.beats(60) == ()
    assert desk.venue.sent == []
    assert desk.state(PART) is S.NOT_EXECUTED


def test_unknown_part_survives_a_restart(orders: Make) -> None:
    desk = holding(orders)
    desk.venue.answers = ["executed, answer lost"]
    desk.send()
    desk.restart()
    assert desk.beat() == ()
    assert desk.state(PART) is S.FILLED
    assert len(desk.venue.sent) == 1


def test_unknown_part_of_a_position_that_was_stopped_out_comes_to_an_end(orders: Make) -> None:
    desk = holding(orders)
    desk.venue.answers = [LOST]
    desk.send()
    desk.venue.reduce(1000, 0.1, reason=DealReason.SL)
    assert desk.beats(45) == ()
    assert desk.state(PART) is S.NOT_EXECUTED


def test_bridge_that_was_not_reached_took_no_part(orders: Make) -> None:
    desk = holding(orders)
    desk.venue.answers = [BrokerUnavailable("away")]
    assert desk.send() is S.NOT_SENT
    assert desk.beat() == ()
    assert len(desk.venue.sent) == 1


def test_parts_and_levels_count_as_requests_and_are_never_held_back(orders: Make) -> None:
    desk = orders(settings=OrderSettings(requests_per_hour=2, reserved_for_exits=1))
    desk.send()
    move = LevelsRequest("BTCUSD", 1000, 99_900.0, 101_000.0, "7719-BTCUSD-1-LEVELS-1")
    desk.requests = [part(), move, entry("y")]
    desk.journal.decided(make_bar(OPEN_MS + BAR_MS), desk.requests)
    desk.send()
    assert (desk.state(PART), desk.state(move.client_id)) == (S.FILLED, S.FILLED)
    assert desk.state("y") is S.NOT_SENT
    assert len(desk.journal.sent_since(0)) == 3


def test_dry_run_sends_neither_parts_nor_levels(orders: Make) -> None:
    move = LevelsRequest("BTCUSD", 1000, 99_900.0, 101_000.0, "7719-BTCUSD-1-LEVELS-1")
    desk = orders(part(), move, dry=True)
    assert desk.send() is S.DRY
    assert desk.beats(3) == ()
    assert (desk.venue.sent, desk.venue.modified) == ([], [])
    assert desk.state(move.client_id) is S.DRY


def test_retry_never_closes_what_became_too_small(orders: Make) -> None:
    desk = holding(orders)

    def somebody_closed_most(_: object) -> int:
        desk.venue.held[1000] = replace(desk.venue.held[1000], volume=0.04)
        return 10004

    desk.venue.answers = [somebody_closed_most]
    assert desk.send() is S.REJECTED
    assert len(desk.venue.sent) == 1


def test_every_code_of_the_table_is_covered_here() -> None:
    assert set(FRESH) & set(UNKNOWN) == set()
    assert {*FRESH, *UNKNOWN, *DONE} < set(RETCODES)
