"""The economic calendar: sorted, typed, and only what was known."""

from pathlib import Path

import numpy as np
import pytest

from market.calendar import SCHEDULE_LEAD_MS, EconomicCalendar, Impact
from market.sources.calendar_csv import read_calendar
from market.sources.errors import SourceError

HOUR_MS = 3_600_000


def calendar() -> EconomicCalendar:
    return EconomicCalendar.of(
        np.array([30, 10, 20], dtype=np.int64) * HOUR_MS + SCHEDULE_LEAD_MS,
        np.array([3, 1, 2], dtype=np.int8),
        np.array(["USD", "EUR", "ALL"]),
    )


def test_no_calendar_has_no_events() -> None:
    assert len(EconomicCalendar.none()) == 0
    assert len(EconomicCalendar.none().only(["USD"])) == 0


def test_events_are_sorted_by_time() -> None:
    assert calendar().currency.tolist() == ["EUR", "ALL", "USD"]
    assert calendar().impact.tolist() == [1, 2, 3]


def test_event_is_known_seven_days_ahead_where_nothing_else_is_said() -> None:
    known = calendar().known_at(20 * HOUR_MS)
    assert known.currency.tolist() == ["EUR", "ALL"]


def test_event_of_all_currencies_concerns_each() -> None:
    assert calendar().only(["USD"]).currency.tolist() == ["ALL", "USD"]
    assert calendar().only(["USD"], min_impact=Impact.HIGH).currency.tolist() == ["USD"]


@pytest.mark.parametrize(
    ("name", "rows", "impacts", "currencies"),
    [
        ("forex_factory_high_impact", 4515, {3}, 10),
        ("economic_calendar_official", 2149, {2, 3}, 4),
    ],
)
def test_real_calendars_are_read(
    shared_data: Path, name: str, rows: int, impacts: set[int], currencies: int
) -> None:
    events = read_calendar(shared_data / f"{name}.csv.gz")
    assert len(events) == rows
    assert set(events.impact.tolist()) == impacts
    assert len(set(events.currency.tolist())) == currencies
    assert (np.diff(events.time_ms) >= 0).all()
    assert (events.known_since_ms < events.time_ms).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("time,impact\n2025-01-10T13:30:00Z,High\n", "currency or country must be there"),
        ("time,currency,impact\n2025-01-10T13:30:00Z,USD,Huge\n", "impact: one of .* is 'Huge'"),
        ("time,country,impact\n2025-01-10T13:30:00Z,XX,high\n", "country: one of US.* is 'XX'"),
        ("time,currency,impact\nsoon,USD,High\n", "time: ISO text"),
        ("", "events.csv"),
    ],
)
def test_unreadable_calendar_is_refused_with_its_name(
    tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "events.csv"
    path.write_text(content)
    with pytest.raises(SourceError, match=message):
        read_calendar(path)


def test_missing_calendar_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no such file"):
        read_calendar(tmp_path / "events.csv")
