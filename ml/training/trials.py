"""The trial ledger: every train, tuning trial, sweep setting and look at out-of-sample bars.

How good the best of many tries looks depends on how many there were, so the number must be true.
One SQLite file, append-only: the database refuses changes, and each row holds the hash of the row
before it, so that an edit made around the database shows, with the row it was made in. Beside it
lies `<file>.head` with the last row's id and hash: a ledger that was cut short, deleted or put back
from an older copy shows against it, and against a head noted farther away (an evidence file).

A row's hash is the SHA-256 of its canonical JSON (UTF-8, keys sorted, no blanks, no NaN):
`[id, kind, at_ms, data_sha256, what, result, previous hash]`.
"""

import hashlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from market.whole_file import whole_file

Kind = Literal["train", "tune_trial", "sweep", "look"]
KINDS: tuple[str, ...] = get_args(Kind)
SCHEMA_VERSION = 1
_WAIT_S = 60.0
_FIRST = "0" * 64
_SCHEMA = (
    "CREATE TABLE trials (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, at_ms INTEGER NOT NULL, "
    "data_sha256 TEXT NOT NULL, what TEXT NOT NULL, result TEXT NOT NULL, "
    "previous TEXT NOT NULL, hash TEXT NOT NULL)",
    "CREATE INDEX trials_by_kind ON trials (kind)",
    "CREATE TRIGGER trials_stay BEFORE UPDATE ON trials "
    "BEGIN SELECT RAISE(ABORT, 'trials are append-only'); END",
    "CREATE TRIGGER trials_remain BEFORE DELETE ON trials "
    "BEGIN SELECT RAISE(ABORT, 'trials are append-only'); END",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)


class TrialLedgerError(Exception):
    """The ledger cannot be used or is not whole. The text names the row and what to do."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One row. `what` was tried, on data of that hash, with what `result`; `at_ms`: wall clock."""

    id: int
    kind: str
    at_ms: int
    data_sha256: str
    what: dict[str, Any]
    result: dict[str, Any]
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class Head:
    """The last row so far: its id (0 for an empty ledger) and its hash."""

    id: int
    hash: str


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


class TrialLedger:
    """One ledger file, made when it is missing. Threads and processes may all write at once."""

    def __init__(self, path: Path, *, now_ms: Callable[[], int] = _wall_ms) -> None:
        self.path = path
        self._now_ms = now_ms
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._transaction() as db:
                version = int(db.execute("PRAGMA user_version").fetchone()[0])
                if version == 0:
                    for statement in _SCHEMA:
                        db.execute(statement)
        except sqlite3.DatabaseError as error:
            raise TrialLedgerError(
                f"{path}: a trial ledger is needed, but SQLite says: {error}; move the file and "
                f"{self.noted.name} away to start with an empty one, and say in your reports that "
                "trials before it are lost"
            ) from error
        if version not in (0, SCHEMA_VERSION):
            raise TrialLedgerError(
                f"{path}: ledger version {SCHEMA_VERSION} is allowed, {version} came; use the "
                "program version that wrote it"
            )

    def record(
        self, kind: Kind, *, what: Mapping[str, Any], data_sha256: str, result: Mapping[str, Any]
    ) -> int:
        """Appends one trial, durably, and returns its id (1, 2, …).

        `what`: kind of model, symbol, parameters, seed, sample; `result`: whatever came out of it
        (`score`, `sharpe`, `trades`, `state` …), JSON without NaN. Raises `TrialLedgerError`.
        """
        if kind not in KINDS:
            raise TrialLedgerError(f"kind: one of {', '.join(KINDS)} is allowed, {kind!r} came")
        asked, came = _canonical("what", what), _canonical("result", result)
        with self._transaction() as db:
            last = _head(db)
            row = (last.id + 1, kind, self._now_ms(), data_sha256, asked, came, last.hash)
            db.execute("INSERT INTO trials VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*row, _hash(*row)))
        self._note()
        return last.id + 1

    @property
    def noted(self) -> Path:
        """The file beside the ledger that names its last row."""
        return self.path.with_name(f"{self.path.name}.head")

    def _note(self) -> None:
        """After the commit, so that the note is never ahead of the ledger. A note of a row that is
        not there stays: it is the proof."""
        with self._transaction() as db:
            before, now = self._read_note(), _head(db)
            found = db.execute("SELECT hash FROM trials WHERE id = ?", (before.id,)).fetchone()
            if before.id == 0 or found == (before.hash,):
                with whole_file(self.noted) as part:
                    part.write_text(f"{now.id} {now.hash}\n", encoding="utf-8")

    def _read_note(self) -> Head:
        try:
            number, own = self.noted.read_text(encoding="utf-8").split()
            return Head(int(number), own)
        except FileNotFoundError:
            return Head(0, _FIRST)
        except ValueError:
            raise TrialLedgerError(
                f"{self.noted}: a row's id and hash are needed, something else came; remove the "
                "file, and say in your reports that the ledger may have been cut short"
            ) from None

    def count(self, *kinds: Kind, data_sha256: str | None = None, symbol: str | None = None) -> int:
        """How many trials of these kinds (of all, where none is named); on this data; whose `what`
        names this symbol."""
        where, values = ["1"], list[str](kinds)
        if kinds:
            where.append(f"kind IN ({', '.join('?' * len(kinds))})")
        if data_sha256 is not None:
            where.append("data_sha256 = ?")
            values.append(data_sha256)
        if symbol is not None:
            where.append("json_extract(what, '$.symbol') = ?")
            values.append(symbol)
        query = f"SELECT COUNT(*) FROM trials WHERE {' AND '.join(where)}"
        with self._transaction() as db:
            return int(db.execute(query, values).fetchone()[0])

    def rows(self, *kinds: Kind) -> Iterator[Trial]:
        """Trials of these kinds (of all, where none is named), oldest first."""
        for row in self._stored():
            if not kinds or row[1] in kinds:
                number, kind, at_ms, data_sha256, what, result, previous, own = row
                asked, came = json.loads(what), json.loads(result)
                yield Trial(number, kind, at_ms, data_sha256, asked, came, previous, own)

    def head(self) -> Head:
        """The last row, to be noted where the ledger cannot reach: in a card or an evidence."""
        with self._transaction() as db:
            return _head(db)

    def verify(self, noted: Head | None = None) -> int:
        """The number of rows, if each is as it was written, and `noted` and the row that is noted
        beside the ledger are among them.

        Raises `TrialLedgerError` that names the first row which was changed, removed or added
        around the ledger.
        """
        beside, stored, last = self._read_note(), self._stored(), Head(0, _FIRST)
        hashes = {0: _FIRST}
        for row in stored:
            self._require(row[0] == last.id + 1, last.id + 1, "is missing")
            self._require(row[6] == last.hash, row[0], f"does not follow row {last.id}")
            self._require(row[7] == _hash(*row[:7]), row[0], "was changed after it was written")
            last = Head(row[0], row[7])
            hashes[last.id] = last.hash
        for where, head in ((f"in {self.noted.name}", beside), ("elsewhere", noted)):
            if head is not None:
                self._require(head.id in hashes, head.id, f"was noted {where} and is missing")
                self._require(
                    hashes[head.id] == head.hash, head.id,
                    f"is not the one that was noted {where}",
                )  # fmt: skip
        return last.id

    def _require(self, holds: bool, row_id: int, problem: str) -> None:
        if not holds:
            raise TrialLedgerError(
                f"{self.path}: row {row_id} {problem}: the count of trials cannot be trusted; "
                f"restore the file from a backup, or move it and {self.noted.name} away and train "
                "again: nothing is proven of models whose ledger is lost"
            )

    def _stored(self) -> list[tuple[Any, ...]]:
        with self._transaction() as db:
            return db.execute("SELECT * FROM trials ORDER BY id").fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """One connection and transaction a call: a writer waits for the writer before it."""
        db = sqlite3.connect(self.path, isolation_level=None, timeout=_WAIT_S)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")
        finally:
            db.close()


def _head(db: sqlite3.Connection) -> Head:
    row = db.execute("SELECT id, hash FROM trials ORDER BY id DESC LIMIT 1").fetchone()
    return Head(0, _FIRST) if row is None else Head(*row)


def _hash(*row: Any) -> str:
    """Of the row as stored: `what` and `result` are texts of canonical JSON already."""
    number, kind, at_ms, data_sha256, what, result, previous = row
    fixed = (number, kind, at_ms, data_sha256)
    head = json.dumps(fixed, ensure_ascii=False, separators=(",", ":"))[:-1]
    return hashlib.sha256(f'{head},{what},{result},"{previous}"]'.encode()).hexdigest()


def _canonical(name: str, value: Mapping[str, Any]) -> str:
    try:
        return json.dumps(
            dict(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
        )
    except (TypeError, ValueError) as error:
        raise TrialLedgerError(f"{name}: JSON without NaN is allowed: {error}") from error
