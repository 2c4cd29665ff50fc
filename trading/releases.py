"""Scheduled news as decisions see it: what is near a bar's close, and whether to trust it."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from market.bars import utc_text
from market.calendar import EconomicCalendar
from trading.decision.records import NewsEvent

_MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True, eq=False)
class KnownCalendar:
    """A calendar at one instant. `unknown`: why it cannot be trusted now, or an empty text."""

    events: EconomicCalendar
    unknown: str = ""


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
        if events.known_since_ms[i] <= close_ms
    )  # fmt: skip
