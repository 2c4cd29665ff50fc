"""News as it was known, and exchange hours by their own clocks, on single bars."""

from datetime import UTC, datetime

import numpy as np
import pytest

from market.calendar import EconomicCalendar
from ml.features.catalogue import names
from ml.features.matrix import feature_matrix
from tests.builders import make_bars

COLUMN = {name: column for column, name in enumerate(names(["base"]))}
MINUTE_MS = 60_000
HIGH, MEDIUM, NONE = 3, 2, 0
NEWS = ("is_news_near", "news_minutes_away", "news_count_today", "news_impact_next")
_FOR_GOOD = 10_000_000
NEUTRAL = [0.0, 1.0, 0.0, 0.0]


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def news_at_noon(*events: tuple[int, ...]) -> list[float]:
    """News features of the bar that closes at 12:00; events: (minutes from then, impact, known
    since, and, where it was moved, until)."""
    close_ms = ms("2025-03-05T12:00")
    table = np.array([(*each, _FOR_GOOD)[:4] for each in events], dtype=np.int64).reshape(-1, 4)
    calendar = EconomicCalendar.of(
        close_ms + table[:, 0] * MINUTE_MS,
        table[:, 1].astype(np.int8),
        np.full(len(table), "USD"),
        close_ms + table[:, 2] * MINUTE_MS,
        known_until_ms=close_ms + table[:, 3] * MINUTE_MS,
    )
    bars = make_bars([(10.0, 11.0, 9.0, 10.0)], start_ms=close_ms - 15 * MINUTE_MS)
    row = feature_matrix(bars, groups=["base"], round_step=1.0, calendar=calendar)[0]
    return [float(row[COLUMN[name]]) for name in NEWS]


def session_at(feature: str, opened: str) -> float:
    bars = make_bars([(10.0, 11.0, 9.0, 10.0)], start_ms=ms(opened))
    return float(feature_matrix(bars, groups=["base"], round_step=1.0)[0, COLUMN[feature]])


def test_no_calendar_gives_neutral_values() -> None:
    assert news_at_noon() == NEUTRAL


def test_high_impact_event_half_an_hour_ahead_is_near() -> None:
    assert news_at_noon((30, HIGH, -60)) == [1.0, 30 / 1440, 0.1, 1.0]
    assert news_at_noon((31, HIGH, -60)) == [0.0, 31 / 1440, 0.1, 1.0]


def test_past_event_is_near_for_half_an_hour_and_not_the_next() -> None:
    assert news_at_noon((-30, HIGH, -60)) == [1.0, 1.0, 0.1, 0.0]
    assert news_at_noon((-31, HIGH, -60)) == [0.0, 1.0, 0.1, 0.0]


def test_event_at_the_close_is_now() -> None:
    assert news_at_noon((0, HIGH, -60)) == [1.0, 0.0, 0.1, 1.0]


def test_event_counts_from_the_instant_it_is_known() -> None:
    assert news_at_noon((30, HIGH, 0)) == [1.0, 30 / 1440, 0.1, 1.0]
    assert news_at_noon((30, HIGH, 1)) == NEUTRAL


def test_unknown_event_does_not_hide_the_one_behind_it() -> None:
    assert news_at_noon((20, HIGH, 1), (40, HIGH, -60)) == [0.0, 40 / 1440, 0.1, 1.0]


def test_event_beyond_a_day_is_as_none() -> None:
    assert news_at_noon((1440, HIGH, -60)) == [0.0, 1.0, 0.0, 1.0]
    assert news_at_noon((1441, HIGH, -60)) == NEUTRAL


def test_only_the_utc_day_of_the_bar_counts_and_ten_at_most() -> None:
    assert news_at_noon((-721, HIGH, -999), (720, HIGH, -60))[2] == 0.0
    assert news_at_noon((-720, HIGH, -999), (719, HIGH, -60))[2] == 0.2
    assert news_at_noon(*[(100 + i, HIGH, -60) for i in range(12)])[2] == 1.0


def test_lesser_events_count_only_as_the_next_impact() -> None:
    assert news_at_noon((10, MEDIUM, -60), (200, HIGH, -60)) == [0.0, 200 / 1440, 0.1, 2 / 3]
    assert news_at_noon((5, NONE, -60), (10, MEDIUM, -60))[3] == 2 / 3


def test_largest_of_several_events_at_one_instant_is_the_next_impact() -> None:
    assert news_at_noon((10, 1, -60), (10, HIGH, -60), (10, MEDIUM, -60))[3] == 1.0


@pytest.mark.parametrize(
    ("feature", "opened", "expected"),
    [
        ("is_london_session", "2025-01-15T08:00", 1.0),
        ("is_london_session", "2025-01-15T07:45", 0.0),
        ("is_london_session", "2025-07-15T07:00", 1.0),  # summer: 08:00 in London
        ("is_london_session", "2025-07-15T15:15", 1.0),
        ("is_london_session", "2025-07-15T15:30", 0.0),
        ("is_ny_session", "2025-01-15T14:30", 1.0),
        ("is_ny_session", "2025-03-12T13:30", 1.0),  # summer time there, not yet in Europe
        ("is_ny_session", "2025-03-12T20:00", 0.0),
        ("is_asian_session", "2025-07-15T00:00", 1.0),  # no summer time
        ("is_asian_session", "2025-07-15T05:45", 1.0),
        ("is_asian_session", "2025-07-15T06:00", 0.0),
        ("is_asian_session", "2025-07-13T23:45", 0.0),
        ("is_london_session", "2025-01-18T10:00", 0.0),  # Saturday
    ],
)
def test_session_follows_the_exchanges_clock(feature: str, opened: str, expected: float) -> None:
    assert session_at(feature, opened) == expected


def test_event_that_is_known_to_be_moved_counts_no_longer() -> None:
    assert news_at_noon((20, HIGH, -60, 0)) == NEUTRAL
    assert news_at_noon((20, HIGH, -60, 1)) == news_at_noon((20, HIGH, -60))
