"""Idempotency keys on disk: what a bridge that was killed knows when it starts again."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from broker.contract.errors import IntentInFlight, IntentReused, OutcomeUnknown
from broker.contract.marks import comment_of
from broker.native import NativeBroker
from broker.native.intents import KEPT_MS, SentIntent
from market.server_clock import ServerClock
from mt5api.keys import IntentKeys, KeysError
from tests.broker.orders import make_order
from tests.broker.stand_in import NOW_MS, StandIn, server_deal, server_position


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.sqlite"


def bridge(mt5: StandIn, file: Path, now_ms: Callable[[], int] = lambda: NOW_MS) -> NativeBroker:
    """A bridge over the file, as a new process would open it."""
    return NativeBroker(
        mt5, ServerClock("UTC"), now_ms=now_ms, mode="live", intents=IntentKeys(file)
    )


def unanswered(mt5: StandIn, file: Path) -> None:
    """Sends `a-1` through a bridge that dies before its answer comes."""
    mt5.answer_order, mt5.error = lambda _: None, (-10005, "IPC timeout")
    with pytest.raises(OutcomeUnknown):
        bridge(mt5, file).send(make_order())


def test_answer_outlives_the_bridge(file: Path) -> None:
    mt5 = StandIn()
    first = bridge(mt5, file)
    answer = first.send(make_order())
    first.keep_answers()
    again = bridge(mt5, file)
    assert again.has_answer("a-1")
    assert again.send(make_order()) == answer
    assert len(mt5.sent) == 1


def test_answer_that_was_not_flushed_leaves_its_intent_open(file: Path) -> None:
    mt5 = StandIn()
    bridge(mt5, file).send(make_order())
    with pytest.raises(IntentInFlight):
        bridge(mt5, file).send(make_order())
    assert len(mt5.sent) == 1


def test_other_request_under_a_key_of_an_earlier_bridge_is_refused(file: Path) -> None:
    mt5 = StandIn()
    unanswered(mt5, file)
    with pytest.raises(IntentReused):
        bridge(mt5, file).send(make_order(volume=0.05))


def test_key_is_on_disk_before_the_terminal_is_asked(file: Path) -> None:
    mt5, seen = StandIn(), []

    def looks(_: object) -> None:
        seen.append(IntentKeys(file).get("a-1"))

    mt5.answer_order, mt5.error = looks, (-10005, "IPC timeout")
    with pytest.raises(OutcomeUnknown):
        bridge(mt5, file).send(make_order())
    assert seen[0] is not None
    assert seen[0].result is None


@pytest.mark.parametrize("found_by", ["magic", "comment"])
def test_open_key_is_settled_by_the_venues_deals_and_never_sent_again(
    file: Path, found_by: str
) -> None:
    mt5, order = StandIn(), make_order()
    unanswered(mt5, file)
    magic = order.magic if found_by == "magic" else 0
    comment = comment_of("a-1") if found_by == "comment" else "rewritten"
    mt5.deals = (server_deal(9, magic=magic, comment=comment),)
    again = bridge(mt5, file)
    answer = again.send(order)
    assert (answer.outcome, answer.deal, answer.position) == ("filled", 9, 55)
    assert again.intent("a-1").state == "filled"
    assert len(mt5.sent) == 1


def test_open_key_without_a_trace_is_in_flight_to_senders_and_unknown_to_askers(
    file: Path,
) -> None:
    mt5 = StandIn()
    unanswered(mt5, file)
    again = bridge(mt5, file)
    with pytest.raises(IntentInFlight):
        again.send(make_order())
    assert again.intent("a-1").state == "unknown"
    assert len(mt5.sent) == 1


def test_lost_answer_to_levels_is_got_by_setting_them_again(file: Path) -> None:
    mt5 = StandIn()
    mt5.positions = (server_position(55),)
    mt5.answer_order, mt5.error = lambda _: None, (-10005, "IPC timeout")
    with pytest.raises(OutcomeUnknown):
        bridge(mt5, file).modify(55, sl=99.0, tp=103.0, client_id="m-1")
    working = StandIn()
    working.positions = mt5.positions
    assert bridge(working, file).modify(55, sl=99.0, tp=103.0, client_id="m-1").outcome == "filled"


def test_close_is_replayed_although_its_position_is_gone(file: Path) -> None:
    mt5 = StandIn()
    mt5.positions = (server_position(55, magic=7 << 32 | 5),)
    first = bridge(mt5, file)
    answer = first.close(55, client_id="c-1")
    first.keep_answers()
    mt5.positions = ()
    assert bridge(mt5, file).close(55, client_id="c-1") == answer
    assert len(mt5.sent) == 1
    assert mt5.sent[0]["comment"] == comment_of("c-1")
    assert mt5.sent[0]["magic"] >> 32 == 7


def test_request_that_was_not_sent_leaves_no_key(file: Path) -> None:
    mt5 = StandIn()
    bridge(mt5, file).send(make_order(valid_until_msc=NOW_MS - 1))
    assert IntentKeys(file).get("a-1") is None


def test_keys_are_kept_for_seven_days(file: Path) -> None:
    now = [NOW_MS]
    first = bridge(StandIn(), file, lambda: now[0])
    first.send(make_order("a-1"))
    now[0] += KEPT_MS
    first.send(make_order("a-2"))
    assert IntentKeys(file).get("a-1") is not None
    now[0] += 1
    first.send(make_order("a-3"))
    assert IntentKeys(file).get("a-1") is None
    assert IntentKeys(file).get("a-2") is not None


def test_unusable_file_is_named_and_nothing_is_sent(file: Path) -> None:
    file.write_bytes(b"no database" * 100)
    with pytest.raises(KeysError, match=r"keys\.sqlite.*--state-dir"):
        IntentKeys(file)


def test_file_of_a_newer_bridge_is_left_alone(file: Path) -> None:
    keys = IntentKeys(file)
    keys._db.execute("PRAGMA user_version=9")
    with pytest.raises(KeysError, match="newer"):
        IntentKeys(file)


def test_key_of_a_paper_bridge_costs_less_than_two_milliseconds(file: Path) -> None:
    keys, answer = (
        IntentKeys(file, power_safe=False),
        bridge(StandIn(), file).send(make_order("warm-up")),
    )
    took = []
    for each in range(50):
        start_s = time.perf_counter()
        keys.begin(f"k-{each}", SentIntent("0" * 64, NOW_MS))
        keys.finish(f"k-{each}", answer)
        keys.flush()
        took.append(time.perf_counter() - start_s)
    assert min(took) < 0.002
