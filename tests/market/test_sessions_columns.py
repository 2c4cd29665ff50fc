"""Trading hours of a column of instants."""

import numpy as np
import pytest

from market.sessions import ALWAYS_OPEN, FX_WEEK, METALS_WEEK, Sessions
from tests.builders import MONDAY_MS

TWO_YEARS_MS = 2 * 365 * 86_400_000


@pytest.mark.parametrize("sessions", [ALWAYS_OPEN, FX_WEEK, METALS_WEEK, Sessions("UTC", ())])
def test_column_equals_the_answer_for_each_instant(sessions: Sessions) -> None:
    instants = np.random.default_rng(5).integers(MONDAY_MS, MONDAY_MS + TWO_YEARS_MS, 2000)
    expected = [sessions.is_open(int(instant)) for instant in instants]
    np.testing.assert_array_equal(sessions.are_open(instants), expected)


@pytest.mark.parametrize(
    ("sessions", "instant", "closes"),
    [
        (FX_WEEK, "2025-01-10T15:00", "2025-01-10T22:00"),  # Friday 17:00 New York, winter
        (FX_WEEK, "2025-07-11T15:00", "2025-07-11T21:00"),  # and summer
        (FX_WEEK, "2025-01-10T22:00", "2025-01-10T22:00"),  # at the very close
        (FX_WEEK, "2025-01-08T15:00", None),  # more than a day away
        (FX_WEEK, "2025-01-11T15:00", None),  # closed already
        (METALS_WEEK, "2025-01-08T15:00", None),  # an hour's pause is no break
        (METALS_WEEK, "2025-01-10T15:00", "2025-01-10T22:00"),
        (ALWAYS_OPEN, "2025-01-10T15:00", None),
    ],
)
def test_next_break_is_the_next_close_of_two_hours_or_more(
    sessions: Sessions, instant: str, closes: str | None
) -> None:
    expected = 0 if closes is None else int(np.datetime64(closes, "ms").astype(int))
    assert sessions.next_break_ms(int(np.datetime64(instant, "ms").astype(int))) == expected
