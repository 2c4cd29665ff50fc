"""The outbox: rows commit with what they tell of, are never doubled, are read beside the loop."""

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from trading.errors import JournalError
from trading.journal import Journal
from trading.outbox import Cursor, OutboxReader, Outgoing, open_read_only


class Echo:
    """Makes a row of every event, under the key that the event brings; may fail."""

    def __init__(self, *, fails: bool = False) -> None:
        self._fails = fails

    def event(
        self, number: int, kind: str, event_ms: int, payload: dict[str, Any]
    ) -> Iterable[Outgoing]:
        if self._fails:
            raise KeyboardInterrupt
        return [Outgoing(kind, str(payload.get("key", number)), event_ms, payload)]

    def decided(self, bar_open_ms: int, decided_ms: int, line: str) -> Iterable[Outgoing]:
        return []


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "journal.sqlite")
    opened.translator = Echo()
    yield opened
    opened.close()


@pytest.fixture
def reader(journal: Journal, tmp_path: Path) -> Iterator[OutboxReader]:
    opened = OutboxReader(tmp_path / "journal.sqlite")
    yield opened
    opened.close()


def test_rows_come_in_the_order_of_writing_with_their_times(
    journal: Journal, reader: OutboxReader
) -> None:
    for place in range(5):
        journal.record("page", 100 + place, text=f"{place}")
    rows = reader.after(0)
    assert [(each.kind, each.event_ms, each.payload["text"]) for each in rows] == [
        ("page", 100 + place, str(place)) for place in range(5)
    ]
    assert [each.payload["text"] for each in reader.after(rows[2].id)] == ["3", "4"]
    assert [each.payload["text"] for each in reader.after(0, 2)] == ["0", "1"]


def test_kinds_that_nobody_asked_for_are_left_out(journal: Journal, reader: OutboxReader) -> None:
    for kind in ("page", "entry", "page"):
        journal.record(kind, 1)
    assert [each.kind for each in reader.after(0, kinds=("entry",))] == ["entry"]
    assert reader.count_after(0, ("page",)) == 2


def test_a_key_is_written_once(journal: Journal, reader: OutboxReader) -> None:
    journal.record("entry", 1, key="entry-7", price=1.0)
    journal.record("entry", 2, key="entry-7", price=2.0)
    assert [each.payload["price"] for each in reader.after(0)] == [1.0]


def test_row_and_event_are_written_both_or_not_at_all(
    journal: Journal, reader: OutboxReader
) -> None:
    journal.translator = Echo(fails=True)
    with pytest.raises(KeyboardInterrupt):
        journal.record("page", 1, text="lost")
    assert list(journal.events("page")) == []
    assert reader.last_id() == 0


def test_without_a_translator_nothing_is_written(journal: Journal, reader: OutboxReader) -> None:
    journal.translator = None
    journal.record("page", 1, text="quiet")
    assert reader.after(0) == ()


def test_numbers_never_go_back_even_if_rows_were_removed(
    journal: Journal, reader: OutboxReader, tmp_path: Path
) -> None:
    journal.record("page", 1)
    first = reader.last_id()
    other = sqlite3.connect(tmp_path / "journal.sqlite")
    other.execute("DELETE FROM outbox")
    other.commit()
    other.close()
    journal.record("page", 2)
    assert reader.last_id() == first + 1


def test_a_reader_cannot_write(journal: Journal, tmp_path: Path) -> None:
    db = open_read_only(tmp_path / "journal.sqlite")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        db.execute("DELETE FROM outbox")
    db.close()


def test_a_reader_without_a_journal_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="start the daemon once"):
        OutboxReader(tmp_path / "none.sqlite")


def test_marks_of_two_channels_stand_beside_each_other_and_last(tmp_path: Path) -> None:
    path = tmp_path / "delivery.sqlite"
    one, two = Cursor(path, "telegram"), Cursor(path, "supabase")
    assert (one.row_id, two.row_id) == (None, None)
    one.advance(5)
    two.advance(9)
    one.advance(6)
    one.close()
    two.close()
    again = Cursor(path, "telegram")
    assert again.row_id == 6
    again.close()


def test_a_journal_without_an_outbox_gets_one_and_keeps_its_events(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    old = Journal(path)
    old.record("page", 1, text="kept")
    old.close()
    db = sqlite3.connect(path)
    as_version_2(db)
    db.close()
    new = Journal(path)
    assert [words["text"] for _, _, words in new.events("page")] == ["kept"]
    new.announce(Outgoing("page", "k", 2, {}))
    new.close()
    reader = OutboxReader(path)
    assert reader.last_id() == 1
    reader.close()


def as_version_2(db: sqlite3.Connection) -> None:
    """What the second version's journal did not have."""
    db.execute("DROP TABLE outbox")
    db.execute("DROP TABLE settings")
    db.execute("ALTER TABLE decisions DROP COLUMN settings_sha256")
    db.execute("PRAGMA user_version = 2")
    db.commit()
