"""Server wall clocks to UTC and back, through both changes of the year."""

from datetime import UTC, datetime

import numpy as np
import pytest

from market.server_clock import ServerClock, ServerClockError

NEW_YORK_CLOSE = "America/New_York+7h"


def utc_ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


def shown_s(text: str) -> int:
    """A server's wall clock as MetaTrader writes it: as if it were UTC."""
    return utc_ms(text) // 1000


@pytest.mark.parametrize(
    ("zone", "utc", "server"),
    [
        ("UTC", "2025-07-01 12:00", "2025-07-01 12:00"),
        ("Europe/Athens", "2025-01-15 12:00", "2025-01-15 14:00"),
        ("Europe/Athens", "2025-07-01 12:00", "2025-07-01 15:00"),
        # between the European and the American change the two rules differ by an hour
        ("Europe/Athens", "2025-10-28 12:00", "2025-10-28 14:00"),
        (NEW_YORK_CLOSE, "2025-10-28 12:00", "2025-10-28 15:00"),
        (NEW_YORK_CLOSE, "2025-11-03 12:00", "2025-11-03 14:00"),
    ],
)
def test_instant_outside_a_change_converts_both_ways(zone: str, utc: str, server: str) -> None:
    clock = ServerClock(zone)
    assert clock.to_server_s(utc_ms(utc)) == shown_s(server)
    assert clock.to_utc_ms(shown_s(server)) == utc_ms(utc)
    assert clock.offset_s(utc_ms(utc)) == shown_s(server) - utc_ms(utc) // 1000


@pytest.mark.parametrize(
    ("zone", "before", "after"),
    [
        ("Europe/Athens", "2025-10-26 00:00", "2025-10-26 03:00"),
        ("Europe/Athens", "2025-03-30 00:00", "2025-03-30 03:00"),
        (NEW_YORK_CLOSE, "2025-11-02 04:00", "2025-11-02 08:00"),
        (NEW_YORK_CLOSE, "2025-03-09 05:00", "2025-03-09 09:00"),
    ],
)
def test_bars_across_a_change_come_back_every_quarter_of_an_hour(
    zone: str, before: str, after: str
) -> None:
    clock = ServerClock(zone)
    instants = np.arange(utc_ms(before), utc_ms(after), 900_000)
    shown = clock.to_server_s_sequence(instants)
    np.testing.assert_array_equal(clock.to_utc_ms_sequence(shown), instants)


def test_repeated_hour_is_shown_twice() -> None:
    clock = ServerClock("Europe/Athens")
    repeated = shown_s("2025-10-26 03:30")
    assert clock.to_server_s(utc_ms("2025-10-26 00:30")) == repeated
    assert clock.to_server_s(utc_ms("2025-10-26 01:30")) == repeated
    assert clock.to_utc_ms(repeated) == utc_ms("2025-10-26 00:30")


def test_hourly_bars_of_the_repeated_hour_stay_in_order() -> None:
    shown = np.array([shown_s("2025-10-26 03:00"), shown_s("2025-10-26 03:00")])
    instants = ServerClock("Europe/Athens").to_utc_ms_sequence(shown)
    assert instants.tolist() == [utc_ms("2025-10-26 00:00"), utc_ms("2025-10-26 01:00")]


def test_equal_stamps_of_events_are_one_instant() -> None:
    shown = np.array([shown_s("2025-10-26 03:10"), shown_s("2025-10-26 03:10")])
    instants = ServerClock("Europe/Athens").to_utc_ms_sequence(shown, strictly=False)
    assert instants.tolist() == [utc_ms("2025-10-26 00:10")] * 2


def test_second_pass_alone_is_told_by_the_instant_before() -> None:
    shown = np.array([shown_s("2025-10-26 03:00"), shown_s("2025-10-26 03:15")])
    instants = ServerClock("Europe/Athens").to_utc_ms_sequence(
        shown, after_utc_ms=utc_ms("2025-10-26 00:45")
    )
    assert instants.tolist() == [utc_ms("2025-10-26 01:00"), utc_ms("2025-10-26 01:15")]


def test_skipped_hour_is_refused_with_the_zone_and_the_row() -> None:
    shown = np.array([shown_s("2025-03-30 02:45"), shown_s("2025-03-30 03:15")])
    with pytest.raises(ServerClockError, match=r"Europe/Athens: row 1 shows 2025-03-30T03:15"):
        ServerClock("Europe/Athens").to_utc_ms_sequence(shown)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "+7h", "", "America/New_York+7", "../etc/x"])
def test_unknown_zone_is_refused_with_what_is_allowed(zone: str) -> None:
    with pytest.raises(ValueError, match="Europe/Athens"):
        ServerClock(zone)


def test_equal_rules_are_equal_clocks() -> None:
    assert ServerClock("Europe/Athens") == ServerClock("Europe/Athens")
