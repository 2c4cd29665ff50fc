"""A close goes on until the position is gone, and can never open one."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from broker.contract.constants import Filling, OrderType
from broker.contract.errors import BrokerUnavailable
from broker.contract.retcodes import RETCODES
from tests.execution.venue import LOST, Orders, entry
from tests.trading.test_journal import OPEN_MS, make_bar
from trading.execution.intents import IntentState

Make = Callable[..., Orders]
S = IntentState
BAR_MS = 900_000


def holding(orders: Make, **spec: int) -> Orders:
    """A protected position 1000 of 0.1 lots, and a decided close `x` of it."""
    desk = orders()
    desk.venue.spec = replace(desk.venue.spec, **spec)
    desk.send()
    desk.requests = [
        entry("x", type=OrderType.SELL, position=1000, sl=None, tp=None, price=None)
    ]  # fmt: skip
    desk.journal.decided(make_bar(OPEN_MS + BAR_MS), desk.requests)
    desk.venue.sent.clear()
    return desk


def test_close_is_done_with_one_request(orders: Make) -> None:
    desk = holding(orders)
    assert desk.send() is S.FILLED
    assert desk.venue.held == {}
    assert not desk.dispatcher.open_work


def test_entries_wait_for_the_close_before_them(orders: Make) -> None:
    desk = holding(orders)
    desk.venue.answers = [10018]
    desk.requests = [*desk.requests, entry("y")]
    desk.journal.decided(make_bar(OPEN_MS + 2 * BAR_MS), desk.requests[1:])
    desk.send()
    assert desk.state("y") is S.NOT_SENT


TWICE = [10004, 10006, 10007, 10013, 10014, 10015, 10016, 10019, 10020, 10022, 10023, 10030, 10032,
         10033, 10034, 10035, 10036, 10038, 10040, 10041, 10042, 10043, 10044, 10045,
         10046]  # fmt: skip
LATER = {10017: 60_000, 10018: 60_000, 10021: 1_000, 10024: 5_000, 10026: 60_000, 10027: 60_000,
         10028: 3_000, 10029: 1_000, 10039: 3_000}  # fmt: skip


@pytest.mark.parametrize("code", TWICE, ids=lambda code: RETCODES[code].name)
def test_refused_close_is_sent_again_at_once_under_a_new_name(orders: Make, code: int) -> None:
    desk = holding(orders)
    desk.venue.answers = [code]
    assert desk.send() is S.FILLED
    assert [each.client_id for each in desk.venue.sent] == ["x", "xc1"]
    assert desk.venue.held == {}


@pytest.mark.parametrize("code", sorted(LATER), ids=lambda code: RETCODES[code].name)
def test_close_that_has_to_wait_goes_on_after_its_pause(orders: Make, code: int) -> None:
    desk = holding(orders)
    desk.venue.answers = [code]
    desk.send()
    assert desk.dispatcher.open_work
    desk.beat(LATER[code] - 1)
    assert len(desk.venue.sent) == 1
    assert desk.beat(1) == ()
    assert desk.venue.held == {}


@pytest.mark.parametrize("code", [10011, 10012, 10031, 10008])
def test_close_of_unknown_outcome_is_asked_about_before_it_is_sent_again(
    orders: Make, code: int
) -> None:
    desk = holding(orders)
    desk.venue.answers = [code]
    assert desk.send() is S.UNKNOWN
    desk.beat(2_999)
    assert len(desk.venue.sent) == 1
    desk.beat(1)
    desk.beat(0)
    assert [each.client_id for each in desk.venue.sent] == ["x", "xc1"]
    assert (desk.state("x"), desk.state("xc1")) == (S.NOT_EXECUTED, S.FILLED)


def test_position_that_is_gone_needs_no_close(orders: Make) -> None:
    desk = holding(orders)
    desk.venue.reduce(1000, 0.1)
    desk.venue.answers = [10036]
    assert desk.send() is S.NOT_EXECUTED
    assert len(desk.venue.sent) == 1
    assert not desk.dispatcher.open_work


def test_every_code_of_the_table_is_covered_here() -> None:
    covered = {*TWICE, *LATER, 10011, 10012, 10031, 10008}
    assert set(RETCODES) - covered == {0, 10009, 10010, 10025}


def test_lost_answer_of_an_executed_close_is_found_by_its_deal(orders: Make) -> None:
    desk = holding(orders)
    desk.venue.answers = ["executed, answer lost"]
    assert desk.send() is S.UNKNOWN
    assert desk.beat() == ()
    assert desk.state("x") is S.FILLED
    assert len(desk.venue.sent) == 1


def test_unknown_close_with_its_deal_not_in_the_history_yet_needs_two_looks(orders: Make) -> None:
    desk = holding(orders)
    desk.venue.answers = ["executed, answer lost"]
    desk.send()
    desk.venue.hides_deals = True
    assert desk.beat() == ("x",)
    assert desk.beat(10_000) == ()
    assert desk.state("x") is S.FILLED


def test_partial_close_goes_on_with_the_rest(orders: Make) -> None:
    desk = holding(orders)
    desk.venue.fill_share = 0.6
    desk.venue.answers = [10010]
    desk.send()
    desk.venue.fill_share = 1.0
    desk.beats(3)
    assert desk.venue.held == {}
    assert [each.volume for each in desk.venue.sent][:2] == [0.1, 0.04]


def test_volume_that_is_no_longer_true_is_read_again(orders: Make) -> None:
    desk = holding(orders)

    def somebody_closed_a_part(_: object) -> int:
        desk.venue.reduce(1000, 0.04)
        return 10038

    desk.venue.answers = [somebody_closed_a_part]
    assert desk.send() is S.FILLED
    assert [each.volume for each in desk.venue.sent] == [0.1, 0.06]


def test_other_filling_is_tried_and_a_person_is_paged_while_it_goes_on(orders: Make) -> None:
    desk = holding(orders)
    desk.venue.answers = [10006] * 9
    desk.send()
    for _ in range(200):
        desk.beat()
    assert [each.type_filling for each in desk.venue.sent[:4]] == [
        Filling.FOK, Filling.FOK, Filling.IOC, Filling.FOK,
    ]  # fmt: skip
    assert desk.pages.keys == ["close 1000"]
    assert desk.venue.held == {}
    assert len(desk.venue.sent) == 10


def test_symbol_that_takes_fok_only_is_closed_with_fok(orders: Make) -> None:
    desk = holding(orders, filling_mode=1)
    assert desk.send() is S.FILLED
    assert desk.venue.sent[0].type_filling is Filling.FOK


def test_algo_trading_switched_off_pages_at_once(orders: Make) -> None:
    desk = holding(orders)
    desk.venue.answers = [10027]
    desk.send()
    assert desk.pages.keys == ["close 1000"]


def test_bridge_that_goes_away_in_between_does_not_end_the_ladder(orders: Make) -> None:
    desk = holding(orders)

    def refuse_and_go(_: object) -> int:
        desk.venue.failing = BrokerUnavailable("away")
        return 10006

    desk.venue.answers = [refuse_and_go]
    assert desk.send() is S.PENDING
    desk.venue.failing = None
    assert desk.beat() == ()
    assert desk.venue.held == {}


def test_ladder_goes_on_after_a_restart(orders: Make) -> None:
    desk = holding(orders)
    desk.venue.answers = [10018]
    desk.send()
    desk.restart()
    assert desk.beat() == ()
    assert desk.venue.held == {}


def test_absence_is_believed_after_two_healthy_looks_only(orders: Make) -> None:
    desk = holding(orders)
    desk.venue.answers = [10018]
    desk.send()
    desk.venue.hides_positions = True
    desk.beat(60_000)
    assert desk.dispatcher.open_work, "margin is bound: the read lies"
    desk.venue.hides_positions = False
    desk.beat()
    assert desk.venue.held == {}


def test_position_that_went_without_a_deal_is_gone_after_a_second_look(orders: Make) -> None:
    desk = holding(orders)
    desk.venue.answers = [10018]
    desk.send()
    desk.venue.hides_deals = True
    desk.venue.reduce(1000, 0.1)
    assert desk.beat(60_000) == ("xc1",)
    assert desk.beat(4_999) == ("xc1",)
    assert desk.beat(1) == ()
    assert len(desk.venue.sent) == 1


def test_second_close_of_a_position_that_is_being_closed_is_not_sent(orders: Make) -> None:
    desk = holding(orders)
    desk.venue.answers = [LOST]
    desk.send()
    again = [replace(desk.requests[0], client_id="z", magic=1)]
    desk.journal.decided(make_bar(OPEN_MS + 3 * BAR_MS), again)
    (sent,) = desk.dispatcher.send_all(again, desk.venue.now_ms)
    assert sent.state is S.NOT_SENT


def test_close_all_takes_the_largest_loser_first_and_leaves_foreign_positions(orders: Make) -> None:
    entries = [entry(name) for name in "abc"]
    desk = orders(*entries, entry("f", magic=5))
    desk.send()
    profits = {1000: -5.0, 1001: 3.0, 1002: -80.0, 1003: -500.0}
    for ticket, profit in profits.items():
        desk.venue.held[ticket] = replace(desk.venue.held[ticket], profit=profit)
    desk.venue.sent.clear()
    desk.venue.answers = [10018]
    desk.dispatcher.close_all(
        "BTCUSD", "test", desk.venue.now_ms, ours=lambda magic: magic >> 32 == 7719
    )
    assert [each.position for each in desk.venue.sent] == [1002, 1000, 1001]
    assert desk.dispatcher.open_work
    desk.beat(60_000)
    desk.beat()
    assert list(desk.venue.held) == [1003]
    assert not desk.dispatcher.open_work
    assert "all_closed" in desk.kinds()
