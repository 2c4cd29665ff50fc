"""The durable bar store: one SQLite file, float64 exact, revisions kept.

A bar is keyed by symbol, timeframe and open time. Merging the same bars again changes nothing. A
bar that comes back with other values is a revision: the newest values are kept, the old ones are
written to `revisions`, and the report names both.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from market.bars import Bars, BarsError, utc_text
from market.gaps import Gap, find_gaps
from market.sessions import ALWAYS_OPEN, Sessions
from market.timeframe import Timeframe

_VALUES = ("open", "high", "low", "close", "tick_volume", "spread_points")
_ROW = np.dtype(
    [("open_ms", "i8")]
    + [(name, "f8") for name in _VALUES[:4]]
    + [(name, "i8") for name in _VALUES[4:]]
)
_COLUMNS = ", ".join(_VALUES)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS bars (
    symbol TEXT NOT NULL, timeframe_min INTEGER NOT NULL, open_ms INTEGER NOT NULL,
    open REAL NOT NULL, high REAL NOT NULL, low REAL NOT NULL, close REAL NOT NULL,
    tick_volume INTEGER NOT NULL, spread_points INTEGER NOT NULL, observed_ms INTEGER NOT NULL,
    PRIMARY KEY (symbol, timeframe_min, open_ms)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS revisions (
    id INTEGER PRIMARY KEY,
    symbol TEXT NOT NULL, timeframe_min INTEGER NOT NULL, open_ms INTEGER NOT NULL,
    open REAL NOT NULL, high REAL NOT NULL, low REAL NOT NULL, close REAL NOT NULL,
    tick_volume INTEGER NOT NULL, spread_points INTEGER NOT NULL, observed_ms INTEGER NOT NULL,
    replaced_ms INTEGER NOT NULL
);
"""
_SELECT = f"""
SELECT open_ms, {_COLUMNS} FROM bars
WHERE symbol = ? AND timeframe_min = ? AND open_ms >= ? AND open_ms < ? ORDER BY open_ms
"""
_LAST = f"""
SELECT open_ms, {_COLUMNS} FROM bars
WHERE symbol = ? AND timeframe_min = ? AND open_ms < ? ORDER BY open_ms DESC LIMIT ?
"""
_KEEP_OLD = f"""
INSERT INTO revisions (symbol, timeframe_min, open_ms, {_COLUMNS}, observed_ms, replaced_ms)
SELECT symbol, timeframe_min, open_ms, {_COLUMNS}, observed_ms, ? FROM bars
WHERE symbol = ? AND timeframe_min = ? AND open_ms = ?
"""
_PUT = f"""
INSERT OR REPLACE INTO bars (symbol, timeframe_min, open_ms, {_COLUMNS}, observed_ms)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


class StoreError(RuntimeError):
    """A bar store that cannot be opened."""


@dataclass(frozen=True, slots=True)
class BarValues:
    """What one bar says, without its key."""

    open: float
    high: float
    low: float
    close: float
    tick_volume: int
    spread_points: int


@dataclass(frozen=True, slots=True)
class Revision:
    """A stored bar that came back with other values; `after` is kept."""

    open_ms: int
    before: BarValues
    after: BarValues

    def __str__(self) -> str:
        return f"bar {utc_text(self.open_ms)} UTC was {self.before}, is {self.after}"


@dataclass(frozen=True, slots=True)
class MergeReport:
    """What a merge changed, and the gaps that the store then has around the merged bars."""

    added: int
    revised: tuple[Revision, ...]
    gaps: tuple[Gap, ...]


class BarStore:
    """Bars of any number of symbols and timeframes in one file. One process writes it.

    A file that is no store is a `StoreError`. Later `sqlite3.Error`s (a full disk) pass through: a
    store that cannot be written stops its owner.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None)
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            # In WAL mode NORMAL may lose the last merge on power loss, never the file; the next
            # top-up fetches it again.
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise StoreError(
                f"bar store {path}: it cannot be opened ({error}); if no other process uses it, "
                "move it away, it is filled again from the source"
            ) from error

    def close(self) -> None:
        self._db.close()

    def merge(
        self, bars: Bars, *, observed_ms: int, sessions: Sessions = ALWAYS_OPEN
    ) -> MergeReport:
        """Add what is new, replace what differs; all of it is durable, or none.

        `observed_ms` is when the bars were read: a bar that closes later is a `BarsError`.
        `sessions` tell a gap from a closed market.
        """
        bars.checked()
        if len(bars) == 0:
            return MergeReport(0, (), ())
        _refuse_open_bar(bars, observed_ms)
        first_ms, end_ms = int(bars.open_ms[0]), int(bars.open_ms[-1]) + 1
        stored = _table(self.load(bars.symbol, bars.timeframe, from_ms=first_ms, to_ms=end_ms))
        incoming = _table(bars)
        known = np.isin(incoming["open_ms"], stored["open_ms"])
        added, again = incoming[~known], incoming[known]
        before = stored[np.isin(stored["open_ms"], incoming["open_ms"])]
        changed = before != again
        with _transaction(self._db):
            key = (bars.symbol, bars.timeframe.value)
            for open_ms in again["open_ms"][changed].tolist():
                self._db.execute(_KEEP_OLD, (observed_ms, *key, open_ms))
            for rows in (added, again[changed]):
                self._db.executemany(_PUT, ((*key, *row, observed_ms) for row in rows.tolist()))
        revised = tuple(_revisions(before[changed], again[changed]))
        return MergeReport(len(added), revised, self._gaps_around(bars, sessions))

    def load(self, symbol: str, timeframe: Timeframe, *, from_ms: int, to_ms: int) -> Bars:
        """Bars that open in [from_ms, to_ms), oldest first; float64 as they were merged."""
        cursor = self._db.execute(_SELECT, (symbol, timeframe.value, from_ms, to_ms))
        rows = np.fromiter(cursor, dtype=_ROW)
        open_ms, *values = (np.ascontiguousarray(rows[name]) for name in ("open_ms", *_VALUES))
        return Bars(symbol, timeframe, open_ms, *values)

    def first_open_ms(self, symbol: str, timeframe: Timeframe) -> int | None:
        """Open time of the oldest bar; None where there is none."""
        return self._edge("min", symbol, timeframe)

    def last_open_ms(self, symbol: str, timeframe: Timeframe) -> int | None:
        """Open time of the newest bar; None where there is none."""
        return self._edge("max", symbol, timeframe)

    def revisions(self, symbol: str, timeframe: Timeframe) -> tuple[tuple[int, BarValues], ...]:
        """Every replaced bar as (open_ms, old values), in the order of replacement."""
        rows = self._db.execute(
            f"SELECT open_ms, {_COLUMNS} FROM revisions "
            "WHERE symbol = ? AND timeframe_min = ? ORDER BY id",
            (symbol, timeframe.value),
        )
        return tuple((open_ms, BarValues(*values)) for open_ms, *values in rows)

    def _edge(self, which: str, symbol: str, timeframe: Timeframe) -> int | None:
        (open_ms,) = self._db.execute(
            f"SELECT {which}(open_ms) FROM bars WHERE symbol = ? AND timeframe_min = ?",
            (symbol, timeframe.value),
        ).fetchone()
        return None if open_ms is None else int(open_ms)

    def _gaps_around(self, bars: Bars, sessions: Sessions) -> tuple[Gap, ...]:
        """Gaps from the stored bar before the merged ones to the stored bar after them."""
        first_ms, last_ms = int(bars.open_ms[0]), int(bars.open_ms[-1])
        before, after = self._db.execute(
            "SELECT (SELECT max(open_ms) FROM bars WHERE symbol = :symbol AND timeframe_min = :tf "
            "AND open_ms < :first), (SELECT min(open_ms) FROM bars WHERE symbol = :symbol "
            "AND timeframe_min = :tf AND open_ms > :last)",
            {"symbol": bars.symbol, "tf": bars.timeframe.value, "first": first_ms, "last": last_ms},
        ).fetchone()
        span = self.load(
            bars.symbol,
            bars.timeframe,
            from_ms=first_ms if before is None else before,
            to_ms=(last_ms if after is None else after) + 1,
        )
        return find_gaps(span, sessions)


def read_last(path: Path, symbol: str, timeframe: Timeframe, *, before_ms: int, count: int) -> Bars:
    """Up to `count` bars that open before an instant, oldest first, over an own read-only
    connection: beside the process that writes. Raises `StoreError`."""
    try:
        db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        with closing(db):
            rows = np.fromiter(
                db.execute(_LAST, (symbol, timeframe.value, before_ms, count)), dtype=_ROW
            )[::-1]
    except sqlite3.Error as error:
        raise StoreError(f"bar store {path}: it cannot be read ({error})") from error
    open_ms, *values = (np.ascontiguousarray(rows[name]) for name in ("open_ms", *_VALUES))
    return Bars(symbol, timeframe, open_ms, *values)


class _transaction:
    """All statements inside become durable together, or none does."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        self._db.execute("COMMIT" if failure is None else "ROLLBACK")


def _refuse_open_bar(bars: Bars, observed_ms: int) -> None:
    last_close_ms = int(bars.open_ms[-1]) + bars.timeframe.ms
    if last_close_ms > observed_ms:
        raise BarsError(
            f"{bars.symbol} {bars.timeframe.name}: only bars closed by {utc_text(observed_ms)} UTC "
            f"are allowed, but the last closes at {utc_text(last_close_ms)} UTC; "
            "leave the forming bar out"
        )


def _table(bars: Bars) -> np.ndarray:
    """The columns as one structured array of rows."""
    rows = np.empty(len(bars), dtype=_ROW)
    for name in _ROW.names or ():
        rows[name] = getattr(bars, name)
    return rows


def _revisions(before: np.ndarray, after: np.ndarray) -> Iterator[Revision]:
    for old, new in zip(before.tolist(), after.tolist(), strict=True):
        yield Revision(old[0], BarValues(*old[1:]), BarValues(*new[1:]))
