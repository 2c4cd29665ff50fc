"""Missing bars, judged by trading hours."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from market.bars import Bars, BarsError
from market.gaps import Gap, find_gaps, require_few_gaps
from market.instruments import instrument
from market.sessions import ALWAYS_OPEN, FX_WEEK, METALS_WEEK, Sessions
from market.sources.files import read_bars
from market.timeframe import Timeframe
from tests.builders import MONDAY_MS, make_bars

QUARTER_MS = Timeframe.M15.ms


def bars_at(open_ms: np.ndarray) -> Bars:
    whole = make_bars([(1.0, 1.0, 1.0, 1.0)] * len(open_ms))
    return Bars(
        whole.symbol, whole.timeframe, open_ms.astype(np.int64), whole.open, whole.high,
        whole.low, whole.close, whole.tick_volume, whole.spread_points,
    ).checked()  # fmt: skip


def bars_without(rows: slice, count: int = 1000) -> Bars:
    return bars_at(MONDAY_MS + np.delete(np.arange(count), rows) * QUARTER_MS)


def test_contiguous_bars_have_no_gap() -> None:
    assert find_gaps(bars_without(slice(0, 0)), ALWAYS_OPEN) == ()


def test_two_holes_are_two_gaps_with_their_length() -> None:
    bars = bars_at(MONDAY_MS + np.array([0, 1, 4, 5, 9]) * QUARTER_MS)
    assert find_gaps(bars, ALWAYS_OPEN) == (
        Gap(MONDAY_MS + 2 * QUARTER_MS, MONDAY_MS + 4 * QUARTER_MS, 2),
        Gap(MONDAY_MS + 6 * QUARTER_MS, MONDAY_MS + 9 * QUARTER_MS, 3),
    )


@pytest.mark.parametrize("sessions", [FX_WEEK, METALS_WEEK])
def test_year_of_trading_hours_with_daylight_saving_has_no_gap(sessions: Sessions) -> None:
    slots = MONDAY_MS + np.arange(365 * 96) * QUARTER_MS
    assert find_gaps(bars_at(slots[sessions.are_open(slots)]), sessions) == ()


def test_weekend_is_a_gap_only_where_the_market_is_open() -> None:
    slots = MONDAY_MS + np.arange(12 * 96) * QUARTER_MS
    bars = bars_at(slots[FX_WEEK.are_open(slots)])
    assert [gap.missing_bars for gap in find_gaps(bars, ALWAYS_OPEN)] == [192]
    assert find_gaps(bars, FX_WEEK) == ()


def test_gap_over_a_weekend_counts_trading_bars_only() -> None:
    friday_20 = int(datetime(2025, 1, 10, 20, tzinfo=UTC).timestamp() * 1000)
    sunday_23 = int(datetime(2025, 1, 12, 23, tzinfo=UTC).timestamp() * 1000)
    (gap,) = find_gaps(bars_at(np.array([friday_20, sunday_23])), FX_WEEK)
    # Friday 20:15 to 22:00 and Sunday 22:00 to 23:00 UTC
    assert gap == Gap(friday_20 + QUARTER_MS, sunday_23, 7 + 4)


def test_few_missing_bars_are_accepted() -> None:
    require_few_gaps(bars_without(slice(500, 505)), ALWAYS_OPEN)


def test_missing_day_is_refused_with_its_date() -> None:
    with pytest.raises(BarsError, match=r"at most 48 bars in a row .* 96 bars from 2025-01-01"):
        require_few_gaps(bars_without(slice(192, 288), count=40_000), ALWAYS_OPEN)


def test_many_short_gaps_are_refused_with_their_share() -> None:
    with pytest.raises(BarsError, match=r"at most 0.50% .* 10.00% are \(100 bars in 100 gaps"):
        require_few_gaps(bars_without(slice(5, 1000, 10)), ALWAYS_OPEN)


def test_real_spot_bars_have_the_one_known_halt(shared_data: Path) -> None:
    btcusd = instrument("BTCUSD")
    bars = read_bars(shared_data / "btcusdt_m15_spot.parquet", btcusd)
    require_few_gaps(bars, btcusd.sessions)
    (gap,) = find_gaps(bars, btcusd.sessions)
    assert str(gap) == "5 bars from 2023-03-24 12:45 UTC"
