"""Writes that a receiver refused for what is in them: set aside, so that the rest can go on."""

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TABLE = """
CREATE TABLE IF NOT EXISTS dead_letters (
    id INTEGER PRIMARY KEY, channel TEXT NOT NULL, row_id INTEGER NOT NULL, body TEXT NOT NULL,
    error TEXT NOT NULL, at_ms INTEGER NOT NULL, UNIQUE (channel, row_id, body));
"""
_WAIT_S = 5.0


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """`row_id`: of the outbox; `body`: what was refused; `at_ms`: the host's clock."""

    id: int
    row_id: int
    body: dict[str, Any]
    error: str
    at_ms: int


class DeadLetters:
    """One channel's own, in `delivery.sqlite`. Every method is a commit."""

    def __init__(self, path: Path, channel: str) -> None:
        self._channel = channel
        self._db = sqlite3.connect(path, isolation_level=None, timeout=_WAIT_S)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute(_TABLE)

    def add(self, row_id: int, body: dict[str, Any], error: str, at_ms: int) -> None:
        """Keeps a refused write, once."""
        self._db.execute(
            "INSERT OR IGNORE INTO dead_letters (channel, row_id, body, error, at_ms) "
            "VALUES (?, ?, ?, ?, ?)",
            (self._channel, row_id, json.dumps(body, sort_keys=True), error, at_ms),
        )

    def all(self) -> tuple[DeadLetter, ...]:
        """Oldest first."""
        rows = self._db.execute(
            "SELECT id, row_id, body, error, at_ms FROM dead_letters WHERE channel = ? ORDER BY id",
            (self._channel,),
        )
        return tuple(DeadLetter(i, row, json.loads(b), error, at) for i, row, b, error, at in rows)

    def remove(self, letter: DeadLetter) -> None:
        """It has arrived after all."""
        self._db.execute("DELETE FROM dead_letters WHERE id = ?", (letter.id,))

    def close(self) -> None:
        self._db.close()
