"""The generated market: the same bars for the same seed, possible, and shaped like a market."""

from datetime import UTC, datetime
from functools import cache

import numpy as np
import pytest

from market.bars import Bars
from market.gaps import find_gaps
from market.indicators import atr
from market.instruments import INSTRUMENTS, instrument
from market.sources.errors import SourceError
from market.sources.generated import FIRST_MS, generated_bars
from market.timeframe import Timeframe

BTCUSD = instrument("BTCUSD")
DAY_MS = 86_400_000
FROM_MS = int(datetime(2024, 3, 1, tzinfo=UTC).timestamp() * 1000)
YEAR_MS = 366 * DAY_MS


@cache
def year(symbol: str = "BTCUSD", seed: int = 7) -> Bars:
    return generated_bars(instrument(symbol), seed=seed, from_ms=FROM_MS, to_ms=FROM_MS + YEAR_MS)


def atr_of(bars: Bars) -> np.ndarray:
    return atr(bars.high, bars.low, bars.close, bars.open_ms, 14)


@pytest.mark.parametrize("symbol", INSTRUMENTS)
def test_longer_span_only_appends(symbol: str) -> None:
    span = year(symbol)
    for days in (3.0, 7.25, 100.0):
        to_ms = FROM_MS + int(days * DAY_MS)
        part = generated_bars(instrument(symbol), seed=7, from_ms=FROM_MS, to_ms=to_ms)
        assert part.sha256() == span.between(FROM_MS, to_ms).sha256()


def test_earlier_start_only_prepends() -> None:
    to_ms = FROM_MS + 20 * DAY_MS
    longer = generated_bars(BTCUSD, seed=7, from_ms=FIRST_MS, to_ms=to_ms)
    shorter = generated_bars(BTCUSD, seed=7, from_ms=FROM_MS, to_ms=to_ms)
    assert shorter.sha256() == longer.between(FROM_MS, to_ms).sha256()


def test_other_seed_and_other_symbol_are_other_markets() -> None:
    returns = [np.diff(np.log(bars.close)) for bars in (year(seed=7), year(seed=8))]
    assert abs(np.corrcoef(*returns)[0, 1]) < 0.05
    assert len(year("EURUSD")) < len(year())


@pytest.mark.parametrize("symbol", INSTRUMENTS)
def test_bars_fill_the_trading_hours_and_nothing_else(symbol: str) -> None:
    bars = year(symbol)
    sessions = instrument(symbol).sessions
    assert find_gaps(bars, sessions) == ()
    assert sessions.are_open(bars.open_ms).all()
    assert bars.timeframe is Timeframe.M15
    assert len(bars.checked()) == len(bars)


@pytest.mark.parametrize("seed", range(4))
def test_btcusd_has_the_size_of_the_real_one(seed: int) -> None:
    bars = year(seed=seed)
    assert 20_000 < bars.low.min() < bars.high.max() < 120_000
    atr_pct = 100 * atr_of(bars) / bars.close
    low, middle, high = np.nanquantile(atr_pct, [0.05, 0.5, 0.95])
    assert 0.2 < low < middle < high < 0.7
    spread_per_atr = bars.spread_points * BTCUSD.point / atr_of(bars)
    assert np.nanquantile(spread_per_atr, 0.95) < 0.1
    assert 0.8 < np.median(bars.spread_points) / BTCUSD.spread_points < 1.2


def test_volatility_clusters_and_tails_are_fat() -> None:
    returns = np.diff(np.log(year().close))
    size = np.abs(returns)
    assert np.corrcoef(size[:-8], size[8:])[0, 1] > 0.05
    assert np.mean(returns**4) / np.mean(returns**2) ** 2 > 3.5


def test_spread_and_tick_volume_follow_volatility() -> None:
    bars = year()
    ranges = bars.high - bars.low
    assert np.corrcoef(bars.spread_points, ranges)[0, 1] > 0.2
    assert np.corrcoef(bars.tick_volume, ranges)[0, 1] > 0.2


def test_weekend_is_quieter_where_it_is_traded() -> None:
    bars = year()
    weekday = (bars.open_ms // DAY_MS + 3) % 7
    ranges = (bars.high - bars.low) / bars.close
    assert ranges[weekday >= 5].mean() < 0.95 * ranges[weekday < 5].mean()


def test_planted_structure_is_there_and_mild() -> None:
    """After a bar with a surge of volume the next hour goes its way: more often, not always."""
    bars = year()
    usual = np.convolve(bars.tick_volume, np.ones(50) / 50)[49 : 49 + len(bars)]
    surge = np.flatnonzero(bars.tick_volume[49:-4] > 2 * usual[: len(bars) - 53]) + 49
    way = np.sign(bars.close - bars.open)[surge]
    later = (bars.close[surge + 4] - bars.close[surge]) * way
    assert 4 < len(surge) / 366 < 7
    assert 0.6 < (later > 0).mean() < 0.85


@pytest.mark.parametrize(
    ("symbol", "seed", "from_ms", "to_ms", "message"),
    [
        ("BTCUSD", 7, FIRST_MS - 1, FROM_MS, "a span after 2020-01-06 00:00 UTC is allowed"),
        ("BTCUSD", 7, FROM_MS, FROM_MS, "a span after"),
        ("BTCUSD", -1, FROM_MS, FROM_MS + DAY_MS, "a seed of 0 or more"),
    ],
)
def test_impossible_request_is_refused(
    symbol: str, seed: int, from_ms: int, to_ms: int, message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        generated_bars(instrument(symbol), seed=seed, from_ms=from_ms, to_ms=to_ms)
