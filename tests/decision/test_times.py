"""News, sessions, rollover: what the clock and the calendar forbid."""

from dataclasses import replace
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

import pytest

from tests.builders import make_input
from trading.decision.decide import decide
from trading.decision.filter_settings import (
    NewsFilter,
    RolloverFilter,
    SessionFilter,
    SessionWindow,
)
from trading.decision.records import DecisionInput, Denial, NewsEvent
from trading.decision.settings import DecisionSettings

MINUTE_MS = 60_000
NEWS = DecisionSettings(news_block_minutes=30)
NEW_YORK = "America/New_York"


def at(text: str, zone: str = "UTC") -> DecisionInput:
    """An input that would enter, at a local time."""
    instant = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
    close_ms = round(instant.timestamp() * 1000)
    now = make_input(market={"open_ms": close_ms - 900_000, "close_ms": close_ms})
    return replace(now, quote=replace(now.quote, time_ms=close_ms))


def release(minutes: float, currency: str = "USD", impact: int = 3) -> NewsEvent:
    """An event so many minutes after the decision."""
    time_ms = make_input().market.close_ms + round(minutes * MINUTE_MS)
    return NewsEvent(time_ms, currency, impact, "CPI")


@pytest.mark.parametrize(
    ("event", "observed"),
    [
        (release(30), "USD CPI in 30 min"),
        (release(30.5), None),
        (release(-30), "USD CPI 30 min ago"),
        (release(-31), None),
        (release(0), "USD CPI in 0 min"),
        (release(5, currency="EUR"), None),
        (release(5, currency="ALL"), "ALL CPI in 5 min"),
        (release(5, impact=2), None),
    ],
)
def test_release_is_denied_within_its_minutes(event: NewsEvent, observed: str | None) -> None:
    denials = decide(make_input(news=(event,)), NEWS).denials
    expected = (Denial("news_block", observed, "none within 30 min"),) if observed else ()
    assert denials == expected


def test_currency_and_impact_are_settings_and_the_nearest_release_is_named() -> None:
    wanted = NewsFilter(currencies=("EUR", "USD"), min_impact="medium")
    settings = DecisionSettings(news_block_minutes=30, news_filter=wanted)
    now = make_input(news=(release(20), release(-10, "EUR", 2), release(1, "GBP")))
    (denial,) = decide(now, settings).denials
    assert denial.observed == "EUR CPI 10 min ago"


@pytest.mark.parametrize(("when_unknown", "denied"), [("block", True), ("trade", False)])
def test_unknown_calendar_does_what_was_set(
    when_unknown: Literal["block", "trade"], denied: bool
) -> None:
    settings = DecisionSettings(
        news_block_minutes=30, news_filter=NewsFilter(when_unknown=when_unknown)
    )
    denials = decide(make_input(news_unknown="feed is 9 h old"), settings).denials
    said = Denial("news_block", "calendar unknown: feed is 9 h old", "none within 30 min")
    assert denials == ((said,) if denied else ())


def test_news_is_off_at_zero_minutes() -> None:
    now = make_input(news=(release(0),), news_unknown="no feed")
    assert decide(now, DecisionSettings()).denials == ()


OFFICE = DecisionSettings(
    session_filter=SessionFilter(
        enabled=True,
        zone=NEW_YORK,
        windows=(
            SessionWindow(days=("mon", "tue"), start="09:30", end="16:00"),
            SessionWindow(days=("fri",), start="22:00", end="02:00"),
        ),
    )
)


@pytest.mark.parametrize(
    ("when", "open_"),
    [
        ("2025-03-10 09:30", True), ("2025-03-10 09:29", False),  # the Monday after the change
        ("2025-03-10 15:59", True), ("2025-03-10 16:00", False),
        ("2025-11-03 09:30", True), ("2025-11-03 09:15", False),
        ("2025-03-12 12:00", False),
        ("2025-03-14 21:45", False), ("2025-03-14 22:00", True),
        ("2025-03-15 01:45", True), ("2025-03-15 02:00", False),  # past midnight
    ],
)  # fmt: skip
def test_session_windows_follow_the_zones_own_clock(when: str, open_: bool) -> None:
    denials = decide(at(when, NEW_YORK), OFFICE).denials
    assert (denials == ()) is open_
    if not open_:
        day = datetime.fromisoformat(when).strftime("%a")
        said = f"{day} {when[-5:]} {NEW_YORK}"
        assert denials == (Denial("session_window", said, "inside a window"),)


ROLLOVER = DecisionSettings(rollover_filter=RolloverFilter(enabled=True))


@pytest.mark.parametrize(
    ("utc", "observed"),
    [
        ("2025-01-15 21:45", "15 min before"), ("2025-01-15 21:30", None),  # winter: 22:00 UTC
        ("2025-01-15 22:15", "15 min after"), ("2025-01-15 22:30", None),
        ("2025-07-15 20:45", "15 min before"), ("2025-07-15 21:00", "0 min after"),
        ("2025-07-15 22:00", None),
        ("2025-03-10 21:00", "0 min after"),  # New York has changed, Europe has not
    ],
)  # fmt: skip
def test_rollover_follows_daylight_saving(utc: str, observed: str | None) -> None:
    denials = decide(at(utc), ROLLOVER).denials
    limit = "outside 15 min before to 15 min after"
    said = Denial("rollover", f"{observed} 17:00 {NEW_YORK}", limit)
    assert denials == ((said,) if observed else ())


@pytest.mark.parametrize(
    ("local", "denied"),
    [("2025-06-02 23:45", True), ("2025-06-03 00:15", True), ("2025-06-03 00:30", False)],
)
def test_rollover_at_midnight_reaches_into_both_days(local: str, denied: bool) -> None:
    for midnight in ("00:00", "24:00"):
        rule = RolloverFilter(enabled=True, zone="Europe/Athens", at=midnight)
        settings = DecisionSettings(rollover_filter=rule)
        assert bool(decide(at(local, "Europe/Athens"), settings).denials) is denied
