"""Forex Factory's weekly calendar feed, as JSON or XML.

JSON writes each date with its offset (`2026-08-16T18:30:00-04:00`); XML writes UTC without saying
so (`06-08-2025`, `9:00pm`). A row that cannot be read is named and left out; a content of another
shape is refused as a whole, so that garbage never looks like a week without news.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from xml.etree.ElementTree import Element, ParseError
from zoneinfo import ZoneInfo

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from market.calendar import ALL_CURRENCIES, Impact
from market.sources.errors import SourceError

_FIELDS = ("title", "country", "date", "impact", "forecast", "previous")
_IMPACTS = {
    "high": Impact.HIGH, "medium": Impact.MEDIUM, "low": Impact.LOW, "holiday": Impact.NONE,
    "non-economic": Impact.NONE,
}  # fmt: skip
_NO_TIME_OF_DAY = ("all day", "tentative")
# The feed's weeks go from Sunday to Saturday by this clock.
_ZONE = ZoneInfo("America/New_York")
_MOST_DAYS = 35
_FIRST_YEAR, _LAST_YEAR = 2000, 2100


@dataclass(frozen=True, slots=True)
class ScheduledEvent:
    """One row of the feed. `forecast`, `previous`: as published, empty where nothing is said."""

    time_ms: int
    currency: str
    impact: Impact
    title: str
    forecast: str = ""
    previous: str = ""

    @property
    def week(self) -> str:
        """The Sunday, by the feed's clock, that its week begins on: YYYY-MM-DD."""
        return _sunday(self.time_ms).isoformat()


@dataclass(frozen=True, slots=True)
class CalendarFeed:
    """One reading. It speaks for the weeks [from_ms, to_ms), whole ones by the feed's clock.

    `events` in the order of time. `bad_rows`: what could not be read, in words; `untimed`: rows
    that have no time of day yet.
    """

    events: tuple[ScheduledEvent, ...]
    from_ms: int
    to_ms: int
    bad_rows: tuple[str, ...] = ()
    untimed: tuple[str, ...] = ()


class _NoTimeOfDay(Exception):
    """The row is whole, but its time is not set."""


def parse_feed(content: bytes) -> CalendarFeed:
    """A reading of the feed, in either format.

    Raises `SourceError` for anything that is no such feed: another format or shape, no row, more
    bad rows than good ones, or rows spread over more than 35 days.
    """
    head = content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if head not in (b"[", b"<"):
        raise SourceError(
            f"calendar feed: JSON rows ([…) or XML (<weeklyevents>) are allowed, the content "
            f"begins with {content[:20]!r}; check news.url"
        )
    rows = _json_rows(content) if head == b"[" else _xml_rows(content)
    return _feed(rows)


def _feed(rows: list[Mapping[str, str]]) -> CalendarFeed:
    events, bad, untimed = [], [], []
    for place, row in enumerate(rows, start=1):
        try:
            events.append(_event(row))
        except _NoTimeOfDay:
            untimed.append(f"{row['country']} {row['title']} ({row['date']})")
        except ValueError as error:
            bad.append(f"row {place} ({row['country']} {row['title']}): {error}")
    if len(events) <= len(bad):
        shown = "; ".join(bad[:3]) or "no row has a time"
        raise SourceError(
            f"calendar feed: more good rows than bad ones are needed, {len(events)} of "
            f"{len(rows)} are good ({shown}); check news.url"
        )
    events.sort(key=lambda each: each.time_ms)
    first, last = _sunday(events[0].time_ms), _sunday(events[-1].time_ms) + timedelta(days=7)
    if (last - first).days > _MOST_DAYS:
        raise SourceError(
            f"calendar feed: rows within {_MOST_DAYS} days are allowed, these reach from {first} "
            f"to {last}; check news.url"
        )
    return CalendarFeed(
        tuple(events), _midnight_ms(first), _midnight_ms(last), tuple(bad), tuple(untimed)
    )


def _json_rows(content: bytes) -> list[Mapping[str, str]]:
    try:
        rows = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"calendar feed: no valid JSON ({error}); check news.url") from error
    for place, row in enumerate(rows, start=1):
        if not isinstance(row, dict) or not set(_FIELDS) <= row.keys():
            raise _other_shape(place, sorted(row) if isinstance(row, dict) else row)
        if not all(isinstance(row[name], str) for name in _FIELDS):
            raise _other_shape(place, {name: row[name] for name in _FIELDS})
    return [{name: row[name].strip() for name in _FIELDS} for row in rows]


def _xml_rows(content: bytes) -> list[Mapping[str, str]]:
    try:
        root = fromstring(content, forbid_dtd=True)
    except (ParseError, DefusedXmlException, LookupError, ValueError) as error:
        raise SourceError(f"calendar feed: no valid XML ({error}); check news.url") from error
    if root.tag != "weeklyevents":
        raise SourceError(
            f"calendar feed: <weeklyevents> is allowed, <{root.tag}> came; check news.url"
        )
    return list(_xml_events(root))


def _xml_events(root: Element) -> Iterator[Mapping[str, str]]:
    for place, each in enumerate(root, start=1):
        words = {part.tag: (part.text or "").strip() for part in each}
        if each.tag != "event" or not {*_FIELDS, "time"} <= words.keys():
            raise _other_shape(place, f"<{each.tag}> with {sorted(words)}")
        yield words | {"date": f"{words['date']} {words['time']}"}


def _other_shape(place: int, came: object) -> SourceError:
    return SourceError(
        f"calendar feed: rows of texts {', '.join(_FIELDS)} are allowed, row {place} is "
        f"{str(came)[:120]}; check news.url"
    )


def _event(row: Mapping[str, str]) -> ScheduledEvent:
    impact = row["impact"].lower()
    if impact not in _IMPACTS:
        raise ValueError(f"impact: {', '.join(_IMPACTS)} is allowed, {row['impact']!r} came")
    if not row["title"]:
        raise ValueError("title: a text is allowed, nothing came")
    currency = row["country"].upper()
    if not re.fullmatch("[A-Z]{3}", currency):
        raise ValueError(f"country: a currency or All is allowed, {row['country']!r} came")
    return ScheduledEvent(
        _time_ms(row["date"]), ALL_CURRENCIES if currency == "ALL" else currency, _IMPACTS[impact],
        row["title"], row["forecast"], row["previous"],
    )  # fmt: skip


def _time_ms(text: str) -> int:
    """Epoch ms of a JSON date with an offset, or of an XML date and time, which are UTC."""
    if text.lower().endswith(_NO_TIME_OF_DAY):
        raise _NoTimeOfDay
    if re.fullmatch(r"\d{2}-\d{2}-\d{4} \d{1,2}:\d{2}[ap]m", text, re.IGNORECASE):
        at = datetime.strptime(text.upper(), "%m-%d-%Y %I:%M%p").replace(tzinfo=UTC)
    elif re.fullmatch(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}([+-]\d{2}:\d{2}|Z)", text):
        at = datetime.fromisoformat(text)
    else:
        raise ValueError(
            f"date: 2026-08-16T18:30:00-04:00 or 06-08-2025 9:00pm is allowed, {text!r} came"
        )
    if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        raise ValueError(f"date: a year of {_FIRST_YEAR} to {_LAST_YEAR} is allowed, {text!r} came")
    return round(at.timestamp() * 1000)


def _sunday(time_ms: int) -> date:
    local = datetime.fromtimestamp(time_ms / 1000, _ZONE).date()
    return local - timedelta(days=local.isoweekday() % 7)


def _midnight_ms(day: date) -> int:
    return round(datetime.combine(day, time(), _ZONE).timestamp() * 1000)
