"""D1, D2, D3, D6, D8, D9, D10, D42: requests whose answer is lost, late, unreadable or a lie."""

from contextlib import closing

import pytest

from broker.client.connect import connect
from broker.client.settings import BridgeSettings
from broker.contract.errors import OutcomeUnknown
from broker.contract.retcodes import RETCODES, RetcodeClass, retcode
from tests.chaos.field import Field
from tests.reliability.checks import DIALECTS, check_sound
from tests.reliability.conftest import MakeField
from tests.reliability.orders import order
from trading.execution.intents import IntentState

both_dialects = pytest.mark.parametrize("dialect", DIALECTS)
# That nothing was executed is believed after two minutes of asking, which takes its time over HTTP.
executed_in_both = pytest.mark.parametrize(
    ("dialect", "executed"), [("native", False), ("native", True), ("mt5-httpapi", True)]
)
ADOPTED = (IntentState.PROTECTED, IntentState.CLOSED)


def first_state(field: Field) -> IntentState:
    return field.requests()[0][1]


@both_dialects
@pytest.mark.parametrize("answer", ["close", "504"])
def test_d01_order_that_was_executed_though_the_answer_timed_out_is_adopted_once(
    field: MakeField, dialect: str, answer: str
) -> None:
    venue = field(dialect=dialect)
    venue.fault("post_fill_then_timeout", method="POST", path="/orders", count=1, answer=answer)
    venue.run(bars=6)
    assert venue.hits() == {"post_fill_then_timeout": 1}
    assert venue.events("order_unknown")
    assert first_state(venue) in ADOPTED
    check_sound(venue)


@both_dialects
def test_d02_order_that_executes_after_the_bridge_gave_up_is_adopted_and_freezes_entries(
    field: MakeField, dialect: str
) -> None:
    venue = field(dialect=dialect)
    venue.fault("late_fill", count=1, min_s=35, max_s=110)
    venue.run(bars=6)
    entry, asked_ms = venue.entries[0], venue.events("order_unknown")
    assert asked_ms
    assert (entry.time_msc - venue.at(0)) % 900_000 >= 35_000, "it did not come late"
    assert first_state(venue) in ADOPTED
    check_sound(venue)


@both_dialects
@pytest.mark.parametrize(
    ("fault", "executed"), [("conn_reset_before_send", False), ("conn_reset_after_send", True)]
)
def test_d03_lost_connection_is_never_answered_by_sending_again(
    field: MakeField, dialect: str, fault: str, executed: bool
) -> None:
    venue = field(dialect=dialect)
    venue.fault(fault, method="POST", path="/orders", count=1)
    venue.run(bars=6)
    request, state = venue.requests()[0]
    assert state in ADOPTED if executed else state is IntentState.NOT_EXECUTED
    assert sum(deal.magic == request.magic for deal in venue.entries) == executed
    check_sound(venue)


@both_dialects
def test_d03_fill_that_shows_late_is_no_reason_for_a_second_entry(
    field: MakeField, dialect: str
) -> None:
    venue = field(dialect=dialect)
    venue.fault("fill_visible_lag", lag_ms=3000)
    venue.run(bars=12)
    assert venue.hits()["fill_visible_lag"] > 0
    check_sound(venue)


@both_dialects
@pytest.mark.parametrize("code", [-10005, -10004, -10003])
def test_d06_ipc_errors_of_reads_are_waited_out(field: MakeField, dialect: str, code: int) -> None:
    venue = field(dialect=dialect)
    venue.fault("sdk_error", from_bar=3.9, bars=0.15, code=code)
    venue.run(bars=6)
    assert venue.hits()["sdk_error"] >= 5
    assert venue.events("bridge_away")
    assert venue.events("bridge_back")
    check_sound(venue)


@executed_in_both
def test_d06_ipc_timeout_of_an_order_leaves_its_outcome_unknown(
    field: MakeField, dialect: str, executed: bool
) -> None:
    venue = field(dialect=dialect)
    venue.fault("sdk_error", path="order_send", count=1, code=-10005, executed=executed)
    venue.run(bars=6)
    assert venue.events("order_unknown")
    assert first_state(venue) in (ADOPTED if executed else (IntentState.NOT_EXECUTED,))
    check_sound(venue)


@both_dialects
def test_d06_person_is_paged_when_risk_is_open_and_the_terminal_is_silent_for_5_minutes(
    field: MakeField, dialect: str
) -> None:
    venue = field(dialect=dialect)
    venue.when_open(lambda: venue.fault("sdk_error", bars=1.6, code=-10005))
    venue.run(bars=6)
    assert "open risk" in venue.pages
    check_sound(venue)


@both_dialects
def test_d08_nothing_with_a_success_as_last_error_is_a_failure_and_no_empty_list(
    field: MakeField, dialect: str
) -> None:
    venue = field(dialect=dialect)
    venue.fault("random_none", prob=0.1, from_bar=1)
    venue.run(bars=12)
    assert venue.hits()["random_none"] >= 5
    ended = {deal.position_id for deal in venue.deals if deal.entry != 0}
    assert venue.close_types.keys() <= ended
    check_sound(venue)


@pytest.mark.parametrize(
    ("dialect", "fault", "params", "executed"),
    [
        ("native", "null_result", {"executed": False}, False),
        ("native", "html_500", {"executed": False}, False),
        *(
            (dialect, fault, params, True)
            for dialect in DIALECTS
            for fault, params in (
                ("null_result", {"executed": True}),
                ("null_result", {"wire": True}),
                ("html_500", {}),
                ("truncated_json", {}),
            )
        ),
    ],
)
def test_d09_unreadable_answer_to_an_order_is_an_unknown_outcome_and_no_crash(
    field: MakeField, dialect: str, fault: str, params: dict[str, bool], executed: bool
) -> None:
    venue = field(dialect=dialect)
    venue.fault(fault, method="POST", path="/orders", count=1, **params)
    venue.run(bars=6)
    assert venue.hits()[fault] == 1
    assert venue.events("order_unknown")
    assert first_state(venue) in (ADOPTED if executed else (IntentState.NOT_EXECUTED,))
    check_sound(venue)


@both_dialects
def test_d09_unreadable_answers_to_reads_are_asked_again(field: MakeField, dialect: str) -> None:
    venue = field(dialect=dialect)
    venue.fault("truncated_json", method="GET", prob=0.05, from_bar=1)
    venue.fault("html_500", method="GET", prob=0.1, from_bar=1)
    venue.run(bars=12)
    assert sum(venue.hits().values()) >= 5
    check_sound(venue)


@both_dialects
def test_d10_rejection_with_status_200_is_a_rejection_for_every_retcode(
    field: MakeField, dialect: str
) -> None:
    venue = field(dialect=dialect)
    codes = [code for code in RETCODES if code not in (0, 10008, 10009, 10010, 10025)]
    for number, code in enumerate(codes):
        venue.fault("http200_retcode", count=1, retcode=code)
        unknown = retcode(code).class_ is RetcodeClass.UNKNOWN
        try:
            result = venue.broker.send(order(f"t-{number}", magic=7719 << 32 | number))
        except OutcomeUnknown:
            assert unknown, code
        else:
            assert result.retcode == code
            assert result.outcome in ("rejected", "not_sent"), code
        venue.clear_faults()
    assert venue.deals == ()


@both_dialects
@pytest.mark.parametrize("fault", ["queue_full", "http_503"])
def test_d42_full_queue_sends_nothing_and_the_next_bar_decides(
    field: MakeField, dialect: str, fault: str
) -> None:
    venue = field(dialect=dialect)
    venue.fault(fault, method="POST", path="/orders", count=1)
    venue.run(bars=12)
    request, state = venue.requests()[0]
    assert state in (IntentState.NOT_SENT, IntentState.NOT_EXECUTED)
    assert all(deal.magic != request.magic for deal in venue.entries)
    check_sound(venue)


@both_dialects
def test_d42_full_queue_on_reads_is_waited_out(field: MakeField, dialect: str) -> None:
    venue = field(dialect=dialect)
    venue.fault("queue_full", method="GET", prob=0.3, from_bar=1)
    venue.fault("delay", prob=0.1, ms=2000, from_bar=1)
    venue.run(bars=12)
    assert venue.hits()["queue_full"] >= 10
    check_sound(venue)


def test_d42_trade_requests_wait_longer_than_the_queue_and_reads_do_not(
    field: MakeField,
) -> None:
    with closing(connect(BridgeSettings(api_base_url=field().url))) as broker:
        connection = broker.connection
        assert connection._trade_timeout.read == 100.0
        assert connection._read_timeout.read == 10.0
