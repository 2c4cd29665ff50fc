"""The news feed in the loop: taken in between bars, archived, and known from that instant on.

At every look the loop takes in what the feed's thread has read since: it goes into the archive with
the loop's own instant, and into the journal. What was taken in at or before a bar's close counts
for that bar, live and when the archive is replayed.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from market.bars import utc_text
from market.calendar import EconomicCalendar
from market.sources.calendar_archive import CalendarArchive, EventVersion, Refresh
from market.sources.forex_factory import CalendarFeed
from trading.decision.settings import DecisionSettings
from trading.news_feed import FeedState, NewsFeed
from trading.news_settings import NewsSettings
from trading.pager import EventLog, Pager
from trading.releases import ArchivedReleases, KnownCalendar

ARCHIVE = "news.sqlite"
_UNKNOWN = "news"
_BAD_ROWS = "news_rows"
_NOT_KEPT = "news_archive"


class NewsSource:
    """What the archive holds, for the rules and the features of a running daemon."""

    def __init__(self, archive: CalendarArchive, max_age_ms: int) -> None:
        self._archive = archive
        self._max_age_ms = max_age_ms
        self._refreshes = list(archive.refreshes())
        self.trouble = ""
        self._read()

    def at(self, now_ms: int) -> KnownCalendar:
        known = self._releases.at(now_ms)
        return KnownCalendar(known.events, known.unknown, known.refreshed_ms, self.trouble)

    def calendar(self, now_ms: int) -> EconomicCalendar:
        """The events as they were known at an instant."""
        return self.at(now_ms).events.known_at(now_ms)

    def unknown(self, now_ms: int) -> str:
        """Why the calendar cannot be trusted at an instant, or an empty text."""
        return self.at(now_ms).unknown

    def take_in(self, feed: CalendarFeed, now_ms: int) -> tuple[EventVersion, ...]:
        """Archives a reading; what of it is new. Raises `sqlite3.OperationalError`."""
        newest_ms = self._refreshes[-1].observed_ms if self._refreshes else now_ms
        observed_ms = max(now_ms, newest_ms)
        changes = self._archive.take_in(feed, observed_ms)
        self._refreshes.append(Refresh(observed_ms, feed.from_ms, feed.to_ms))
        if changes:
            self._read()
        return changes

    def _read(self) -> None:
        """The list of readings grows under the releases."""
        events = self._archive.calendar()
        self._releases = ArchivedReleases(events, self._refreshes, self._max_age_ms)

    def close(self) -> None:
        self._archive.close()


class OfCurrencies:
    """A source of the same events, those of some currencies and of all alone."""

    def __init__(self, source: NewsSource, currencies: tuple[str, ...]) -> None:
        self._source = source
        self._currencies = currencies

    def at(self, now_ms: int) -> KnownCalendar:
        known = self._source.at(now_ms)
        return KnownCalendar(known.events.only(self._currencies), known.unknown)


class Feed(Protocol):
    """What reads; `trading.news_feed.NewsFeed` is one."""

    @property
    def state(self) -> FeedState: ...


@dataclass(frozen=True, slots=True)
class LiveNews:
    """The feed of a running daemon, and where its readings go."""

    source: NewsSource
    feed: Feed


@contextmanager
def live_news(settings: NewsSettings, folder: Path) -> Iterator[LiveNews]:
    """Reads the feed for as long as it is open; the archive lies in the state folder.

    Raises `SourceError` where a file of its name is no archive.
    """
    source = NewsSource(CalendarArchive(folder / ARCHIVE), settings.max_age_ms)
    try:
        with NewsFeed(settings, key=folder.name) as feed:
            yield LiveNews(source, feed)
    finally:
        source.close()


class NewsDesk:
    """Takes in what was read, and says when the calendar becomes unknown and known again.

    `meaning`: what an unknown calendar means for entries (`meaning_of`).
    """

    def __init__(self, news: LiveNews, journal: EventLog, pager: Pager, *, meaning: str) -> None:
        self._source = news.source
        self._feed = news.feed
        self._journal = journal
        self._pager = pager
        self._meaning = meaning
        self._taken = 0
        self._trouble = ""

    def take_in(self, now_ms: int) -> None:
        """What the feed has read since the last call; then what there is to say."""
        state = self._feed.state
        if state.feed is not None and state.readings != self._taken:
            self._archive(state.feed, state.readings, now_ms)
        self._tell(state, now_ms)

    def _archive(self, feed: CalendarFeed, reading: int, now_ms: int) -> None:
        try:
            changes = self._source.take_in(feed, now_ms)
        except sqlite3.OperationalError as error:
            text = f"news: the archive cannot be written ({error}); {self._meaning}"
            self._pager.page(text, key=_NOT_KEPT)
            return
        self._taken = reading
        self._pager.over("news: the archive is written again", key=_NOT_KEPT)
        if changes:
            self._journal.record("news_taken", now_ms, versions=[_words(each) for each in changes])
        self._tell_bad_rows(feed)

    def _tell_bad_rows(self, feed: CalendarFeed) -> None:
        if not feed.bad_rows:
            self._pager.over("news: every row of the feed is read again", key=_BAD_ROWS)
            return
        shown = "; ".join(feed.bad_rows[:3]) + ("; …" if len(feed.bad_rows) > 3 else "")
        text = f"news: rows of the feed that cannot be read and do not count: {shown}"
        self._pager.page(text, key=_BAD_ROWS)

    def _tell(self, state: FeedState, now_ms: int) -> None:
        if state.trouble != self._trouble:
            self._trouble = self._source.trouble = state.trouble
            self._journal.record("news_feed", now_ms, trouble=state.trouble)
        known = self._source.at(now_ms)
        if not known.unknown:
            when = utc_text(known.refreshed_ms)
            self._pager.over(f"news: the calendar is known again, read at {when} UTC", key=_UNKNOWN)
        elif state.readings or state.failures:
            why = f" (last attempt: {state.trouble})" if state.trouble else ""
            text = f"news: calendar unknown: {known.unknown}{why}; {self._meaning}"
            self._pager.page(text, key=_UNKNOWN)


def meaning_of(settings: DecisionSettings) -> str:
    """What an unknown calendar means, in words."""
    if not settings.news_window_minutes:
        return "no rule looks at news (news_block_minutes is 0)"
    if settings.news_filter.when_unknown == "block":
        return "entries are blocked until it is known (news_filter.when_unknown: block)"
    return "entries go on without the news rules (news_filter.when_unknown: trade)"


def news_line(settings: NewsSettings, source: NewsSource, meaning: str, now_ms: int) -> str:
    """What a person reads at start: the feed, what is known, and what happens without it."""
    refreshed_ms = source.at(now_ms).refreshed_ms
    last = f"last read at {utc_text(refreshed_ms)} UTC" if refreshed_ms else "not read yet"
    return (
        f"news: {settings.url} every {settings.refresh_minutes:g} min, {last}; if it is older than "
        f"{settings.max_age_hours:g} h, {meaning}"
    )


def _words(version: EventVersion) -> dict[str, Any]:
    event = version.event
    return {
        "event": version.name, "time_ms": event.time_ms, "currency": event.currency,
        "impact": int(event.impact), "title": event.title, "forecast": event.forecast,
        "previous": event.previous, "cancelled": version.cancelled,
    }  # fmt: skip
