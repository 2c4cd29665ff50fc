"""Scheduled news as decisions see it: what is near a bar's close, and whether to trust it."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from market.bars import utc_text
from market.calendar import EconomicCalendar
from market.sources.calendar_archive import Refresh
from trading.decision.records import NewsEvent

_MINUTE_MS = 60_000
_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True, eq=False)
class KnownCalendar:
    """A calendar at one instant. `unknown`: why it cannot be trusted now, or an empty text.

    `events` may hold more than was known then; `events.known_at(instant)` does not.
    `refreshed_ms`: when a feed was last read, 0 where there is none; `trouble`: why it cannot be
    read at present, which does not make it unknown yet.
    """

    events: EconomicCalendar
    unknown: str = ""
    refreshed_ms: int = 0
    trouble: str = ""


class CalendarSource(Protocol):
    """Where the calendar comes from: a file, or a feed that is read while the daemon runs."""

    def at(self, now_ms: int) -> KnownCalendar: ...


class GivenCalendar:
    """One calendar for a whole run. It is trusted from its first event to its last."""

    def __init__(self, events: EconomicCalendar) -> None:
        self._events = events

    def at(self, now_ms: int) -> KnownCalendar:
        return KnownCalendar(self._events, self._unknown(now_ms))

    def _unknown(self, now_ms: int) -> str:
        if len(self._events) == 0:
            return "no calendar is given"
        first_ms, last_ms = int(self._events.time_ms[0]), int(self._events.time_ms[-1])
        if first_ms <= now_ms <= last_ms:
            return ""
        return f"the calendar covers {utc_text(first_ms)} to {utc_text(last_ms)} UTC"


NO_CALENDAR = GivenCalendar(EconomicCalendar.none())


class ArchivedReleases:
    """A calendar that was read again and again, as an archive has it: live and in the backtest.

    It is trusted while a reading of the week in question is at most `max_age_ms` old.
    """

    def __init__(
        self, events: EconomicCalendar, refreshes: Sequence[Refresh], max_age_ms: int
    ) -> None:
        """`refreshes`: oldest first."""
        self._events = events
        self._refreshes = refreshes
        self._max_age_ms = max_age_ms

    def at(self, now_ms: int) -> KnownCalendar:
        seen = bisect_right(self._refreshes, now_ms, key=_observed)
        newest_ms = self._refreshes[seen - 1].observed_ms if seen else 0
        return KnownCalendar(self._events, self._unknown(now_ms, seen), newest_ms)

    def only(self, currencies: Iterable[str]) -> "ArchivedReleases":
        """The same readings, with the events of these currencies and of all."""
        return ArchivedReleases(self._events.only(currencies), self._refreshes, self._max_age_ms)

    def _unknown(self, now_ms: int, seen: int) -> str:
        if not seen:
            return "the news feed has not been read yet"
        for each in reversed(self._refreshes[:seen]):
            if each.from_ms <= now_ms < each.to_ms:
                return self._too_old(each, now_ms)
        newest = self._refreshes[seen - 1]
        return f"the news feed covers {utc_text(newest.from_ms)} to {utc_text(newest.to_ms)} UTC"

    def _too_old(self, reading: Refresh, now_ms: int) -> str:
        if now_ms - reading.observed_ms <= self._max_age_ms:
            return ""
        return (
            f"the news feed was last read at {utc_text(reading.observed_ms)} UTC, more than "
            f"{self._max_age_ms / _HOUR_MS:g} h ago"
        )


def _observed(reading: Refresh) -> int:
    return reading.observed_ms


@dataclass(frozen=True, slots=True)
class NewsView:
    """What goes into a `DecisionInput`; the defaults where no rule looks at news."""

    events: tuple[NewsEvent, ...] = ()
    unknown: str = ""


NO_NEWS = NewsView()


def news_view(source: CalendarSource, close_ms: int, window_minutes: int) -> NewsView:
    """Releases within the window before and after a close, as they were known at it.

    `window_minutes` 0: no rule looks at news, and nothing is said about the calendar.
    """
    if not window_minutes:
        return NO_NEWS
    known = source.at(close_ms)
    near = _near(known.events, close_ms, window_minutes * _MINUTE_MS)
    return NewsView(near, known.unknown) if near or known.unknown else NO_NEWS


def _near(events: EconomicCalendar, close_ms: int, window_ms: int) -> tuple[NewsEvent, ...]:
    first = int(events.time_ms.searchsorted(close_ms - window_ms))
    last = int(events.time_ms.searchsorted(close_ms + window_ms, side="right"))
    return tuple(
        NewsEvent(
            int(events.time_ms[i]), str(events.currency[i]), int(events.impact[i]),
            str(events.title[i]),
        )
        for i in np.arange(first, last)
        if events.known_since_ms[i] <= close_ms < events.known_until_ms[i]
    )  # fmt: skip
