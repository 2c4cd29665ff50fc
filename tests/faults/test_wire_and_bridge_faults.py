"""Faults between the client and the terminal: what is handled, and what the client is told."""

import httpx
import pytest

from broker.contract.errors import (
    BadAnswer,
    BrokerRefused,
    BrokerUnavailable,
    OutcomeUnknown,
)
from broker.contract.marks import comment_of
from broker.contract.paper import FaultMatch, FaultWhen
from mt5api.faults import FAULT_HEADER
from tests.faults.venues import ONCE, STEP_MS, HttpVenue, Venue
from tests.patience import PATIENCE_S

HEADER = FAULT_HEADER.decode()


@pytest.mark.parametrize(
    ("name", "params", "error", "executed"),
    [
        ("post_fill_then_timeout", {}, OutcomeUnknown, True),
        ("post_fill_then_timeout", {"answer": "504"}, OutcomeUnknown, True),
        ("conn_reset_after_send", {}, OutcomeUnknown, True),
        ("conn_reset_before_send", {}, OutcomeUnknown, False),
        ("truncated_json", {}, OutcomeUnknown, True),
        ("html_500", {}, OutcomeUnknown, True),
        ("html_500", {"executed": False}, OutcomeUnknown, False),
        ("unauthorized", {}, BrokerRefused, False),
        ("unauthorized", {"html": True}, BrokerRefused, False),
        ("http_503", {}, BrokerUnavailable, False),
        ("http_504", {}, OutcomeUnknown, False),
        ("http_504", {"executed": True}, OutcomeUnknown, True),
        ("queue_full", {}, BrokerUnavailable, False),
        ("bridge_down", {}, OutcomeUnknown, False),
        ("null_result", {}, OutcomeUnknown, False),
        ("null_result", {"executed": True}, OutcomeUnknown, True),
        ("null_result", {"wire": True}, OutcomeUnknown, True),
        ("late_fill", {}, OutcomeUnknown, False),
    ],
)
def test_trade_request_under_a_fault(
    venue: HttpVenue, name: str, params: dict[str, str], error: type[Exception], executed: bool
) -> None:
    venue.fault(name, when=ONCE, **params)
    with pytest.raises(error):
        venue.buy("lost")
    assert [deal.comment for deal in venue.entries()] == [comment_of("lost")] * executed
    assert venue.hits() == [1]
    assert venue.buy("next").outcome == "filled"


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("conn_reset_before_send", BrokerUnavailable),
        ("conn_reset_after_send", BrokerUnavailable),
        ("truncated_json", BadAnswer),
        ("html_500", BadAnswer),
        ("unauthorized", BrokerRefused),
        ("http_503", BrokerUnavailable),
        ("http_504", BrokerUnavailable),
        ("queue_full", BrokerUnavailable),
        ("bridge_down", BrokerUnavailable),
    ],
)
def test_read_under_a_fault(venue: HttpVenue, name: str, error: type[Exception]) -> None:
    venue.fault(name, match=FaultMatch(path="/account"))
    with pytest.raises(error):
        venue.broker.account()
    venue.broker.positions()


def test_reads_under_a_fault_of_trades_are_left_alone(venue: HttpVenue) -> None:
    venue.fault("post_fill_then_timeout")
    assert venue.broker.account().balance == 10_000.0
    assert venue.hits() == [0]


def test_order_sent_again_after_an_unanswered_fill_is_replayed(venue: HttpVenue) -> None:
    venue.fault("post_fill_then_timeout", when=ONCE)
    with pytest.raises(OutcomeUnknown):
        venue.buy("lost")
    assert venue.buy("lost").outcome == "filled"
    assert len(venue.entries()) == 1


def test_late_fill_comes_when_the_clock_has_passed(venue: HttpVenue) -> None:
    venue.fault("late_fill", when=ONCE, min_s=35, max_s=110)
    sent_ms = venue.terminal.now_ms
    with pytest.raises(OutcomeUnknown):
        venue.buy("late")
    venue.clock.wait_until(sent_ms + 34_999)
    assert venue.entries() == []
    venue.clock.wait_until(sent_ms + 110_000)
    (deal,) = venue.entries()
    assert 35_000 <= deal.time_msc - sent_ms <= 110_000
    assert venue.broker.intent("late").state == "filled"


def test_late_fill_outlives_the_end_of_the_fault(native: Venue) -> None:
    native.fault("late_fill", when=ONCE)
    with pytest.raises(OutcomeUnknown):
        native.buy("late")
    native.plan.clear()
    native.later(120_000)
    assert len(native.entries()) == 1


def test_delay_moves_the_simulated_clock_before_the_request(venue: HttpVenue) -> None:
    venue.fault("delay", ms=1500, when=ONCE)
    before_ms = venue.terminal.now_ms
    result = venue.buy()
    assert result.sent_msc == before_ms + 1500
    assert venue.terminal.now_ms == before_ms + 1500


def test_delayed_request_past_its_validity_is_not_sent(venue: HttpVenue) -> None:
    venue.fault("delay", ms=90_000)
    result = venue.buy(valid_until_msc=venue.terminal.now_ms + 5000)
    assert (result.outcome, result.retcode) == ("not_sent", 10022)


def test_queue_full_says_when_to_come_again(venue: HttpVenue) -> None:
    venue.fault("queue_full")
    answer = venue.get("/account")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_stops_fire_while_the_bridge_is_down(venue: HttpVenue) -> None:
    venue.buy(sl=round(venue.broker.tick("BTCUSD").bid - 30, 2))
    now_ms = venue.terminal.now_ms
    venue.fault("bridge_down", when=FaultWhen(from_msc=now_ms, to_msc=now_ms + 20 * STEP_MS))
    venue.clock.wait_until(now_ms + 19 * STEP_MS)
    with pytest.raises(BrokerUnavailable):
        venue.broker.positions()
    venue.clock.wait_until(now_ms + 20 * STEP_MS)
    assert venue.broker.positions() == ()
    stopped = venue.broker.deals(from_ms=now_ms, to_ms=venue.terminal.now_ms)[-1]
    assert stopped.comment.startswith("[sl ")


def test_restarted_bridge_has_another_boot_id_and_was_down(venue: HttpVenue) -> None:
    before = venue.broker.health().boot_id
    venue.fault("bridge_restart", when=ONCE, down_s=60)
    with pytest.raises(BrokerUnavailable):
        venue.broker.health()
    venue.clock.wait_until(venue.terminal.now_ms + 60_000)
    assert venue.broker.health().boot_id != before
    assert venue.hits() == [1]


def test_empty_positions_while_margin_stands(venue: HttpVenue) -> None:
    venue.buy()
    venue.fault("empty_positions")
    shown = venue.broker.snapshot("BTCUSD")
    assert shown.positions == ()
    assert shown.account.margin > 0
    assert len(venue.terminal.positions()) == 1


@pytest.mark.parametrize("code", [10004, 10013, 10016, 10019, 10027, 10044])
def test_rejection_with_status_200(venue: HttpVenue, code: int) -> None:
    venue.fault("http200_retcode", retcode=code)
    result = venue.buy()
    assert (result.retcode, result.deal) == (code, 0)
    assert venue.entries() == []
    assert httpx.post(
        venue.url + "/orders", content=b'{"symbol": "BTCUSD"}', trust_env=False, timeout=PATIENCE_S
    ).status_code == 400  # fmt: skip


def test_every_answer_of_a_faulted_run_names_the_faults_that_acted(venue: HttpVenue) -> None:
    assert HEADER not in venue.get("/account").headers
    venue.fault("http_503", match=FaultMatch(path="/positions"))
    venue.fault("freeze_ticks")
    assert venue.get("/positions").headers[HEADER] == "http_503"
    assert venue.get("/symbols/BTCUSD/tick").headers[HEADER] == "freeze_ticks"
    assert venue.get("/account").headers[HEADER] == ""
    assert venue.get("/_paper/clock").headers[HEADER] == ""


def test_clock_tells_events_that_happened_on_the_way(venue: HttpVenue) -> None:
    at_ms = venue.terminal.now_ms + 5000
    venue.fault("deposit", when=FaultWhen(from_msc=at_ms))
    answer = httpx.post(
        venue.url + "/_paper/clock", json={"wait_until_msc": at_ms}, trust_env=False,
        timeout=PATIENCE_S,
    )  # fmt: skip
    assert answer.headers[HEADER] == "deposit"


@pytest.mark.parametrize("name", ["bridge_down", "http_503", "conn_reset_before_send"])
def test_simulations_own_paths_answer_under_any_fault(venue: HttpVenue, name: str) -> None:
    venue.fault(name)
    assert venue.clock.clock().now_msc == venue.terminal.now_ms
    assert venue.control.active()[0].hits == 0
    assert venue.control.snapshot().account.balance == 10_000.0
    venue.control.clear()
    assert venue.broker.account().balance == 10_000.0


def test_unanswered_fill_may_come_as_504(venue: HttpVenue) -> None:
    venue.fault("post_fill_then_timeout", answer="504")
    with pytest.raises(OutcomeUnknown, match="in time"):
        venue.buy()
    assert len(venue.entries()) == 1


def test_unanswered_fill_comes_as_a_closed_connection(venue: HttpVenue) -> None:
    venue.fault("post_fill_then_timeout")
    with pytest.raises(OutcomeUnknown, match="disconnected"):
        venue.buy()
