"""Whatever a venue answers, in whatever order: no name is sent twice, nothing stays naked or open.

Random schedules of answers, lost answers, late fills, absences and restarts over one entry, a
close, a partial close or a change of levels, then a venue that behaves. Simulated time only.
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.contract.constants import DealEntry, OrderType
from broker.contract.errors import BrokerError, BrokerRefused, BrokerUnavailable
from broker.contract.retcodes import RETCODES
from tests.execution.venue import LOST, Orders, entry
from tests.trading.test_journal import OPEN_MS, make_bar
from trading.execution.intents import TRANSITIONS, IntentState, Kind, LevelsRequest, kind_of

AWAY = BrokerUnavailable("away")
answers = st.one_of(
    st.sampled_from([code for code in sorted(RETCODES) if code not in (0, 10025)]),
    st.sampled_from(["executed, answer lost", LOST, AWAY, BrokerRefused("no rights")]),
)
changes = st.one_of(
    st.sampled_from([10009, 10016, 10025, 10029, 10036, 10012, "done, answer lost", LOST, AWAY])
)
events = st.sampled_from(
    ["beat", "beat", "beat", "long pause", "restart", "hide", "show", "bridge away", "bridge back",
     "late fill", "no server", "healthy"]
)  # fmt: skip
PLAYS = st.fixed_dictionaries(
    {
        "answers": st.lists(answers, max_size=8),
        "changes": st.lists(changes, max_size=5),
        "events": st.lists(events, max_size=25),
        "drops_stops": st.booleans(),
        "fill_share": st.sampled_from([1.0, 0.5]),
        "dialect": st.sampled_from(["native", "mt5-httpapi"]),
    }
)


def play(desk: Orders, told: dict[str, Any]) -> None:
    venue = desk.venue
    venue.answers, venue.levels_answers = list(told["answers"]), list(told["changes"])
    venue.drops_stops, venue.fill_share = told["drops_stops"], told["fill_share"]
    venue.dialect = told["dialect"]
    desk.send()
    for event in told["events"]:
        happen(desk, event)
    settle_down(desk)


def happen(desk: Orders, event: str) -> None:
    venue = desk.venue
    if event == "restart":
        desk.restart()
    elif event in ("hide", "show"):
        venue.hides_positions = event == "hide"
    elif event in ("bridge away", "bridge back"):
        venue.failing = AWAY if event == "bridge away" else None
    elif event in ("no server", "healthy"):
        venue.connected = event == "healthy"
    elif event == "late fill":
        fill_late(desk)
    look(desk, 60_000 if event == "long pause" else 3_000)


def fill_late(desk: Orders) -> None:
    """An order whose answer was lost is executed after all, once."""
    done = {deal.magic for deal in desk.venue.history}
    for request in desk.venue.sent:
        lost = desk.state(request.client_id) is IntentState.UNKNOWN
        may_be_late = kind_of(request) in (Kind.ENTRY, Kind.PART)
        gone = request.position is not None and request.position not in desk.venue.held
        if lost and may_be_late and request.magic not in done and not gone:
            desk.venue.execute(request)


def look(desk: Orders, after_ms: int) -> None:
    try:
        desk.beat(after_ms)
    except BrokerError:
        assert desk.venue.failing is not None


def settle_down(desk: Orders) -> None:
    """From now on the venue behaves; the open work must end."""
    venue = desk.venue
    venue.failing, venue.hides_positions, venue.connected = None, False, True
    venue.answers, venue.levels_answers, venue.fill_share = [], [], 1.0
    for _ in range(120):
        desk.beat()
        if not desk.dispatcher.open_work:
            return


def check(desk: Orders) -> None:
    venue = desk.venue
    names = Counter(each.client_id for each in venue.sent)
    assert max(names.values(), default=0) <= 1, "one name, one request"
    opened = Counter(deal.magic for deal in venue.history if deal.entry is DealEntry.IN)
    assert max(opened.values(), default=0) <= 1, "one opening deal for each name"
    assert all(each.sl > 0 and each.tp > 0 for each in venue.held.values()), "no naked position"
    assert not desk.dispatcher.open_work, "nothing stays open"
    assert all(each.position is not None for each in venue.sent if each.client_id.count("c"))
    asked = Counter(name for *_, name in venue.modified)
    assert max(asked.values(), default=0) <= 1, "one name, one change"


Opened = Callable[[], AbstractContextManager[Orders]]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """Opens a desk of one entry on a journal of its own, for each example."""

    @contextmanager
    def begin() -> Iterator[Orders]:
        with tempfile.TemporaryDirectory(dir=tmp_path_factory.getbasetemp()) as folder:
            desk = Orders(Path(folder) / "journal.sqlite", entry("A"))
            try:
                yield desk
            finally:
                desk.journal.close()

    return begin


@settings(max_examples=80, deadline=None)
@given(PLAYS)
def test_no_schedule_of_answers_doubles_an_entry_or_leaves_it_naked(
    opened: Opened, told: dict[str, Any]
) -> None:
    with opened() as desk:
        play(desk, told)
        check(desk)
        assert_lawful(desk)


@settings(max_examples=60, deadline=None)
@given(PLAYS)
def test_no_schedule_of_answers_keeps_a_close_from_closing(
    opened: Opened, told: dict[str, Any]
) -> None:
    with opened() as desk:
        desk.send()
        desk.requests = [
            entry("X", type=OrderType.SELL, position=1000, sl=None, tp=None, price=None)
        ]
        desk.journal.decided(make_bar(OPEN_MS + 900_000), desk.requests)
        play(desk, told)
        check(desk)
        assert desk.venue.held == {}
        closed = sum(d.volume for d in desk.venue.history if d.entry is DealEntry.OUT)
        assert round(closed, 8) == 0.1


PART = "7719-BTCUSD-1-PART-0"
MOVE = LevelsRequest("BTCUSD", 1000, 99_900.0, 101_000.0, "7719-BTCUSD-1-LEVELS-0")


@settings(max_examples=60, deadline=None)
@given(PLAYS)
def test_no_schedule_of_answers_closes_a_part_twice(opened: Opened, told: dict[str, Any]) -> None:
    with opened() as desk:
        desk.send()
        desk.requests = [
            entry(PART, type=OrderType.SELL, position=1000, volume=0.04, sl=None, tp=None,
                  price=None)
        ]  # fmt: skip
        desk.journal.decided(make_bar(OPEN_MS + 900_000), desk.requests)
        play(desk, told)
        check(desk)
        assert_lawful(desk)
        closed = sum(d.volume for d in desk.venue.history if d.entry is DealEntry.OUT)
        assert round(closed, 8) <= 0.04
        assert round(desk.venue.held[1000].volume + closed, 8) == 0.1
        last = desk.journal.parts_of(1000)[-1]
        done = last.state in (IntentState.FILLED, IntentState.PARTIAL)
        assert done == (closed > 0), "the journal knows what the venue did"


@settings(max_examples=60, deadline=None)
@given(PLAYS, st.booleans())
def test_no_schedule_of_answers_loosens_a_stop_or_forgets_what_was_decided(
    opened: Opened, told: dict[str, Any], lost: bool
) -> None:
    """`lost`: the venue drops the stops at the end; they come back where the journal says."""
    with opened() as desk:
        desk.send()
        desk.requests = [MOVE]
        desk.journal.decided(make_bar(OPEN_MS + 900_000), desk.requests)
        play(desk, told)
        check(desk)
        assert_lawful(desk)
        made = desk.journal.changes_of(1000)[-1].state is IntentState.FILLED
        wanted = (99_900.0, 101_000.0) if made else (99_500.0, 100_700.0)
        if lost:
            desk.venue.held[1000] = replace(desk.venue.held[1000], sl=0.0, tp=0.0)
            desk.dispatcher.reprotect(desk.venue.held[1000], desk.venue.now_ms)
            desk.beats(2)
        assert (desk.venue.held[1000].sl, desk.venue.held[1000].tp) == wanted


def assert_lawful(desk: Orders) -> None:
    """The journal's own events walk the table of states, one step after the other."""
    last: dict[str, IntentState] = {}
    for kind, _, payload in desk.journal.events():
        if not kind.startswith("order_"):
            continue
        state = IntentState(kind.removeprefix("order_"))
        client_id = payload.get("client_id") or payload["request"]["client_id"]
        assert client_id not in last or state in TRANSITIONS[last[client_id]]
        last[client_id] = state
