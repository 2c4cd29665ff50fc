"""The journal: what is committed stays, what belongs together commits together."""

import math
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from broker.contract.constants import Filling, OrderType
from broker.contract.messages import OrderRequest
from tests.builders import make_deal
from trading.decision.records import Denial
from trading.errors import JournalError
from trading.execution.intents import IllegalTransition, IntentState
from trading.journal import DecidedBar, Journal

OPEN_MS = 1_756_684_800_000


def make_request(client_id: str = "c-1", **changes: Any) -> OrderRequest:
    words: dict[str, Any] = {
        "symbol": "BTCUSD", "type": OrderType.BUY, "volume": 0.1, "client_id": client_id,
        "magic": 7719 << 32 | 5, "comment": "NS1:x", "type_filling": Filling.FOK,
        "sl": 99_999.99, "tp": 100_000.01, "valid_until_msc": OPEN_MS + 1_200_000,
    }  # fmt: skip
    return OrderRequest(**(words | changes))


def make_bar(open_ms: int = OPEN_MS, **changes: Any) -> DecidedBar:
    words: dict[str, Any] = {
        "symbol": "BTCUSD", "bar_open_ms": open_ms, "decided_ms": open_ms + 900_000,
        "line": f"line {open_ms}", "features": np.array([0.1, -2.5, math.nan]),
        "decision_ms": 1.5, "denials": (Denial("margin", 0.1, 0.2),),
    }  # fmt: skip
    return DecidedBar(**(words | changes))


@pytest.fixture
def journal(tmp_path: Path) -> Any:
    opened = Journal(tmp_path / "journal.sqlite", observed_ms=lambda: 42)
    yield opened
    opened.close()


def test_decided_bar_comes_back_bit_for_bit(journal: Journal) -> None:
    bar = make_bar()
    journal.decided(bar, [make_request()], [make_deal(3, OPEN_MS)])
    assert list(journal.decision_lines("BTCUSD")) == [bar.line]
    ((open_ms, features),) = journal.features("BTCUSD")
    assert (open_ms, features.tobytes()) == (OPEN_MS, bar.features.tobytes())
    (intent,) = journal.open_intents()
    assert intent.request == make_request()
    assert journal.deals() == (make_deal(3, OPEN_MS),)
    assert journal.handled_open_ms("BTCUSD") == OPEN_MS


def test_bar_cannot_be_decided_twice(journal: Journal) -> None:
    journal.decided(make_bar(), [])
    with pytest.raises(JournalError, match="decided already"):
        journal.decided(make_bar(), [])
    assert journal.decided_count("BTCUSD") == 1


def test_mark_and_intents_commit_together_or_not_at_all(journal: Journal) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        journal.decided(make_bar(), [make_request("same"), make_request("same")])
    assert journal.decided_count("BTCUSD") == 0
    assert journal.open_intents() == ()
    assert list(journal.events()) == []
    assert journal.handled_open_ms("BTCUSD") is None


def test_process_that_dies_after_the_commit_leaves_a_pending_intent(tmp_path: Path) -> None:
    script = f"""
import os, sys
from pathlib import Path
from tests.trading.test_journal import make_bar, make_request
from trading.journal import Journal
journal = Journal(Path({str(tmp_path / "journal.sqlite")!r}))
journal.decided(make_bar(), [make_request()])
os.kill(os.getpid(), 9)
"""
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", script], cwd=root, check=False).returncode == -9
    survivor = Journal(tmp_path / "journal.sqlite")
    (intent,) = survivor.open_intents()
    survivor.close()
    assert (intent.state, intent.request) == (IntentState.PENDING, make_request())


def test_events_and_decisions_cannot_be_changed(journal: Journal, tmp_path: Path) -> None:
    journal.decided(make_bar(), [make_request()])
    other = sqlite3.connect(tmp_path / "journal.sqlite")
    for sql in (
        "UPDATE events SET payload = ''", "DELETE FROM events",
        "UPDATE decisions SET line = ''", "DELETE FROM decisions",
    ):  # fmt: skip
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            other.execute(sql)
    other.close()


def test_intent_state_is_the_last_of_its_events(journal: Journal) -> None:
    journal.decided(make_bar(), [make_request()])
    states = [IntentState.SENT, IntentState.UNKNOWN, IntentState.FILLED]
    for state in states:
        journal.set_state("c-1", state, OPEN_MS + 1, note="as the broker says")
        assert [each.state for each in journal.open_intents()] == [state]
    journal.set_state("c-1", IntentState.PROTECTED, OPEN_MS + 2)
    assert journal.open_intents() == ()
    assert not journal.has_open_intents()
    assert [kind for kind, _, _ in journal.events()] == [
        "order_pending", "order_sent", "order_unknown", "order_filled", "order_protected",
    ]  # fmt: skip
    assert journal.intents_of_bar(OPEN_MS) == [(make_request(), IntentState.PROTECTED)]


def test_illegal_state_changes_nothing(journal: Journal) -> None:
    journal.decided(make_bar(), [make_request()])
    with pytest.raises(IllegalTransition, match="after pending"):
        journal.set_state("c-1", IntentState.FILLED, OPEN_MS + 1)
    assert journal.intent_state("c-1") is IntentState.PENDING
    assert [kind for kind, _, _ in journal.events()] == ["order_pending"]


def test_state_and_successor_commit_together_or_not_at_all(journal: Journal) -> None:
    journal.decided(make_bar(), [make_request()])
    journal.set_state("c-1", IntentState.SENT, OPEN_MS)
    with pytest.raises(sqlite3.IntegrityError):
        journal.set_state("c-1", IntentState.REJECTED, OPEN_MS, then=make_request("c-1"))
    assert journal.intent_state("c-1") is IntentState.SENT
    journal.set_state("c-1", IntentState.REJECTED, OPEN_MS, then=make_request("c-2"))
    (following,) = journal.open_intents()
    assert (following.request.client_id, following.parent) == ("c-2", "c-1")
    assert following.bar_open_ms == OPEN_MS


def test_deal_seen_twice_is_kept_once(journal: Journal) -> None:
    journal.saw_deals([make_deal(3, OPEN_MS)])
    journal.saw_deals([make_deal(3, OPEN_MS), make_deal(4, OPEN_MS)])
    assert [deal.ticket for deal in journal.deals()] == [3, 4]
    assert len(list(journal.events("deal_seen"))) == 2


def test_denials_answer_why_not_at_an_instant(journal: Journal) -> None:
    denials = (Denial("votes", 1, 2), Denial("features", "rsi_14", "finite"))
    journal.decided(make_bar(denials=denials), [])
    journal.decided(make_bar(OPEN_MS + 900_000), [])
    found = journal.denials_between(OPEN_MS, OPEN_MS + 1)
    assert [denial for _, _, denial in found] == list(denials)
    assert journal.denial_counts("BTCUSD") == {"features": 1, "margin": 1, "votes": 1}


def test_denial_of_a_value_that_is_not_a_number_can_be_read_back(journal: Journal) -> None:
    journal.decided(make_bar(denials=(Denial("margin", 0.1, math.nan),)), [])
    ((_, _, denial),) = journal.denials_between(OPEN_MS, OPEN_MS + 1)
    assert isinstance(denial.limit, float)
    assert math.isnan(denial.limit)


def test_missed_bar_says_why(journal: Journal) -> None:
    journal.missed("BTCUSD", OPEN_MS, OPEN_MS + 5, "asleep")
    assert journal.why_missed(OPEN_MS) == "asleep"
    assert journal.handled_open_ms("BTCUSD") == OPEN_MS


def test_event_has_its_time_and_the_time_it_was_observed(journal: Journal, tmp_path: Path) -> None:
    journal.record("something", 7, detail="x")
    other = sqlite3.connect(tmp_path / "journal.sqlite")
    rows = other.execute("SELECT kind, event_time_ms, observed_time_ms FROM events").fetchall()
    other.close()
    assert rows == [("something", 7, 42)]


def test_damaged_journal_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(JournalError, match="move the file away"):
        Journal(path)


def test_journal_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    Journal(path).close()
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(JournalError, match="99 came"):
        Journal(path)
