"""Markets that the feature tests share: long enough for 5,000 rows after the warm-up."""

from datetime import UTC, datetime
from functools import lru_cache

import numpy as np

from market.bars import Bars, Float64s
from market.calendar import EconomicCalendar
from market.indicators import BLOCK_MS
from market.instruments import INSTRUMENTS
from market.onchain import OnChain, Published
from market.sources.generated import generated_bars
from ml.features.catalogue import GROUPS
from ml.features.matrix import feature_matrix

DAY_MS = 86_400_000
ROUND_STEP = {"BTCUSD": 1000.0, "XAUUSD": 50.0}
_FROM_MS = int(datetime(2024, 1, 3, 7, 45, tzinfo=UTC).timestamp() * 1000)


def keep(bars: Bars, rows: np.ndarray) -> Bars:
    return Bars(
        bars.symbol, bars.timeframe,
        *(
            getattr(bars, name)[rows]
            for name in ("open_ms", "open", "high", "low", "close", "tick_volume", "spread_points")
        ),
    ).checked()  # fmt: skip


@lru_cache
def bitcoin() -> Bars:
    """Never closed."""
    to_ms = _FROM_MS + 175 * DAY_MS
    return generated_bars(INSTRUMENTS["BTCUSD"], seed=5, from_ms=_FROM_MS, to_ms=to_ms)


@lru_cache
def gold() -> Bars:
    """Closed at weekends and for an hour a day."""
    to_ms = _FROM_MS + 210 * DAY_MS
    return generated_bars(INSTRUMENTS["XAUUSD"], seed=6, from_ms=_FROM_MS, to_ms=to_ms)


@lru_cache
def torn() -> Bars:
    """Bitcoin with lost bars, lost hours, one lost day, and nine lost days near the end."""
    bars = bitcoin()
    chance = np.random.default_rng(3)
    kept = chance.random(len(bars)) > 0.02
    for start in chance.integers(0, len(bars), 60):
        kept[start : start + chance.integers(2, 40)] = False
    kept[13_000:13_096] = False
    kept[15_300 : 15_300 + 9 * 96] = False
    return keep(bars, kept)


@lru_cache
def broken() -> Bars:
    """Bitcoin without 34 days near the end, in which a whole block of the recursions lies."""
    bars = bitcoin()
    block = (int(bars.open_ms[-1]) // BLOCK_MS - 2) * BLOCK_MS
    lost = (bars.open_ms >= block - 3 * DAY_MS) & (bars.open_ms < block + 31 * DAY_MS)
    return keep(bars, ~lost)


@lru_cache
def flat() -> Bars:
    """Bitcoin whose prices stand still, without volume, for the last three months."""
    bars = bitcoin()
    still = np.arange(len(bars)) >= 8_000
    prices = (bars.open, bars.high, bars.low, bars.close)
    return Bars(
        bars.symbol, bars.timeframe, bars.open_ms,
        *(np.where(still, bars.close[7_999], price) for price in prices),
        np.where(still, 0, bars.tick_volume), bars.spread_points,
    ).checked()  # fmt: skip


MARKETS = {"bitcoin": bitcoin, "gold": gold, "torn": torn, "broken": broken}


@lru_cache
def news() -> EconomicCalendar:
    """About three events in two days; some known late, some only after they happened."""
    chance = np.random.default_rng(4)
    count = 330
    time_ms = _FROM_MS + chance.integers(0, 210 * 24 * 12, count) * 300_000
    time_ms[: count // 5] = time_ms[count // 5 : 2 * (count // 5)]  # several at one instant
    lead_ms = chance.choice([7 * DAY_MS, DAY_MS // 3, 600_000, -3_600_000], count)
    impact = chance.integers(0, 4, count).astype(np.int8)
    return EconomicCalendar.of(time_ms, impact, np.full(count, "USD"), time_ms - lead_ms)


def _published(seed: int, every_minutes: int, spread: float, middle: float) -> Published:
    """Values at uneven instants, some on the closes of bars, some a day without any."""
    chance = np.random.default_rng(seed)
    count = 280 * 24 * 60 // every_minutes
    known_ms = _FROM_MS - 30 * DAY_MS + np.cumsum(chance.integers(1, 2 * every_minutes, count))
    known_ms = np.unique(_FROM_MS - 30 * DAY_MS + (known_ms - known_ms[0]) * 60_000)
    kept = chance.random(len(known_ms)) > 0.1
    known_ms = known_ms[kept]
    return Published(known_ms, chance.normal(middle, spread, len(known_ms)), 20 * DAY_MS)


@lru_cache
def published() -> OnChain:
    return OnChain(
        _published(11, 480, 0.002, 0.0), _published(12, 30, 0.6, 0.0), _published(13, 1440, 20, 50)
    )


def matrix_of(bars: Bars, first_row: int = 0) -> Float64s:
    return feature_matrix(
        bars, groups=GROUPS, round_step=ROUND_STEP[bars.symbol], calendar=news(),
        onchain=published(), first_row=first_row,
    )  # fmt: skip


@lru_cache
def full_matrix(market: str) -> Float64s:
    return matrix_of(MARKETS[market]())
