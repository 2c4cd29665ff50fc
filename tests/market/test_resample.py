"""Higher bars from M15 bars: boundaries, gaps, half bars, and which bar is over when."""

from datetime import UTC, datetime

import numpy as np
import pytest

from market.bars import Bars, BarsError
from market.instruments import INSTRUMENTS
from market.resample import last_completed, resample
from market.sources.generated import generated_bars
from market.timeframe import Timeframe
from tests.builders import MONDAY_MS, make_bars

M15 = Timeframe.M15
HOUR_MS = Timeframe.H1.ms
DAY_MS = Timeframe.D1.ms


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def quarter_hours(start_ms: int, count: int, missing: tuple[int, ...] = ()) -> Bars:
    """M15 bars whose prices tell their number: open 10 n, high + 6, low − 5, close + 1."""
    rows = [(10.0 * n, 10.0 * n + 6, 10.0 * n - 5, 10.0 * n + 1) for n in range(1, count + 1)]
    bars = make_bars(rows, start_ms=start_ms, tick_volume=7, spread_points=3)
    keep = np.array([row not in missing for row in range(count)])
    return Bars(
        bars.symbol, M15,
        *(getattr(bars, name)[keep] for name in
          ("open_ms", "open", "high", "low", "close", "tick_volume", "spread_points")),
    )  # fmt: skip


def test_four_quarter_hours_make_an_hour() -> None:
    hours = resample(quarter_hours(MONDAY_MS, 8), Timeframe.H1)
    assert hours.open_ms.tolist() == [MONDAY_MS, MONDAY_MS + HOUR_MS]
    assert hours.timeframe is Timeframe.H1
    assert hours.open.tolist() == [10.0, 50.0]
    assert hours.high.tolist() == [46.0, 86.0]
    assert hours.low.tolist() == [5.0, 45.0]
    assert hours.close.tolist() == [41.0, 81.0]
    assert hours.tick_volume.tolist() == [28, 28]
    assert hours.spread_points.tolist() == [3, 3]


def test_extremes_come_from_any_bar_inside() -> None:
    rows = [(10.0, 11.0, 9.0, 10.0), (10.0, 19.0, 9.5, 10.0), (10.0, 11.0, 2.0, 10.0)]
    hour = resample(make_bars(rows), Timeframe.H1)
    assert (hour.high[0], hour.low[0]) == (19.0, 2.0)


def test_weeks_start_on_monday_and_days_at_utc_midnight() -> None:
    bars = quarter_hours(ms("2025-01-04T22:00"), 3 * 96)
    days, weeks = resample(bars, Timeframe.D1), resample(bars, Timeframe.W1)
    assert days.open_ms[:2].tolist() == [ms("2025-01-04"), ms("2025-01-05")]
    assert weeks.open_ms.tolist() == [ms("2024-12-30"), ms("2025-01-06")]


def test_span_without_bars_makes_no_bar_and_a_torn_span_a_whole_one() -> None:
    bars = quarter_hours(MONDAY_MS, 16, missing=(3, 4, 5, 6, 7, 8))
    hours = resample(bars, Timeframe.H1)
    assert ((hours.open_ms - MONDAY_MS) // HOUR_MS).tolist() == [0, 2, 3]
    assert hours.open.tolist() == [10.0, 100.0, 130.0]
    assert hours.close.tolist() == [31.0, 121.0, 161.0]


@pytest.mark.parametrize("timeframe", [Timeframe.H1, Timeframe.H4, Timeframe.D1, Timeframe.W1])
@pytest.mark.parametrize("symbol", ["BTCUSD", "XAUUSD"])
def test_step_by_step_equals_at_once(timeframe: Timeframe, symbol: str) -> None:
    from_ms = ms("2024-03-06T05:45")
    bars = generated_bars(INSTRUMENTS[symbol], seed=2, from_ms=from_ms, to_ms=from_ms + 40 * DAY_MS)
    steps = bars
    for each in (Timeframe.M30, Timeframe.H1, Timeframe.H4, Timeframe.D1, Timeframe.W1):
        steps = resample(steps, each)
        if each is timeframe:
            break
    assert steps.sha256() == resample(bars, timeframe).checked().sha256()


def test_bar_counts_from_the_instant_its_span_ends() -> None:
    hours = resample(quarter_hours(MONDAY_MS, 16), Timeframe.H1)
    closes = MONDAY_MS + HOUR_MS * 2 + np.array([-1, 0, HOUR_MS - 1, HOUR_MS])
    assert last_completed(hours, closes).tolist() == [-1, 1, 1, 2]


def test_first_bar_never_counts_as_it_may_be_half() -> None:
    bars = quarter_hours(MONDAY_MS + 2 * M15.ms, 8)
    hours = resample(bars, Timeframe.H1)
    assert last_completed(hours, bars.close_ms).tolist() == [-1] * 5 + [1] * 3
    assert hours.close[0] == 21.0  # its close is sure all the same


def test_bar_is_over_with_its_span_also_where_its_last_quarter_hour_is_missing() -> None:
    bars = quarter_hours(MONDAY_MS, 12, missing=(7,))
    completed = last_completed(resample(bars, Timeframe.H1), bars.close_ms)
    at_0130, at_0200 = completed[6], completed[7]
    assert (at_0130, at_0200) == (-1, 1)


def test_after_a_weekend_the_last_bar_before_it_counts() -> None:
    friday = quarter_hours(ms("2025-01-03T20:00"), 8)
    monday = quarter_hours(ms("2025-01-06T00:00"), 2)
    bars = friday.followed_by(monday)
    completed = last_completed(resample(bars, Timeframe.H1), bars.close_ms)
    assert completed[-2:].tolist() == [1, 1]


@pytest.mark.parametrize("timeframe", [Timeframe.M5, Timeframe.M15])
def test_shorter_or_equal_timeframe_is_refused(timeframe: Timeframe) -> None:
    with pytest.raises(BarsError, match=rf"a multiple of M15 is allowed, {timeframe.name} came"):
        resample(quarter_hours(MONDAY_MS, 4), timeframe)


def test_no_bars_give_no_bars() -> None:
    assert len(resample(quarter_hours(MONDAY_MS, 4).rows(0, 0), Timeframe.H1)) == 0
