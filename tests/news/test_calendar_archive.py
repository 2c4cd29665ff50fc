"""The archive of the calendar: what was known when, and that nothing is ever changed."""

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from market.calendar import EconomicCalendar
from market.sources.calendar_archive import CalendarArchive, read_archive
from market.sources.calendar_files import read_calendar_file
from market.sources.errors import SourceError
from market.sources.forex_factory import CalendarFeed, parse_feed
from tests.news.feeds import WEEK_FROM_MS, ms, reading, row

MONDAY, TUESDAY, WEDNESDAY = (
    ms(f"2026-08-{day}T09:00") for day in ("17", "18", "19")
)  # fmt: skip
CPI, LATER = "2026-08-20T12:30", "2026-08-20T14:00"


def known(calendar: EconomicCalendar, at_ms: int) -> list[tuple[str, int]]:
    """(title, time) of what was known at an instant."""
    seen = calendar.known_at(at_ms)
    return list(zip(seen.title.tolist(), seen.time_ms.tolist(), strict=True))


@pytest.fixture
def archive(tmp_path: Path) -> CalendarArchive:
    return CalendarArchive(tmp_path / "news.sqlite")


# What was read on Monday, Tuesday and Wednesday, and what was then known of the release on
# Monday 08:59, Monday, Tuesday and Wednesday (hours of the day, none for not known).
STORIES = [
    ("stays", [row(CPI)], [row(CPI)], [row(CPI)], (None, CPI, CPI, CPI)),
    ("moves", [row(CPI)], [row(LATER)], [row(LATER)], (None, CPI, LATER, LATER)),
    ("is_cancelled", [row(CPI)], [], [], (None, CPI, None, None)),
    ("comes_back", [row(CPI)], [], [row(CPI)], (None, CPI, None, CPI)),
    ("comes_late", [], [row(CPI)], [row(CPI)], (None, None, CPI, CPI)),
    ("moves_to_and_fro", [row(CPI)], [row(LATER)], [row(CPI)], (None, CPI, LATER, CPI)),
]


@pytest.mark.parametrize(
    ("monday", "tuesday", "wednesday", "expected"),
    [story[1:] for story in STORIES], ids=[story[0] for story in STORIES],
)  # fmt: skip
def test_what_was_known_when_is_what_was_read_by_then(
    archive: CalendarArchive, monday: list, tuesday: list, wednesday: list, expected: tuple
) -> None:
    other = row("2026-08-21T12:30", "Retail Sales")
    for at_ms, rows in ((MONDAY, monday), (TUESDAY, tuesday), (WEDNESDAY, wednesday)):
        archive.take_in(reading(*rows, other), at_ms)
    instants = (MONDAY - 1, MONDAY, TUESDAY, WEDNESDAY)
    for at_ms, time in zip(instants, expected, strict=True):
        of_cpi = [each for title, each in known(archive.calendar(), at_ms) if title == "CPI m/m"]
        assert of_cpi == ([] if time is None else [ms(time)])


def test_every_change_of_a_figure_is_a_version_and_no_change_is_none(
    archive: CalendarArchive,
) -> None:
    assert len(archive.take_in(reading(row(CPI)), MONDAY)) == 1
    assert archive.take_in(reading(row(CPI)), TUESDAY) == ()
    changes = archive.take_in(reading(row(CPI, forecast="0.3%")), WEDNESDAY)
    assert [each.event.forecast for each in changes] == ["0.3%"]
    assert known(archive.calendar(), WEDNESDAY) == [("CPI m/m", ms(CPI))]
    assert [each.observed_ms for each in archive.versions()] == [MONDAY, WEDNESDAY]
    assert [each.observed_ms for each in archive.refreshes()] == [MONDAY, TUESDAY, WEDNESDAY]


def test_change_of_impact_holds_from_when_it_was_read(archive: CalendarArchive) -> None:
    archive.take_in(reading(row(CPI, impact="Low")), MONDAY)
    archive.take_in(reading(row(CPI)), TUESDAY)
    calendar = archive.calendar()
    assert calendar.known_at(TUESDAY - 1).impact.tolist() == [1]
    assert calendar.known_at(TUESDAY).impact.tolist() == [3]


def test_namesakes_of_one_week_are_events_of_their_own(archive: CalendarArchive) -> None:
    first, second = row("2026-08-17T12:30", "Fed speaks"), row("2026-08-19T12:30", "Fed speaks")
    archive.take_in(reading(first, second), MONDAY)
    assert len(known(archive.calendar(), MONDAY)) == 2
    archive.take_in(reading(second), TUESDAY)
    assert known(archive.calendar(), TUESDAY) == [("Fed speaks", ms("2026-08-19T12:30"))]


def test_next_weeks_reading_cancels_nothing_of_this_one(archive: CalendarArchive) -> None:
    archive.take_in(reading(row(CPI)), MONDAY)
    archive.take_in(reading(row("2026-08-25T12:30")), ms("2026-08-23T05:00"))
    assert len(known(archive.calendar(), ms("2026-08-23T05:00"))) == 2


def test_where_rows_could_not_be_read_nothing_is_taken_for_cancelled(
    archive: CalendarArchive,
) -> None:
    archive.take_in(reading(row(CPI), row(LATER, "GDP")), MONDAY)
    archive.take_in(reading(row(LATER, "GDP"), row(LATER, "PPI"), row("soon")), TUESDAY)
    assert [title for title, _ in known(archive.calendar(), TUESDAY)] == ["CPI m/m", "GDP", "PPI"]


def test_archive_goes_on_after_a_restart(tmp_path: Path) -> None:
    for at_ms, time in ((MONDAY, CPI), (TUESDAY, CPI), (WEDNESDAY, LATER)):
        archive = CalendarArchive(tmp_path / "news.sqlite")
        archive.take_in(reading(row(time)), at_ms)
        archive.close()
    found = read_archive(tmp_path / "news.sqlite")
    assert known(found.events, TUESDAY) == [("CPI m/m", ms(CPI))]
    assert known(found.events, WEDNESDAY) == [("CPI m/m", ms(LATER))]
    assert len(found.refreshes) == 3


def test_reading_before_the_newest_one_is_refused(archive: CalendarArchive) -> None:
    archive.take_in(reading(row(CPI)), TUESDAY)
    with pytest.raises(ValueError, match=f"{TUESDAY} or later is allowed, {MONDAY} came"):
        archive.take_in(reading(row(LATER)), MONDAY)


@pytest.mark.parametrize("table", ["versions", "refreshes"])
@pytest.mark.parametrize("change", ["UPDATE {} SET observed_ms = 0", "DELETE FROM {}"])
def test_database_itself_refuses_to_forget(tmp_path: Path, table: str, change: str) -> None:
    archive = CalendarArchive(tmp_path / "news.sqlite")
    archive.take_in(reading(row(CPI)), MONDAY)
    archive.close()
    with (
        sqlite3.connect(tmp_path / "news.sqlite") as other,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        other.execute(change.format(table))
    other.close()


def test_reading_that_could_not_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "news.sqlite"
    archive = CalendarArchive(path)
    archive.take_in(reading(row(CPI)), MONDAY)
    archive._db.execute("PRAGMA query_only = 1")
    with pytest.raises(sqlite3.OperationalError):
        archive.take_in(reading(row(LATER)), TUESDAY)
    archive._db.execute("PRAGMA query_only = 0")
    assert len(archive.take_in(reading(row(LATER)), TUESDAY)) == 1
    assert len(read_archive(path).refreshes) == 2


def test_archive_is_read_while_a_daemon_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "news.sqlite"
    writer = CalendarArchive(path)
    writer.take_in(reading(row(CPI)), MONDAY)
    before = read_calendar_file(path)
    writer.take_in(reading(row(LATER)), TUESDAY)
    after = read_calendar_file(path)
    assert before.refreshes is not None
    assert after.refreshes is not None
    assert (len(before.refreshes), len(after.refreshes)) == (1, 2)
    assert before.sha256 != after.sha256 == read_calendar_file(path).sha256


@pytest.mark.parametrize("content", ["sqlite", "text"])
def test_file_that_is_no_archive_is_refused_with_what_to_do(tmp_path: Path, content: str) -> None:
    path = tmp_path / "other.sqlite"
    if content == "sqlite":
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE t (x)")
        other.close()
    else:
        path.write_text("this is no database, and it is long enough to be looked at as one\n" * 50)
    for attempt in (CalendarArchive, read_archive):
        with pytest.raises(SourceError, match="a calendar archive of this project is needed"):
            attempt(path)


def test_sample_week_is_known_from_its_reading_on(shared_data: Path, tmp_path: Path) -> None:
    feed: CalendarFeed = parse_feed(
        (shared_data / "ff_calendar_thisweek_sample.json").read_bytes()
    )  # fmt: skip
    archive = CalendarArchive(tmp_path / "news.sqlite")
    archive.take_in(feed, WEEK_FROM_MS + 1)
    calendar = archive.calendar()
    assert len(calendar.known_at(WEEK_FROM_MS)) == 0
    assert len(calendar.known_at(WEEK_FROM_MS + 1)) == len(feed.events) == 100
    assert (np.diff(calendar.time_ms) >= 0).all()


def test_empty_archive_is_a_calendar_without_events(archive: CalendarArchive) -> None:
    assert len(archive.calendar()) == 0
    assert archive.refreshes() == ()
