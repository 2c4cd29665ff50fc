"""Trials that were done, by the hash of everything that they depend on. One SQLite file.

A sweep that was stopped goes on where it stopped, and a trial that another sweep has made is not
made again. Only the process that leads a sweep writes.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from backtest.sweep.errors import SweepError
from backtest.sweep.trial import Result

_VERSION = 1
_SCHEMA = (
    "CREATE TABLE trials (key TEXT PRIMARY KEY, figures TEXT NOT NULL, daily BLOB NOT NULL)",
    "CREATE TABLE sweeps (id TEXT PRIMARY KEY)",
    f"PRAGMA user_version = {_VERSION}",
)


class SweepStore:
    """`path`: made when it is missing. Raises `SweepError` where it cannot be used."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._transaction() as db:
            version = int(db.execute("PRAGMA user_version").fetchone()[0])
            if version == 0:
                for statement in _SCHEMA:
                    db.execute(statement)
        if version not in (0, _VERSION):
            raise SweepError(
                f"{path}: version {_VERSION} is allowed, {version} came; move the file away: "
                "its trials are then made again"
            )

    def find(self, key: str) -> Result | None:
        with self._transaction() as db:
            query = "SELECT figures, daily FROM trials WHERE key = ?"
            row = db.execute(query, (key,)).fetchone()
        if row is None:
            return None
        return Result(json.loads(row[0]), np.frombuffer(row[1], dtype=np.float64))

    def keep(self, key: str, result: Result) -> None:
        text = json.dumps(dict(result.figures), allow_nan=False)
        with self._transaction() as db:
            row = (key, text, result.daily.tobytes())
            db.execute("INSERT OR REPLACE INTO trials VALUES (?, ?, ?)", row)

    def is_finished(self, sweep: str) -> bool:
        with self._transaction() as db:
            query = "SELECT 1 FROM sweeps WHERE id = ?"
            return db.execute(query, (sweep,)).fetchone() is not None

    def finish(self, sweep: str) -> None:
        with self._transaction() as db:
            db.execute("INSERT OR IGNORE INTO sweeps VALUES (?)", (sweep,))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(self._path, isolation_level=None, timeout=60)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            raise SweepError(f"{self._path}: SQLite says: {error}; move the file away") from error
        finally:
            db.close()
