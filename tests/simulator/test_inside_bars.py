"""Stop and target in one bar: M1 bars say which came first, or nothing changes."""

from dataclasses import replace

import numpy as np
import pytest

from broker.simulator.inside import Minutes
from market.bars import Bars
from market.fills import NO_EXIT, STOP, TARGET
from market.instruments import instrument
from market.timeframe import Timeframe
from tests.builders import MONDAY_MS, make_bars

BTC = instrument("BTCUSD")
BAR_MS = 900_000
CALM = (100.0, 101.0, 99.0, 100.0)
UP, DOWN, BOTH = (
    (100.0, 111.0, 99.0, 100.0),
    (100.0, 101.0, 89.0, 100.0),
    (100.0, 111.0, 89.0, 100.0),
)


def minutes(**at: tuple[float, float, float, float]) -> Bars:
    """15 calm minutes but for those named `m3=UP`."""
    rows = [at.get(f"m{place}", CALM) for place in range(15)]
    return make_bars(rows, timeframe=Timeframe.M1, spread_points=0)


def first(bars: Bars, side: int, *, spread: int = 0) -> int:
    """With levels at 90 and 110."""
    sl, tp = (9_000, 11_000) if side > 0 else (11_000, 9_000)
    found = Minutes(bars, BTC)
    return found.first_touched(MONDAY_MS, MONDAY_MS + BAR_MS, side, sl, tp, spread)


@pytest.mark.parametrize("side", [1, -1], ids=["long", "short"])
def test_level_of_the_earlier_minute_comes_first(side: int) -> None:
    up_first, down_first = minutes(m3=UP, m9=DOWN), minutes(m3=DOWN, m9=UP)
    won, lost = (up_first, down_first) if side > 0 else (down_first, up_first)
    assert first(won, side) == TARGET
    assert first(lost, side) == STOP


@pytest.mark.parametrize("side", [1, -1], ids=["long", "short"])
def test_minute_that_touches_both_tells_nothing(side: int) -> None:
    assert first(minutes(m3=BOTH, m9=UP), side) == NO_EXIT


def test_minutes_that_touch_nothing_tell_nothing() -> None:
    assert first(minutes(), 1) == NO_EXIT


def test_missing_minute_before_the_touch_tells_nothing_and_one_after_it_does_not_matter() -> None:
    whole = minutes(m6=UP, m9=DOWN)
    keep = np.arange(15)
    assert first(_without(whole, keep != 4), 1) == NO_EXIT
    assert first(_without(whole, keep != 0), 1) == NO_EXIT
    assert first(_without(whole, keep != 7), 1) == TARGET


def test_minutes_of_another_hour_tell_nothing() -> None:
    late = replace(minutes(m3=UP), open_ms=minutes().open_ms + 4 * BAR_MS)
    assert first(late, 1) == NO_EXIT


def test_short_is_stopped_by_the_ask_with_the_spread_of_the_longer_bar() -> None:
    bars = minutes(m2=(100.0, 109.0, 99.0, 100.0), m9=DOWN)
    assert first(bars, -1) == TARGET
    assert first(bars, -1, spread=100) == STOP


def _without(bars: Bars, kept: object) -> Bars:
    columns = ("open_ms", "open", "high", "low", "close", "tick_volume", "spread_points")
    return replace(bars, **{name: getattr(bars, name)[kept] for name in columns})
