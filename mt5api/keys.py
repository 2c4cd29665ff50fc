"""Idempotency keys on disk: what was sent under which client id survives the bridge.

One row per client id in SQLite: written before the request goes to the terminal, completed when its
answer is there. Everything is read at the start, so that a lookup costs no disk.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from broker.contract.errors import BrokerUnavailable
from broker.contract.messages import TradeResult
from broker.contract.wire import WireError, decode, encode
from broker.native.intents import IntentMemory, SentIntent

_SCHEMA = 1
_TABLE = (
    "CREATE TABLE IF NOT EXISTS keys (client_id TEXT PRIMARY KEY, body_hash TEXT NOT NULL, "
    "sent_ms INTEGER NOT NULL, result BLOB) WITHOUT ROWID"
)


class KeysError(BrokerUnavailable):
    """A file of keys that cannot be used. Says which, why and what to do."""


class IntentKeys:
    """An `IntentStore` in a file.

    `power_safe`: a key also survives a power cut (one disk flush each); without it, any death of
    the process. Answers are written by `flush`, after the venue has kept what they tell, and
    survive the process: one that a power cut takes leaves its key open.
    """

    def __init__(self, path: Path, *, power_safe: bool = True) -> None:
        self._path = path
        self._lock = Lock()
        self._memory = IntentMemory()
        self._unwritten: dict[str, TradeResult] = {}
        self._begins_with = "FULL" if power_safe else "NORMAL"
        with self._errors_named():
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._require_schema()
            self._db.execute(_TABLE)
            self._read()

    def get(self, client_id: str) -> SentIntent | None:
        return self._memory.get(client_id)

    def begin(self, client_id: str, sent: SentIntent) -> None:
        """On disk when it returns."""
        with self._lock, self._errors_named():
            self._db.execute(f"PRAGMA synchronous={self._begins_with}")
            self._db.execute(
                "INSERT INTO keys VALUES (?, ?, ?, NULL)",
                (client_id, sent.body_hash, sent.sent_ms),
            )
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._memory.begin(client_id, sent)

    def finish(self, client_id: str, result: TradeResult) -> None:
        with self._lock:
            self._memory.finish(client_id, result)
            self._unwritten[client_id] = result

    def forget(self, client_id: str) -> None:
        with self._lock, self._errors_named():
            self._db.execute("DELETE FROM keys WHERE client_id = ?", (client_id,))
            self._memory.forget(client_id)

    def forget_before(self, instant_ms: int) -> None:
        with self._lock, self._errors_named():
            if self._memory.has_before(instant_ms):
                self._db.execute("DELETE FROM keys WHERE sent_ms < ?", (instant_ms,))
                self._memory.forget_before(instant_ms)

    def forget_open(self) -> None:
        """Forgets keys without an answer: for a venue that surely did nothing under them."""
        with self._lock, self._errors_named():
            self._db.execute("DELETE FROM keys WHERE result IS NULL")
            self._memory = IntentMemory()
            self._read()

    def flush(self) -> None:
        """Writes the answers that are not on disk yet."""
        with self._lock, self._errors_named():
            if not self._unwritten:
                return
            self._db.execute("BEGIN")
            self._db.executemany(
                "UPDATE keys SET result = ? WHERE client_id = ?",
                [(encode(result), each) for each, result in self._unwritten.items()],
            )
            self._db.execute("COMMIT")
            self._unwritten.clear()

    def close(self) -> None:
        self.flush()
        self._db.close()

    def _require_schema(self) -> None:
        (found,) = self._db.execute("PRAGMA user_version").fetchone()
        if found not in (0, _SCHEMA):
            raise KeysError(
                f"{self._path}: schema {_SCHEMA} is expected, {found} came: a newer bridge wrote "
                "it; use that one, or move the file away once nothing is open"
            )
        self._db.execute(f"PRAGMA user_version={_SCHEMA}")

    def _read(self) -> None:
        rows = self._db.execute(
            "SELECT client_id, body_hash, sent_ms, result FROM keys ORDER BY sent_ms, client_id"
        )
        for client_id, body_hash, sent_ms, result in rows:
            try:
                answer = None if result is None else decode(TradeResult, result)
            except WireError as error:
                raise KeysError(f"{self._path}: key {client_id}: {error}") from None
            self._memory.begin(client_id, SentIntent(body_hash, sent_ms, answer))

    @contextmanager
    def _errors_named(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise KeysError(
                f"{self._path}: the file of idempotency keys cannot be used ({error}); nothing is "
                "sent without it. Free the disk, or correct --state-dir"
            ) from error
