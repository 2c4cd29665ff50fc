"""Unknown outcomes: the broker is asked, the symbol waits, nothing is sent a second time."""

from collections.abc import Callable

import pytest

from broker.contract.constants import DealReason
from broker.contract.errors import BrokerUnavailable
from tests.builders import make_deal
from tests.execution.venue import LOST, NOW_MS, Orders, entry
from trading.execution.intents import IntentState

Make = Callable[..., Orders]
S = IntentState


def unknown(orders: Make) -> Orders:
    """An entry whose answer was lost, and that was not executed (or not yet)."""
    desk = orders()
    desk.venue.answers = [LOST]
    assert desk.send() is S.UNKNOWN
    return desk


@pytest.mark.parametrize(
    ("report", "state"),
    [("filled", S.FILLED), ("partial", S.PARTIAL), ("rejected", S.REJECTED)],
)
def test_pending_intent_that_the_broker_knows_is_not_sent(
    orders: Make, report: str, state: IntentState
) -> None:
    desk = orders()
    desk.venue.reports = {"a": report}
    desk.beat(0)
    assert desk.venue.sent == []
    assert desk.state() is state


def test_pending_intent_that_nobody_knows_goes_out_once_while_it_is_valid(orders: Make) -> None:
    desk = orders()
    assert desk.beats(2) == ()
    assert [request.client_id for request in desk.venue.sent] == ["a"]
    assert desk.state() is S.PROTECTED


def test_pending_intent_whose_time_is_over_is_dropped(orders: Make) -> None:
    desk = orders()
    assert desk.beat(300_001) == ()
    assert desk.venue.sent == []
    assert desk.state() is S.NOT_EXECUTED


def test_pending_intent_waits_for_no_unknown_one(orders: Make) -> None:
    desk = orders(entry("a"), entry("b"))
    desk.venue.dialect = "mt5-httpapi"
    desk.journal.set_state("a", S.SENT, NOW_MS)
    desk.beat(0)
    assert (desk.state("a"), desk.state("b")) == (S.UNKNOWN, S.NOT_SENT)


def test_marked_as_sent_goes_out_again_to_a_bridge_that_acts_once_and_never_had_it(
    orders: Make,
) -> None:
    desk = orders()
    desk.journal.set_state("a", S.SENT, NOW_MS)
    desk.restart()
    assert desk.beats(2) == ()
    assert [request.client_id for request in desk.venue.sent] == ["a"]
    assert desk.state() is S.PROTECTED


def test_marked_as_sent_is_never_sent_again_to_a_bridge_that_forgets(orders: Make) -> None:
    desk = orders()
    desk.venue.dialect = "mt5-httpapi"
    desk.journal.set_state("a", S.SENT, NOW_MS)
    desk.restart()
    assert desk.beats(60) == ()
    assert desk.venue.sent == []
    assert desk.state() is S.NOT_EXECUTED


def test_old_signal_is_not_sent_where_the_price_has_moved(orders: Make) -> None:
    desk = orders()
    desk.venue.bid, desk.venue.ask = 100_002.0, 100_003.0
    desk.beat(0)
    assert desk.venue.sent == []
    assert desk.state() is S.NOT_EXECUTED


def test_lost_answer_of_an_executed_entry_is_found_by_its_magic(orders: Make) -> None:
    desk = orders()
    desk.venue.answers = ["executed, answer lost"]
    assert desk.send() is S.UNKNOWN
    assert desk.beat() == ()
    assert desk.state() is S.PROTECTED
    assert len(desk.venue.sent) == 1


def test_entry_that_is_executed_110_s_later_is_adopted(orders: Make) -> None:
    desk = unknown(orders)
    for _ in range(36):
        assert desk.beat() == ("a",)
    desk.venue.now_ms += 2_000
    desk.venue.execute(desk.requests[0])
    assert desk.beat() == ()
    assert desk.state() is S.PROTECTED


def test_late_partial_fill_is_adopted_as_one(orders: Make) -> None:
    desk = unknown(orders)
    desk.venue.fill_share = 0.5
    desk.venue.execute(desk.requests[0])
    desk.beat()
    assert "order_partial" in desk.kinds()


def test_found_by_its_deal_where_the_position_is_gone_already(orders: Make) -> None:
    desk = orders()
    desk.venue.answers = ["executed, answer lost"]
    desk.send()
    (held,) = desk.venue.held.values()
    desk.venue.reduce(held.ticket, held.volume, reason=DealReason.SL)
    assert desk.beat() == ()
    assert desk.state() is S.CLOSED


def test_stop_of_another_position_with_this_magic_is_no_fill(orders: Make) -> None:
    desk = unknown(orders)
    magic = desk.requests[0].magic
    desk.venue.history = [make_deal(1, NOW_MS, magic=magic, reason=DealReason.SL)]
    assert desk.beat() == ("a",)
    assert desk.state() is S.UNKNOWN


def test_unknown_intent_is_given_up_after_120_s_and_two_healthy_looks(orders: Make) -> None:
    desk = unknown(orders)
    looks = 1
    while desk.beat() == ("a",):
        looks += 1
    assert desk.state() is S.NOT_EXECUTED
    assert looks * 3_000 >= 120_000
    assert looks * 3_000 < 130_000
    assert len(desk.venue.sent) == 1


def test_one_look_long_after_is_not_enough(orders: Make) -> None:
    desk = unknown(orders)
    assert desk.beat(10**8) == ("a",)
    assert desk.beat(9_999) == ("a",)
    assert desk.beat(1) == ()


@pytest.mark.parametrize("trouble", ["down", "no server", "margin without a position"])
def test_unhealthy_look_makes_the_healthy_ones_start_anew(orders: Make, trouble: str) -> None:
    desk = unknown(orders)
    desk.beat(130_000)
    desk.venue.status = "down" if trouble == "down" else "degraded"
    desk.venue.connected = trouble != "no server"
    desk.venue.margin = 50.0 if trouble == "margin without a position" else None
    assert desk.beat(20_000) == ("a",)
    desk.venue.connected, desk.venue.margin = True, None
    desk.venue.status = "degraded"  # e.g. Algo Trading is off: absences can be seen all the same
    assert desk.beat(20_000) == ("a",)
    assert desk.beat(10_000) == ()


def test_bridge_that_does_not_answer_settles_nothing(orders: Make) -> None:
    desk = unknown(orders)
    desk.venue.failing = BrokerUnavailable("away")
    with pytest.raises(BrokerUnavailable):
        desk.beat(200_000)
    assert desk.state() is S.UNKNOWN


def test_intent_in_flight_stays_open_for_ten_minutes(orders: Make) -> None:
    desk = unknown(orders)
    desk.venue.reports = {"a": "in_flight"}
    desk.beat(10_000)
    assert desk.beat(589_000) == ("a",)
    desk.beat(2_000)
    assert desk.beat(10_000) == ()


def test_locked_answer_is_reconciled_whatever_the_bridge_made_of_it(orders: Make) -> None:
    desk = orders()
    desk.venue.answers = [10028]
    assert desk.send() is S.UNKNOWN
    desk.venue.reports, desk.venue.reported_code = {"a": "rejected"}, 10028
    assert desk.beat() == ("a",)
    desk.venue.execute(desk.requests[0])
    assert desk.beat() == ()
    assert desk.state() is S.PROTECTED
