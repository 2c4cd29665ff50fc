"""Sending and settling: in order, once, and never blindly."""

from pathlib import Path
from typing import Any

import pytest

from broker.contract.errors import BadAnswer, BrokerUnavailable, OutcomeUnknown
from broker.contract.messages import IntentReport, OrderRequest, TradeResult
from tests.builders import make_deal
from tests.trading.test_journal import OPEN_MS, make_bar, make_request
from trading.execution.dispatch import Dispatcher
from trading.execution.intents import IntentState
from trading.execution.resolve import Resolver
from trading.journal import Journal

NOW_MS = OPEN_MS + 900_000


class Venue:
    """A venue that answers as told. Stands in for a bridge; it has no market."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.sent: list[OrderRequest] = []
        self.reports: dict[str, str] = {}
        self.status = "ok"
        self.history: tuple[Any, ...] = ()

    def send(self, request: OrderRequest) -> TradeResult:
        self.sent.append(request)
        answer = self.answers.pop(0) if self.answers else 10009
        if isinstance(answer, Exception):
            raise answer
        return TradeResult(
            answer, "", "", 1, 2, 3, request.volume, 100.0, 99.0, 100.0, "", request.client_id,
            0, NOW_MS, NOW_MS,
        )  # fmt: skip

    def intent(self, client_id: str) -> IntentReport:
        return IntentReport(client_id, self.reports.get(client_id, "unknown"), None, 0, ())

    def positions(self, symbol: str | None = None) -> tuple[Any, ...]:
        return ()

    def deals(self, *, from_ms: int, to_ms: int) -> tuple[Any, ...]:
        return tuple(deal for deal in self.history if from_ms <= deal.time_msc < to_ms)

    def health(self) -> Any:
        return type("Health", (), {"status": self.status})


class Orders:
    """A journal with the intents of one bar, and what works on it."""

    def __init__(self, path: Path, *client_ids: str, dry: bool = False) -> None:
        self.venue: Any = Venue()
        self.journal = Journal(path)
        self.dispatcher = Dispatcher(self.venue, self.journal, dry=dry)
        self.resolver = Resolver(self.venue, self.journal, self.dispatcher)
        self.requests = [make_request(each) for each in client_ids]
        self.journal.decided(make_bar(), self.requests, state=self.dispatcher.first_state)

    def state(self, client_id: str) -> IntentState | None:
        return self.journal.intent_state(client_id)


@pytest.fixture
def orders(tmp_path: Path) -> Any:
    made: list[Orders] = []

    def make(*client_ids: str, dry: bool = False) -> Orders:
        made.append(Orders(tmp_path / "journal.sqlite", *client_ids, dry=dry))
        return made[-1]

    yield make
    for each in made:
        each.journal.close()


def test_requests_go_out_in_the_order_of_the_plan(orders: Any) -> None:
    two = orders("close", "enter")
    two.dispatcher.send_all(two.requests, NOW_MS)
    assert [request.client_id for request in two.venue.sent] == ["close", "enter"]
    assert (two.state("close"), two.state("enter")) == (IntentState.FILLED, IntentState.FILLED)


def test_nothing_is_sent_after_an_unknown_outcome(orders: Any) -> None:
    two = orders("close", "enter")
    two.venue.answers = [OutcomeUnknown("no answer")]
    two.dispatcher.send_all(two.requests, NOW_MS)
    assert [request.client_id for request in two.venue.sent] == ["close"]
    assert (two.state("close"), two.state("enter")) == (IntentState.UNKNOWN, IntentState.NOT_SENT)


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (10009, IntentState.FILLED),
        (10010, IntentState.PARTIAL),
        (10019, IntentState.REJECTED),
        (10012, IntentState.UNKNOWN),
        (10008, IntentState.UNKNOWN),
        (BrokerUnavailable("queue full"), IntentState.NOT_SENT),
        (OutcomeUnknown("timeout"), IntentState.UNKNOWN),
        (BadAnswer("<html>"), IntentState.UNKNOWN),
    ],
)
def test_each_answer_has_its_state(orders: Any, answer: Any, state: IntentState) -> None:
    one = orders("a")
    one.venue.answers = [answer]
    (sent,) = one.dispatcher.send_all(one.requests, NOW_MS)
    assert sent.state is one.state("a") is state


def test_dry_dispatcher_sends_nothing(orders: Any) -> None:
    dry = orders("a", dry=True)
    (sent,) = dry.dispatcher.send_all(dry.requests, NOW_MS)
    assert dry.venue.sent == []
    assert sent.state is dry.state("a") is IntentState.DRY
    assert dry.resolver.resolve(NOW_MS) == ()


@pytest.mark.parametrize(
    ("report", "state"),
    [("filled", IntentState.FILLED), ("partial", IntentState.PARTIAL),
     ("rejected", IntentState.REJECTED)],
)  # fmt: skip
def test_pending_intent_that_the_broker_knows_is_not_sent(
    orders: Any, report: str, state: IntentState
) -> None:
    one = orders("a")
    one.venue.reports = {"a": report}
    assert one.resolver.resolve(NOW_MS) == ()
    assert one.venue.sent == []
    assert one.state("a") is state


def test_pending_intent_that_nobody_knows_goes_out_once_while_it_is_valid(orders: Any) -> None:
    one = orders("a")
    assert one.resolver.resolve(NOW_MS) == ()
    assert one.resolver.resolve(NOW_MS) == ()
    assert [request.client_id for request in one.venue.sent] == ["a"]
    assert one.state("a") is IntentState.FILLED


def test_pending_intent_whose_time_is_over_is_dropped(orders: Any) -> None:
    one = orders("a")
    assert one.resolver.resolve(one.requests[0].valid_until_msc + 1) == ()
    assert one.venue.sent == []
    assert one.state("a") is IntentState.NOT_EXECUTED


def test_intent_in_flight_stays_unsettled(orders: Any) -> None:
    one = orders("a")
    one.venue.reports = {"a": "in_flight"}
    assert one.resolver.resolve(NOW_MS + 10**9) == ("a",)
    assert one.venue.sent == []


def test_unknown_intent_is_found_by_the_magic_of_its_deal(orders: Any) -> None:
    one = orders("a")
    one.journal.set_state("a", IntentState.UNKNOWN, NOW_MS)
    one.venue.history = (make_deal(1, NOW_MS + 40_000, magic=one.requests[0].magic),)
    assert one.resolver.resolve(NOW_MS + 60_000) == ()
    assert one.state("a") is IntentState.FILLED
    assert one.venue.sent == []


def test_unknown_intent_is_given_up_only_after_120_s_and_two_healthy_looks(orders: Any) -> None:
    one = orders("a")
    one.journal.set_state("a", IntentState.UNKNOWN, NOW_MS)
    assert one.resolver.resolve(NOW_MS + 100_000) == ("a",)
    assert one.resolver.resolve(NOW_MS + 105_000) == ("a",)
    one.venue.status = "degraded"
    assert one.resolver.resolve(NOW_MS + 130_000) == ("a",)
    one.venue.status = "ok"
    assert one.resolver.resolve(NOW_MS + 131_000) == ()
    assert one.state("a") is IntentState.NOT_EXECUTED
    assert one.venue.sent == []


def test_one_look_long_after_is_not_enough(orders: Any) -> None:
    one = orders("a")
    one.journal.set_state("a", IntentState.UNKNOWN, NOW_MS)
    assert one.resolver.resolve(NOW_MS + 10**9) == ("a",)
    assert one.resolver.resolve(NOW_MS + 10**9 + 10_000) == ()
