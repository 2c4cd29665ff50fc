"""What leaves the daemon: rows that the loop writes, and how a sender reads on from its own mark.

The rows lie in the journal's own file and commit with what they tell of. A sender is a thread with
a read-only connection; how far it has come is kept in `delivery.sqlite`, which no loop touches. A
row is behind the mark once its receiver has taken it: delivery is at least once, and `key` (unique)
lets a receiver that can tell drop a second one.

Kinds and payloads: `trading.outgoing`.
"""

import json
import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from trading.errors import JournalError

OUTBOX_SCHEMA = """
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, key TEXT NOT NULL UNIQUE,
    payload TEXT NOT NULL, event_ms INTEGER NOT NULL);
"""
_CURSORS = """
CREATE TABLE IF NOT EXISTS cursors (channel TEXT PRIMARY KEY, row_id INTEGER NOT NULL);
"""
_WAIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A row to be written. A row whose `key` is there already is left out: it was told before."""

    kind: str
    key: str
    event_ms: int
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A row as a sender reads it. `event_ms`: the broker's time of what it tells."""

    id: int
    kind: str
    key: str
    payload: dict[str, Any]
    event_ms: int


class Translator(Protocol):
    """Makes rows of what the journal is about to commit; called inside its transactions."""

    def event(
        self, number: int, kind: str, event_ms: int, payload: dict[str, Any]
    ) -> Iterable[Outgoing]: ...

    def decided(self, bar_open_ms: int, decided_ms: int, line: str) -> Iterable[Outgoing]: ...


def put_rows(db: sqlite3.Connection, rows: Iterable[Outgoing]) -> None:
    """Writes rows inside the caller's transaction."""
    db.executemany(
        "INSERT OR IGNORE INTO outbox (kind, key, payload, event_ms) VALUES (?, ?, ?, ?)",
        [(each.kind, each.key, json.dumps(each.payload), each.event_ms) for each in rows],
    )


class OutboxReader:
    """Reads the outbox of a journal over an own read-only connection. One thread uses it."""

    def __init__(self, journal: Path) -> None:
        """Raises `JournalError` where there is no journal yet."""
        self._db = open_read_only(journal)

    def after(
        self, cursor: int, limit: int = 100, *, kinds: Collection[str] = ()
    ) -> tuple[OutboxRow, ...]:
        """Up to `limit` rows behind `cursor` (a row id; 0: from the first), oldest first; with
        `kinds`, only those."""
        only = f"AND kind IN ({', '.join('?' * len(kinds))})" if kinds else ""
        rows = self._db.execute(
            f"SELECT id, kind, key, payload, event_ms FROM outbox WHERE id > ? {only} "
            "ORDER BY id LIMIT ?",
            (cursor, *kinds, limit),
        )
        return tuple(OutboxRow(i, kind, key, json.loads(p), at) for i, kind, key, p, at in rows)

    def count_after(self, cursor: int, kinds: Collection[str]) -> int:
        """How many rows of these kinds lie behind `cursor`."""
        only = f"AND kind IN ({', '.join('?' * len(kinds))})"
        sql = f"SELECT count(*) FROM outbox WHERE id > ? {only}"
        return int(self._db.execute(sql, (cursor, *kinds)).fetchone()[0])

    def last_id(self) -> int:
        """The newest row's id; 0 where there is none."""
        return int(self._db.execute("SELECT coalesce(max(id), 0) FROM outbox").fetchone()[0])

    def close(self) -> None:
        self._db.close()


class Cursor:
    """How far one channel has come. Every advance is a commit (`synchronous=FULL`)."""

    def __init__(self, path: Path, channel: str) -> None:
        self._channel = channel
        self._db = sqlite3.connect(path, isolation_level=None, timeout=_WAIT_S)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute(_CURSORS)
        row = self._db.execute(
            "SELECT row_id FROM cursors WHERE channel = ?", (channel,)
        ).fetchone()
        self._row_id: int | None = None if row is None else int(row[0])

    @property
    def row_id(self) -> int | None:
        """The last row that was taken; None for a channel that never was here."""
        return self._row_id

    def advance(self, row_id: int) -> None:
        """Everything up to `row_id` is delivered, or is none of this channel's concern."""
        self._db.execute(
            "INSERT INTO cursors VALUES (?, ?) "
            "ON CONFLICT (channel) DO UPDATE SET row_id = excluded.row_id",
            (self._channel, row_id),
        )
        self._row_id = row_id

    def close(self) -> None:
        self._db.close()


def open_read_only(path: Path) -> sqlite3.Connection:
    """A connection that cannot write, for use in one thread."""
    try:
        return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=_WAIT_S)
    except sqlite3.OperationalError as error:
        raise JournalError(f"{path}: it cannot be read ({error}); start the daemon once") from error
