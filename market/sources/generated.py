"""A generated market: not real, and nothing learnt on it says anything about real markets.

It gives tests and the demo bars without a download. A bar is a function of the instrument, the
seed and its open time alone: a longer span only appends, an earlier start only prepends.

What it imitates: three regimes (range, trend, volatile) that follow a Markov chain, volatility
that clusters and jumps, daily and weekly seasons, a spread and a tick volume that follow
volatility, closed hours with gaps where the instrument has them, a price that wanders around a
usual level.

What is planted, so that a model finds something and a demo trades:

- five times a day, among them the London and the New York open (`_OPENINGS`), a bar comes with a
  surge of tick volume, and the price tends to go on in its direction for about an hour;
- in the quiet hours between, a stretched move of four hours tends to come back a little.
"""

import zlib
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from market.bars import Bars, Float64s, Int64s, utc_text
from market.instrument import Instrument
from market.sources.columns import RawColumns
from market.sources.errors import SourceError
from market.sources.generated_path import NO_OPENING, OPENING_BARS, PATH_STEPS, simulate
from market.timeframe import Timeframe
from market.zones import offset_steps

# Monday; every path starts here, so that a bar does not depend on the span that was asked for.
FIRST_MS = int(datetime(2020, 1, 6, tzinfo=UTC).timestamp() * 1000)

_WEEK_MS = Timeframe.W1.ms
_SLOTS_A_WEEK = _WEEK_MS // Timeframe.M15.ms
_SLOTS_A_DAY = 96
_MINUTES_A_DAY = 1440


@dataclass(frozen=True, slots=True)
class _Character:
    """What tells one symbol's path from another's.

    `level`: usual price; `level_sd`: how far the log price wanders from it; `bar_sd`: usual
    standard deviation of a M15 log return; `ticks_a_bar`: usual tick volume.
    """

    level: float
    level_sd: float
    bar_sd: float
    ticks_a_bar: float


_CHARACTERS = {
    "BTCUSD": _Character(level=68_000.0, level_sd=0.18, bar_sd=0.0026, ticks_a_bar=900.0),
    "XAUUSD": _Character(level=2_400.0, level_sd=0.10, bar_sd=0.0012, ticks_a_bar=700.0),
    "EURUSD": _Character(level=1.10, level_sd=0.03, bar_sd=0.0007, ticks_a_bar=800.0),
}

# When the opening bars open, by the clock of a place. Five a day are 5 % of all M15 bars, and no
# 15 hours are without two of them.
_OPENINGS = (
    ("Asia/Tokyo", 9 * 60),
    ("UTC", 4 * 60),
    ("Europe/London", 8 * 60),
    ("America/New_York", 9 * 60 + 30),
    ("UTC", 19 * 60),
)
_OPENING_VOLUME = 4.0

# Volatility by UTC hour: quiet Asian morning, busy New York, relative to the usual.
_HOURS = np.array(
    [0.99, 0.97, 0.95, 0.93, 0.92, 0.92, 0.93, 0.95, 0.98, 1.00, 1.01, 1.02,
     1.03, 1.05, 1.07, 1.08, 1.08, 1.07, 1.06, 1.05, 1.04, 1.03, 1.02, 1.00]
)  # fmt: skip
_WEEKEND = 0.85


def generated_bars(instrument: Instrument, *, seed: int, from_ms: int, to_ms: int) -> Bars:
    """M15 bars of the generated market that open in [from_ms, to_ms), in trading hours.

    Raises `SourceError` for a span before `FIRST_MS`, for an empty one, and for an instrument
    without a character here.
    """
    character = _character(instrument.symbol)
    _check_span(seed, from_ms, to_ms)
    weeks = -((FIRST_MS - to_ms) // _WEEK_MS)
    open_ms = FIRST_MS + np.arange(weeks * _SLOTS_A_WEEK, dtype=np.int64) * Timeframe.M15.ms
    is_open = instrument.sessions.are_open(open_ms)
    normals, uniforms = _draws(instrument.symbol, seed, weeks)
    opening = _opening_bars(open_ms)
    path = simulate(
        _first_level(instrument.symbol, seed) * character.level_sd,
        character.level_sd,
        character.bar_sd,
        is_open,
        _season(open_ms),
        opening,
        normals,
        uniforms,
    )
    open_, high, low, close, volatility = (column[is_open] for column in path)
    bars = RawColumns(
        open_ms[is_open],
        _prices(character.level, open_, high, low, close),
        _tick_volume(character.ticks_a_bar, volatility, opening[is_open], normals[is_open, -2]),
        _spread_points(instrument.spread_points, volatility, normals[is_open, -1]),
    ).bars(instrument, Timeframe.M15)
    return bars.between(from_ms, to_ms)


def _character(symbol: str) -> _Character:
    if symbol not in _CHARACTERS:
        raise SourceError(
            f"generated market: one of {', '.join(_CHARACTERS)} is allowed, {symbol} came; "
            "give a data file for this symbol"
        )
    return _CHARACTERS[symbol]


def _check_span(seed: int, from_ms: int, to_ms: int) -> None:
    if seed < 0:
        raise SourceError(f"generated market: a seed of 0 or more is allowed, {seed} came")
    if not FIRST_MS <= from_ms < to_ms:
        raise SourceError(
            f"generated market: a span after {utc_text(FIRST_MS)} UTC is allowed, "
            f"{utc_text(from_ms)} to {utc_text(to_ms)} came; choose a later start"
        )


def _draws(symbol: str, seed: int, weeks: int) -> tuple[Float64s, Float64s]:
    """Normal and uniform draws per slot, each week from its own generator."""
    normals = np.empty((weeks * _SLOTS_A_WEEK, PATH_STEPS + 6))
    uniforms = np.empty((weeks * _SLOTS_A_WEEK, 3))
    for week in range(weeks):
        rows = slice(week * _SLOTS_A_WEEK, (week + 1) * _SLOTS_A_WEEK)
        chance = _chance(symbol, seed, week + 1)
        chance.standard_normal(out=normals[rows])
        chance.random(out=uniforms[rows])
    return normals, uniforms


def _first_level(symbol: str, seed: int) -> float:
    """Where the path starts, in standard deviations of its level."""
    return float(np.clip(_chance(symbol, seed, 0).standard_normal(), -2.0, 2.0))


def _chance(symbol: str, seed: int, part: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(symbol.encode()), part])


def _season(open_ms: Int64s) -> Float64s:
    """Usual volatility of each slot, relative: by UTC hour, less at the weekend."""
    slot = (open_ms - FIRST_MS) // Timeframe.M15.ms
    season = _HOURS[slot % _SLOTS_A_DAY // 4]
    return np.where(slot % _SLOTS_A_WEEK >= 5 * _SLOTS_A_DAY, season * _WEEKEND, season)


def _opening_bars(open_ms: Int64s) -> NDArray[np.int8]:
    """How many bars each slot is after an opening bar; `NO_OPENING` beyond its reach."""
    bars = np.full(len(open_ms), NO_OPENING, dtype=np.int8)
    for zone, start_minute in _OPENINGS:
        local_s = open_ms // 1000 + offset_steps(zone).offsets_s(open_ms // 1000)
        since = (local_s // 60 - start_minute) % _MINUTES_A_DAY // Timeframe.M15.value
        reached = since < OPENING_BARS
        bars[reached] = since[reached]
    return bars


def _prices(
    level: float, open_: Float64s, high: Float64s, low: Float64s, close: Float64s
) -> tuple[Float64s, Float64s, Float64s, Float64s]:
    return (
        level * np.exp(open_),
        level * np.exp(high),
        level * np.exp(low),
        level * np.exp(close),
    )


def _tick_volume(
    usual: float, volatility: Float64s, opening: NDArray[np.int8], normal: Float64s
) -> Int64s:
    surge = np.where(opening == 0, _OPENING_VOLUME, 1.0)
    return np.rint(usual * surge * volatility**1.2 * np.exp(0.25 * normal)).astype(np.int64)


def _spread_points(usual: int, volatility: Float64s, normal: Float64s) -> Int64s:
    spread = np.rint(usual * volatility**0.5 * np.exp(0.12 * normal))
    return np.maximum(spread, 1).astype(np.int64)
