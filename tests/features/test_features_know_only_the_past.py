"""A row is the same bits without its future, with just its lookback, and alone."""

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.bars import Bars
from market.indicators import BLOCK_MS
from ml.features.catalogue import BAR_MS, CATALOGUE, LOOKBACK_MS, Feature
from tests.features.markets import (
    DAY_MS,
    MARKETS,
    bitcoin,
    flat,
    full_matrix,
    keep,
    matrix_of,
)

COLUMN = {feature.name: column for column, feature in enumerate(CATALOGUE)}
WEEK_MS = 7 * DAY_MS
MONDAY_MS = 4 * DAY_MS
each_feature = pytest.mark.parametrize("feature", CATALOGUE, ids=lambda feature: feature.name)
each_market = pytest.mark.parametrize("market", MARKETS)


def edge_rows(bars: Bars, since: int) -> list[int]:
    """First and last rows of blocks, weeks and days, both sides of long gaps, and some others."""
    ms = bars.open_ms
    changed = [np.flatnonzero(np.diff((ms - offset) // span)) for span, offset in
               ((BLOCK_MS, 0), (WEEK_MS, MONDAY_MS), (DAY_MS, 0))]  # fmt: skip
    gaps = np.flatnonzero(np.diff(ms) > 3_600_000)
    others = np.random.default_rng(1).integers(since, len(ms), 12)
    ends = np.concatenate([changed[0], changed[1][-3:], changed[2][-2:], gaps[-4:], others])
    rows = np.unique(np.r_[ends, ends + 1, len(ms) - 1])
    return [int(row) for row in rows if since <= row < len(ms)]


def window(bars: Bars, row: int, lookback_ms: int) -> Bars:
    """The bars from the last one at or before the row's open − lookback up to the row."""
    start = int(np.searchsorted(bars.open_ms, bars.open_ms[row] - lookback_ms, side="right")) - 1
    return bars.rows(max(start, 0), row + 1)


def same_bits(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(left).view(np.int64) == np.ascontiguousarray(right).view(np.int64)


@lru_cache
def without_future(market: str) -> tuple[list[int], np.ndarray]:
    bars = MARKETS[market]()
    rows = edge_rows(bars, 3000)
    return rows, np.array([matrix_of(bars.rows(0, row + 1), row)[0] for row in rows])


@lru_cache
def with_another_future(market: str) -> tuple[list[int], np.ndarray]:
    """Rows from a full run in which prices and volumes after the row are others."""
    bars = MARKETS[market]()
    rows = edge_rows(bars, 3000)[::4]
    out = []
    for row in rows:
        factor = np.where(np.arange(len(bars)) > row, 1.25, 1.0)
        prices = [column * factor for column in (bars.open, bars.high, bars.low, bars.close)]
        volume = (bars.tick_volume * factor).astype(np.int64)
        other = Bars(bars.symbol, bars.timeframe, bars.open_ms, *prices, volume, bars.spread_points)
        out.append(matrix_of(other, row)[0])
    return rows, np.array(out)


@lru_cache
def replayed(market: str) -> np.ndarray:
    """The last 300 rows as the daemon computes them: one at a time, on a window of the lookback."""
    bars = MARKETS[market]()
    rows = range(len(bars) - 300, len(bars))
    windows = (window(bars, row, LOOKBACK_MS) for row in rows)
    return np.array([matrix_of(each, len(each) - 1)[0] for each in windows])


@each_feature
@each_market
def test_future_cut_off_changes_no_bit(feature: Feature, market: str) -> None:
    rows, alone = without_future(market)
    column = COLUMN[feature.name]
    assert same_bits(alone[:, column], full_matrix(market)[rows, column]).all()


@each_feature
@each_market
def test_another_future_changes_no_bit(feature: Feature, market: str) -> None:
    rows, alone = with_another_future(market)
    column = COLUMN[feature.name]
    assert same_bits(alone[:, column], full_matrix(market)[rows, column]).all()


@each_feature
@each_market
def test_declared_lookback_gives_the_bits_of_the_full_history(
    feature: Feature, market: str
) -> None:
    bars, column = MARKETS[market](), COLUMN[feature.name]
    for row in edge_rows(bars, 11_500):
        cut = window(bars, row, feature.lookback_ms)
        got = matrix_of(cut, len(cut) - 1)[0, column]
        assert same_bits(got, full_matrix(market)[row, column]), (row, len(cut))


@each_feature
def test_less_than_it_needs_gives_nan(feature: Feature) -> None:
    """The declaration is not idle: at the row that needs most, a bar less is too little."""
    bars, column = MARKETS["bitcoin"](), COLUMN[feature.name]
    row, needed_ms = neediest(feature, bars)
    cut = window(bars, row, needed_ms)
    assert np.isfinite(matrix_of(cut, len(cut) - 1)[0, column])
    assert feature.lookback_ms >= needed_ms
    if needed_ms > 0:
        short = cut.rows(1, len(cut))
        assert np.isnan(matrix_of(short, len(short) - 1)[0, column])


def neediest(feature: Feature, bars: Bars) -> tuple[int, int]:
    """(a row, how far back it needs bars) in a market without pauses."""
    week_end = int(np.flatnonzero(np.diff((bars.open_ms - MONDAY_MS) // WEEK_MS))[-1])
    block_end = int(np.flatnonzero(np.diff(bars.open_ms // BLOCK_MS))[-1])
    if feature.family == "w1":
        return week_end - 1, 17 * WEEK_MS - BAR_MS
    if feature.family == "d1":
        return week_end - 1, 61 * DAY_MS - BAR_MS
    if feature.name == "near_daily_high_low":
        return week_end, DAY_MS
    if feature.lookback_ms >= 2 * BLOCK_MS:
        if feature.family in ("m30", "h1", "h4"):
            span_ms = {"m30": 2, "h1": 4, "h4": 16}[feature.family] * BAR_MS
            row = block_end + span_ms // BAR_MS - 1  # the bar of the old block is still the last
            return row, 2 * BLOCK_MS + span_ms - BAR_MS
        bars_before = feature.bars - 1 if feature.lookback_ms > 2 * BLOCK_MS else 0
        return block_end + bars_before, 2 * BLOCK_MS + bars_before * BAR_MS
    return week_end, (feature.bars - 1) * BAR_MS


@each_feature
@pytest.mark.parametrize("market", ["bitcoin", "gold"])
def test_replay_bar_by_bar_equals_the_batch_in_every_bit(feature: Feature, market: str) -> None:
    column = COLUMN[feature.name]
    assert same_bits(replayed(market)[:, column], full_matrix(market)[-300:, column]).all()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(MARKETS)), st.integers(0, 13_000), st.integers(1, 12_000))
def test_any_window_gives_the_bits_of_the_full_history_or_nan(
    market: str, start: int, length: int
) -> None:
    bars = MARKETS[market]().rows(start, start + length)
    got = matrix_of(bars)
    full = full_matrix(market)[start : start + len(bars)]
    assert (same_bits(got, full) | np.isnan(got)).all()


def test_later_first_row_gives_the_last_rows_of_the_matrix() -> None:
    bars = MARKETS["gold"]()
    assert same_bits(matrix_of(bars, 9_000), full_matrix("gold")[9_000:]).all()


def test_lookback_that_begins_in_a_pause_starts_at_the_bar_before_it() -> None:
    """The oldest week of a Sunday evening's row begins 17 weeks before, right after a pause."""
    ms = bitcoin().open_ms
    monday = int(np.flatnonzero((ms - MONDAY_MS) % WEEK_MS == 0)[1])
    bars = keep(bitcoin(), (ms < ms[monday] - DAY_MS // 4) | (ms >= ms[monday]))
    row = int(np.searchsorted(bars.open_ms, ms[monday] + 17 * WEEK_MS - 2 * BAR_MS))
    alone = matrix_of(bars, row)[0]
    assert np.isfinite(alone).all()
    assert same_bits(alone, matrix_of(bars)[row]).all()


@pytest.mark.parametrize("family", ["m30", "h1", "h4"])
def test_higher_bar_of_before_a_week_long_pause_is_in_the_lookback(family: str) -> None:
    """The last higher bar closed a block; its recursion began two blocks before the pause."""
    ms = bitcoin().open_ms
    block = (int(ms[-1]) // BLOCK_MS - 1) * BLOCK_MS
    bars = keep(bitcoin(), (ms < block) | (ms >= block + 7 * DAY_MS))
    row = int(np.searchsorted(bars.open_ms, block + 7 * DAY_MS))
    columns = [COLUMN[each.name] for each in CATALOGUE if each.family == family]
    lookback_ms = CATALOGUE[columns[0]].lookback_ms
    cut = window(bars, row, lookback_ms)
    alone = matrix_of(cut, len(cut) - 1)[0, columns]
    assert np.isfinite(alone).all()
    assert same_bits(alone, matrix_of(bars, row)[0, columns]).all()
    half_an_hour_later = keep(bars, (np.arange(len(bars)) < row) | (np.arange(len(bars)) > row + 1))
    assert np.isnan(matrix_of(half_an_hour_later, row)[0, columns]).all()


def test_market_that_stands_still_gives_finite_values() -> None:
    assert np.isfinite(matrix_of(flat(), 11_600)).all()
