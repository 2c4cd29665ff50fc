"""Every version of every scheduled event, with the instant at which it was observed (SQLite).

A moved event, a changed figure and a cancellation are new versions; nothing is changed or deleted,
and the database itself refuses to. An `EconomicCalendar` read from here is the calendar as it was
known at each instant. One process writes, anyone may read.

An event is named by its week, currency, title and place among its namesakes of that week: the feed
has no better name for it.
"""

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

from market.calendar import FOR_GOOD_MS, EconomicCalendar, Impact
from market.sources.errors import SourceError
from market.sources.forex_factory import CalendarFeed, ScheduledEvent

_MAGIC = b"SQLite format 3\x00"
_APPLICATION_ID = 0x4E4F5643
_WAIT_S = 5.0
_SCHEMA = f"""
PRAGMA application_id = {_APPLICATION_ID};
CREATE TABLE refreshes (
    id INTEGER PRIMARY KEY, observed_ms INTEGER NOT NULL, from_ms INTEGER NOT NULL,
    to_ms INTEGER NOT NULL);
CREATE TABLE versions (
    id INTEGER PRIMARY KEY, event TEXT NOT NULL, observed_ms INTEGER NOT NULL,
    time_ms INTEGER NOT NULL, currency TEXT NOT NULL, impact INTEGER NOT NULL, title TEXT NOT NULL,
    forecast TEXT NOT NULL, previous TEXT NOT NULL, cancelled INTEGER NOT NULL);
CREATE TRIGGER versions_stay BEFORE UPDATE ON versions
    BEGIN SELECT RAISE(ABORT, 'versions are append-only'); END;
CREATE TRIGGER versions_remain BEFORE DELETE ON versions
    BEGIN SELECT RAISE(ABORT, 'versions are append-only'); END;
CREATE TRIGGER refreshes_stay BEFORE UPDATE ON refreshes
    BEGIN SELECT RAISE(ABORT, 'refreshes are append-only'); END;
CREATE TRIGGER refreshes_remain BEFORE DELETE ON refreshes
    BEGIN SELECT RAISE(ABORT, 'refreshes are append-only'); END;
"""
_VERSION_COLUMNS = (
    "event, observed_ms, time_ms, currency, impact, title, forecast, previous, cancelled"
)


@dataclass(frozen=True, slots=True)
class EventVersion:
    """What was known of one event from `observed_ms` on. `name`: the same for all its versions."""

    name: str
    observed_ms: int
    event: ScheduledEvent
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Refresh:
    """A reading that spoke for [from_ms, to_ms) and was observed at `observed_ms`."""

    observed_ms: int
    from_ms: int
    to_ms: int


class CalendarArchive:
    """An archive that grows. One thread uses it."""

    def __init__(self, path: Path) -> None:
        """Opens or makes it. Raises `SourceError` where the file is something else."""
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=_WAIT_S)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            if not self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                self._db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
            _require_archive(self._db, path)
        except sqlite3.DatabaseError as error:
            raise _not_an_archive(path, error) from error
        self._newest = _newest(_versions(self._db))

    def take_in(self, feed: CalendarFeed, observed_ms: int) -> tuple[EventVersion, ...]:
        """Adds a reading; what of it is new, in one transaction with the reading itself.

        An event inside the reading's weeks that it does not have any more is cancelled, unless
        some of its rows could not be read. Raises `sqlite3.OperationalError` where nothing could
        be written, `ValueError` for an instant before the newest reading.
        """
        newest_ms = self._db.execute("SELECT max(observed_ms) FROM refreshes").fetchone()[0] or 0
        if observed_ms < newest_ms:
            raise ValueError(f"observed_ms: {newest_ms} or later is allowed, {observed_ms} came")
        changes = tuple(_changes(self._newest, feed, observed_ms))
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.execute(
                "INSERT INTO refreshes (observed_ms, from_ms, to_ms) VALUES (?, ?, ?)",
                (observed_ms, feed.from_ms, feed.to_ms),
            )
            self._db.executemany(
                f"INSERT INTO versions ({_VERSION_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                map(_row, changes),
            )
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")
        self._newest.update({each.name: each for each in changes})
        return changes

    def calendar(self) -> EconomicCalendar:
        """Every version as it was known when."""
        return _calendar(_versions(self._db))

    def refreshes(self) -> tuple[Refresh, ...]:
        """Every reading, oldest first."""
        return _refreshes(self._db)

    def versions(self) -> tuple[EventVersion, ...]:
        """Every version, in the order of observing."""
        return tuple(_versions(self._db))

    def close(self) -> None:
        self._db.close()


@dataclass(frozen=True, slots=True, eq=False)
class ArchivedCalendar:
    """An archive as a file was read: the calendar as known when, and the readings behind it.

    `sha256` covers versions and readings, not the file's own bytes.
    """

    events: EconomicCalendar
    refreshes: tuple[Refresh, ...]
    sha256: str


def is_archive(path: Path) -> bool:
    """Whether a file is an SQLite database, and so no CSV."""
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def read_archive(path: Path) -> ArchivedCalendar:
    """Reads an archive, also while a daemon writes it. Raises `SourceError` for another file."""
    try:
        db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=_WAIT_S)
        try:
            _require_archive(db, path)
            db.execute("BEGIN")
            versions, refreshes = tuple(_versions(db)), _refreshes(db)
        finally:
            db.close()
    except sqlite3.DatabaseError as error:
        raise _not_an_archive(path, error) from error
    digest = hashlib.sha256(repr([_row(each) for each in versions]).encode())
    digest.update(repr([astuple(each) for each in refreshes]).encode())
    return ArchivedCalendar(_calendar(versions), refreshes, digest.hexdigest())


def _require_archive(db: sqlite3.Connection, path: Path) -> None:
    if db.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
        raise _not_an_archive(path, "another program's database")


def _not_an_archive(path: Path, why: object) -> SourceError:
    return SourceError(
        f"{path}: a calendar archive of this project is needed, but: {why}; name another file, or "
        "move this one away to begin an empty archive"
    )


def _changes(
    known: dict[str, EventVersion], feed: CalendarFeed, observed_ms: int
) -> Iterator[EventVersion]:
    seen = dict(_named(feed.events))
    for name, event in seen.items():
        before = known.get(name)
        if before is None or before.cancelled or before.event != event:
            yield EventVersion(name, observed_ms, event)
    if feed.bad_rows:
        return
    for name, before in known.items():
        spoken_for = feed.from_ms <= before.event.time_ms < feed.to_ms
        if spoken_for and not before.cancelled and name not in seen:
            yield EventVersion(name, observed_ms, before.event, cancelled=True)


def _named(events: Iterable[ScheduledEvent]) -> Iterator[tuple[str, ScheduledEvent]]:
    """Each event with its name; `events` are in the order of time."""
    count: Counter[str] = Counter()
    for event in events:
        kind = f"{event.week} {event.currency} {event.title}"
        count[kind] += 1
        yield f"{kind} #{count[kind]}", event


def _newest(versions: Iterable[EventVersion]) -> dict[str, EventVersion]:
    return {each.name: each for each in versions}


def _row(version: EventVersion) -> tuple[str | int, ...]:
    event = version.event
    return (
        version.name, version.observed_ms, event.time_ms, event.currency, int(event.impact),
        event.title, event.forecast, event.previous, int(version.cancelled),
    )  # fmt: skip


def _versions(db: sqlite3.Connection) -> Iterator[EventVersion]:
    rows = db.execute(f"SELECT {_VERSION_COLUMNS} FROM versions ORDER BY id")
    for name, observed_ms, time_ms, currency, impact, title, forecast, previous, cancelled in rows:
        event = ScheduledEvent(time_ms, currency, Impact(impact), title, forecast, previous)
        yield EventVersion(name, observed_ms, event, bool(cancelled))


def _refreshes(db: sqlite3.Connection) -> tuple[Refresh, ...]:
    rows = db.execute("SELECT observed_ms, from_ms, to_ms FROM refreshes ORDER BY id")
    return tuple(Refresh(*row) for row in rows)


def _calendar(versions: Iterable[EventVersion]) -> EconomicCalendar:
    """One row per version that is no cancellation, known until the event's next version."""
    rows: list[EventVersion] = []
    until_ms: list[int] = []
    place: dict[str, int] = {}
    for each in versions:
        if each.name in place:
            until_ms[place[each.name]] = each.observed_ms
        place[each.name] = len(rows)
        rows.append(each)
        until_ms.append(FOR_GOOD_MS)
    kept = np.array([not each.cancelled for each in rows], dtype=np.bool_)
    return EconomicCalendar.of(
        np.array([each.event.time_ms for each in rows], dtype=np.int64)[kept],
        np.array([int(each.event.impact) for each in rows], dtype=np.int8)[kept],
        np.array([each.event.currency for each in rows], dtype="U3")[kept],
        np.array([each.observed_ms for each in rows], dtype=np.int64)[kept],
        np.array([each.event.title for each in rows], dtype=np.str_)[kept],
        np.array(until_ms, dtype=np.int64)[kept],
    )  # fmt: skip
