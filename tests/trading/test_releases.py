"""News as decisions see it: near a close, known at that time, and whether to trust the calendar."""

import numpy as np
import pytest

from market.calendar import EconomicCalendar
from tests.builders import MONDAY_MS
from trading.decision.records import NewsEvent
from trading.releases import NO_CALENDAR, NO_NEWS, GivenCalendar, news_view

MINUTE_MS = 60_000
CLOSE_MS = MONDAY_MS + 3_600_000


def calendar(*minutes: int, known_since_ms: int | None = None) -> GivenCalendar:
    time_ms = np.array([CLOSE_MS + each * MINUTE_MS for each in minutes], dtype=np.int64)
    count = len(minutes)
    known = None if known_since_ms is None else np.full(count, known_since_ms)
    return GivenCalendar(
        EconomicCalendar.of(
            time_ms, np.full(count, 3, dtype=np.int8), np.full(count, "USD"), known,
            title=np.array([f"at {each}" for each in minutes]),
        )
    )  # fmt: skip


def test_releases_inside_the_window_are_seen_both_ends_included() -> None:
    view = news_view(calendar(-31, -30, 0, 30, 31), CLOSE_MS, 30)
    assert [event.title for event in view.events] == ["at -30", "at 0", "at 30"]
    assert view.events[1] == NewsEvent(CLOSE_MS, "USD", 3, "at 0")
    assert view.unknown == ""


def test_where_no_rule_looks_nothing_is_said() -> None:
    assert news_view(calendar(0), CLOSE_MS, 0) is NO_NEWS
    assert news_view(NO_CALENDAR, CLOSE_MS, 0) is NO_NEWS


def test_a_release_that_was_not_known_yet_is_not_seen() -> None:
    late = calendar(-60, 5, 60, known_since_ms=CLOSE_MS + 1)
    assert news_view(late, CLOSE_MS, 30).events == ()
    assert len(news_view(late, CLOSE_MS + 1, 30).events) == 1


@pytest.mark.parametrize(
    ("minutes", "unknown"),
    [
        ((), "no calendar is given"),
        ((1, 50), "the calendar covers 2024-12-30 01:01 to 2024-12-30 01:50 UTC"),
        ((-50, -1), "the calendar covers 2024-12-30 00:10 to 2024-12-30 00:59 UTC"),
        ((-50, 50), ""),
    ],
    ids=["none", "too_early", "too_late", "covered"],
)
def test_a_calendar_is_trusted_from_its_first_event_to_its_last(
    minutes: tuple[int, ...], unknown: str
) -> None:
    assert news_view(calendar(*minutes), CLOSE_MS, 30).unknown == unknown
