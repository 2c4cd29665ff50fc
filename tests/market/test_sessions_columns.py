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
