"""The feed in the loop: taken in at a look, archived with the loop's instant, said once."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from market.sources.calendar_archive import CalendarArchive, read_archive
from market.sources.forex_factory import CalendarFeed
from tests.news.feeds import ms, reading, row
from trading.decision.settings import DecisionSettings
from trading.news import LiveNews, NewsDesk, NewsSource, live_news, meaning_of, news_line
from trading.news_feed import FeedState
from trading.news_settings import NewsSettings

HOUR_MS = 3_600_000
MONDAY = ms("2026-08-17T09:00")
CPI, LATER = "2026-08-20T12:30", "2026-08-20T14:00"
MEANING = "entries are blocked"


@dataclass
class Scripted:
    """A feed that has read what a test says."""

    state: FeedState = field(default_factory=FeedState)

    def read(self, feed: CalendarFeed) -> None:
        self.state = FeedState(self.state.readings + 1, feed)

    def fail(self, why: str = "status 503") -> None:
        self.state = replace(self.state, failures=self.state.failures + 1, trouble=why)


@dataclass
class Notes:
    """A journal and a pager that remember."""

    events: list[tuple[str, int, dict[str, Any]]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    open: set[str] = field(default_factory=set)

    def record(self, kind: str, event_time_ms: int, **payload: Any) -> None:
        self.events.append((kind, event_time_ms, json.loads(json.dumps(payload))))

    def page(self, text: str, *, key: str) -> None:
        if key not in self.open:
            self.open.add(key)
            self.said.append(text)

    def over(self, text: str, *, key: str) -> None:
        if key in self.open:
            self.open.discard(key)
            self.said.append(text)


class Desk:
    def __init__(self, path: Path) -> None:
        self.path, self.feed, self.notes = path, Scripted(), Notes()
        self.source = NewsSource(CalendarArchive(path), 24 * HOUR_MS)
        live = LiveNews(self.source, self.feed)
        self.desk = NewsDesk(live, self.notes, self.notes, meaning=MEANING)

    def look(self, at_ms: int) -> None:
        self.desk.take_in(at_ms)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "news.sqlite")
    yield made
    made.source.close()


def test_before_the_first_attempt_the_calendar_is_unknown_and_nobody_is_called(desk: Desk) -> None:
    desk.look(MONDAY)
    assert desk.source.unknown(MONDAY) == "the news feed has not been read yet"
    assert desk.notes.said == []


def test_reading_is_known_from_the_look_that_took_it_in(desk: Desk) -> None:
    desk.feed.read(reading(row(CPI)))
    desk.look(MONDAY)
    assert desk.source.unknown(MONDAY - 1) == "the news feed has not been read yet"
    assert desk.source.unknown(MONDAY) == ""
    assert len(desk.source.calendar(MONDAY - 1)) == 0
    assert desk.source.calendar(MONDAY).title.tolist() == ["CPI m/m"]
    assert desk.source.at(MONDAY).refreshed_ms == MONDAY


def test_what_was_taken_in_is_in_the_journal_once(desk: Desk) -> None:
    desk.feed.read(reading(row(CPI)))
    for look in range(3):
        desk.look(MONDAY + look * 60_000)
    desk.feed.read(reading(row(LATER)))
    desk.look(MONDAY + HOUR_MS)
    taken = [(at, words["versions"]) for kind, at, words in desk.notes.events
             if kind == "news_taken"]  # fmt: skip
    assert [at for at, _ in taken] == [MONDAY, MONDAY + HOUR_MS]
    assert taken[1][1][0] | {"event": ""} == {
        "event": "", "time_ms": ms(LATER), "currency": "USD", "impact": 3, "title": "CPI m/m",
        "forecast": "", "previous": "0.2%", "cancelled": False,
    }  # fmt: skip
    assert taken[0][1][0]["event"] == taken[1][1][0]["event"]


def test_outage_pages_once_when_the_calendar_is_too_old_and_once_when_it_is_back(
    desk: Desk,
) -> None:
    desk.feed.read(reading(row(CPI)))
    desk.look(MONDAY)
    for hour in range(1, 30):
        desk.feed.fail()
        desk.look(MONDAY + hour * HOUR_MS)
    assert desk.source.at(MONDAY).trouble == "status 503"
    assert desk.source.unknown(MONDAY + 24 * HOUR_MS) == ""
    assert desk.notes.said == [
        "news: calendar unknown: the news feed was last read at 2026-08-17 09:00 UTC, more than "
        "24 h ago (last attempt: status 503); entries are blocked"
    ]
    desk.feed.read(reading(row(CPI)))
    desk.look(MONDAY + 30 * HOUR_MS)
    assert desk.notes.said[1:] == [
        "news: the calendar is known again, read at 2026-08-18 15:00 UTC"
    ]
    assert desk.source.at(MONDAY + 30 * HOUR_MS).trouble == ""
    troubles = [words for kind, _, words in desk.notes.events if kind == "news_feed"]
    assert troubles == [{"trouble": "status 503"}, {"trouble": ""}]


def test_feed_that_never_answered_is_said_at_once(desk: Desk) -> None:
    desk.feed.fail("status 429")
    desk.look(MONDAY)
    assert desk.notes.said == [
        "news: calendar unknown: the news feed has not been read yet (last attempt: status 429); "
        "entries are blocked"
    ]


def test_week_that_no_reading_speaks_for_is_unknown(desk: Desk) -> None:
    desk.feed.read(reading(row(CPI)))
    desk.look(ms("2026-08-22T23:00"))
    assert desk.source.unknown(ms("2026-08-23T03:59")) == ""
    assert desk.source.unknown(ms("2026-08-23T04:00")) == (
        "the news feed covers 2026-08-16 04:00 to 2026-08-23 04:00 UTC"
    )


def test_feed_that_turned_to_next_week_early_leaves_this_one_known_for_a_while(desk: Desk) -> None:
    saturday = ms("2026-08-22T09:00")
    desk.feed.read(reading(row(CPI)))
    desk.look(saturday)
    desk.feed.read(reading(row("2026-08-25T12:30")))
    desk.look(saturday + HOUR_MS)
    assert desk.source.unknown(saturday + 2 * HOUR_MS) == ""
    assert desk.source.unknown(ms("2026-08-23T05:00")) == ""


def test_rows_that_cannot_be_read_are_named_once(desk: Desk) -> None:
    good = [row(CPI), row(LATER, "GDP")]
    for hour in range(3):
        desk.feed.read(reading(*good, row("soon", "PPI")))
        desk.look(MONDAY + hour * HOUR_MS)
    assert len(desk.notes.said) == 1
    assert desk.notes.said[0].startswith(
        "news: rows of the feed that cannot be read and do not count: row 3 (USD PPI): date: "
    )
    desk.feed.read(reading(*good))
    desk.look(MONDAY + 3 * HOUR_MS)
    assert desk.notes.said[1:] == ["news: every row of the feed is read again"]


def test_archive_that_cannot_be_written_stops_no_loop_and_is_said(desk: Desk) -> None:
    desk.source._archive._db.execute("PRAGMA query_only = 1")
    desk.feed.read(reading(row(CPI)))
    desk.look(MONDAY)
    desk.look(MONDAY + 60_000)
    assert "news: the archive cannot be written" in desk.notes.said[0]
    assert desk.source.unknown(MONDAY + 60_000) == "the news feed has not been read yet"
    desk.source._archive._db.execute("PRAGMA query_only = 0")
    desk.look(MONDAY + HOUR_MS)
    assert desk.source.unknown(MONDAY + HOUR_MS) == ""
    assert "news: the archive is written again" in desk.notes.said


def test_clock_that_went_back_makes_nothing_known_earlier(desk: Desk) -> None:
    desk.feed.read(reading(row(CPI)))
    desk.look(MONDAY)
    desk.feed.read(reading(row(LATER)))
    desk.look(MONDAY - 60_000)
    assert [each.observed_ms for each in desk.source._archive.versions()] == [MONDAY, MONDAY]
    assert desk.source.calendar(MONDAY).time_ms.tolist() == [ms(LATER)]


def test_restarted_daemon_knows_what_its_archive_knows(desk: Desk) -> None:
    desk.feed.read(reading(row(CPI)))
    desk.look(MONDAY)
    again = Desk(desk.path)
    assert again.source.unknown(MONDAY + HOUR_MS) == ""
    assert again.source.calendar(MONDAY + HOUR_MS).title.tolist() == ["CPI m/m"]
    again.source.close()
    assert len(read_archive(desk.path).refreshes) == 1


def test_file_source_and_running_source_say_the_same(desk: Desk) -> None:
    from trading.releases import ArchivedReleases

    for hour, time in ((0, CPI), (5, LATER), (40, LATER)):
        desk.feed.read(reading(row(time)))
        desk.look(MONDAY + hour * HOUR_MS)
    found = read_archive(desk.path)
    replayed = ArchivedReleases(found.events, found.refreshes, 24 * HOUR_MS)
    for minutes in range(-120, 9 * 24 * 60, 15):
        at_ms = MONDAY + minutes * 60_000
        assert replayed.at(at_ms).unknown == desk.source.unknown(at_ms)
        seen = replayed.at(at_ms).events.known_at(at_ms)
        assert seen.time_ms.tolist() == desk.source.calendar(at_ms).time_ms.tolist()


@pytest.mark.parametrize(
    ("minutes", "when_unknown", "said"),
    [
        (0, "block", "no rule looks at news"),
        (30, "block", "entries are blocked until it is known (news_filter.when_unknown: block)"),
        (30, "trade", "entries go on without the news rules (news_filter.when_unknown: trade)"),
    ],
    ids=["no_rule", "block", "trade"],
)
def test_start_up_says_what_happens_without_the_feed(
    tmp_path: Path, minutes: int, when_unknown: str, said: str
) -> None:
    settings = DecisionSettings(
        news_block_minutes=minutes, news_filter={"when_unknown": when_unknown}
    )
    source = NewsSource(CalendarArchive(tmp_path / "news.sqlite"), HOUR_MS)
    line = news_line(NewsSettings(url="http://x/ff.json"), source, meaning_of(settings), MONDAY)
    assert line.startswith(
        "news: http://x/ff.json every 60 min, not read yet; if it is older than 24 h, "
    )
    assert said in line
    source.close()


def test_broken_archive_is_refused_at_start(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "news.sqlite") as other:
        other.execute("CREATE TABLE t (x)")
    other.close()
    with (
        pytest.raises(ValueError, match="a calendar archive of this project is needed"),
        live_news(NewsSettings(), tmp_path),
    ):
        pass
