"""Bars in, feature columns out: the same function live (the last row) and in batch (all rows)."""

from collections.abc import Sequence

import numpy as np

from market.bars import Bars, Float64s, Int64s
from market.calendar import EconomicCalendar
from market.compiled import kernel
from market.indicators import atr, directional, ema, macd, rsi
from market.onchain import OnChain
from market.resample import last_completed, resample
from market.sessions import Sessions
from market.timeframe import Timeframe
from ml.features import catalogue
from ml.features.kernels import (
    candles,
    clock,
    higher,
    momentum,
    news,
    published,
    smc,
    trend,
    volatility,
    volume,
)

_NO_NEWS = EconomicCalendar.none()
_REACH_BARS = max(feature.bars for feature in catalogue.CATALOGUE)
_COLUMN_TYPES: dict[str, type[np.generic]] = {
    "open_ms": np.int64, "open": np.float64, "high": np.float64, "low": np.float64,
    "close": np.float64, "tick_volume": np.int64, "spread_points": np.int64,
}  # fmt: skip
_HIGHER = (Timeframe.M30, Timeframe.H1, Timeframe.H4, Timeframe.D1, Timeframe.W1)
_FINITE = {
    Timeframe.D1: (higher.daily, higher.D1_BARS, catalogue.D1_LOOKBACK_MS),
    Timeframe.W1: (higher.weekly, higher.W1_BARS, catalogue.W1_LOOKBACK_MS),
}


def _weekdays(zone: str, from_minute: int, to_minute: int) -> Sessions:
    return Sessions(zone, tuple((day, from_minute, to_minute) for day in range(5)))


_EXCHANGES = (
    _weekdays("Europe/London", 8 * 60, 16 * 60 + 30),
    _weekdays("America/New_York", 9 * 60 + 30, 16 * 60),
    _weekdays("Asia/Tokyo", 9 * 60, 15 * 60),
)


def feature_matrix(
    bars: Bars,
    *,
    groups: Sequence[str] = ("base", "regime"),
    round_step: float,
    calendar: EconomicCalendar = _NO_NEWS,
    onchain: OnChain | None = None,
    first_row: int = 0,
) -> Float64s:
    """Features of the M15 bars `first_row` … last: shape (len(bars) − first_row, features).

    Columns are `catalogue.names(groups)`. Row i uses what was known at the close of bar
    first_row + i; values whose past is not in `bars` are NaN. `round_step`: distance between round
    prices, in price units. `calendar`: only the events that concern the instrument, by time.
    `onchain`: what the group of that name reads; `OnChain.none()` for its neutral values.
    Raises `ValueError` for another timeframe, an unknown group, a row or a step out of range, and
    where the group onchain has no record to read.
    """
    columns = catalogue.features(groups)
    _require(bars, round_step, first_row)
    _require_onchain(columns, onchain)
    out = np.full((len(bars) - first_row, len(columns)), np.nan)
    if len(out) == 0:
        return out
    window, first = _needed(bars, first_row)
    families = _families(columns, out)
    _fill_m15(families, window, first, round_step)
    _fill_higher(families, window, first)
    _fill_clocks(families, window.open_ms[first:], calendar)
    _fill_onchain(families, window.close_ms[first:], onchain)
    reach = np.array([feature.bars for feature in columns], dtype=np.int64)
    _drop_far_reach(out, window.open_ms, first, reach, catalogue.BAR_MS, catalogue.CLOSURE_MS)
    return out


def _require(bars: Bars, round_step: float, first_row: int) -> None:
    if bars.timeframe is not Timeframe.M15:
        raise ValueError(f"bars: features are made of M15 bars, {bars.timeframe.name} came")
    if not 0 <= first_row <= len(bars):
        raise ValueError(f"first_row: 0 … {len(bars)} is allowed, {first_row} came")
    if not round_step > 0:
        raise ValueError(f"round_step: a distance above 0 is allowed, {round_step} came")


def _require_onchain(columns: Sequence[catalogue.Feature], onchain: OnChain | None) -> None:
    wanted = [feature.name for feature in columns if feature.group == "onchain"]
    if wanted and onchain is None:
        raise ValueError(
            f"{wanted[0]}: features.groups has onchain, which needs its data, and none came; give "
            "onchain=…, OnChain.none() for neutral values, or take the group out"
        )


def _needed(bars: Bars, first_row: int) -> tuple[Bars, int]:
    """The bars within the largest lookback of `first_row`, and that row's place in them.

    Columns become contiguous and writeable, so that one compiled version serves all callers.
    """
    start = _row_at_or_before(bars.open_ms, int(bars.open_ms[first_row]) - catalogue.LOOKBACK_MS)
    kept = bars.rows(start, len(bars))
    plain = [
        np.require(getattr(kept, name), dtype, ["C", "W"]) for name, dtype in _COLUMN_TYPES.items()
    ]
    return Bars(bars.symbol, bars.timeframe, *plain), first_row - start


def _row_at_or_before(open_ms: Int64s, instant_ms: int) -> int:
    return max(int(np.searchsorted(open_ms, instant_ms, side="right")) - 1, 0)


def _families(columns: Sequence[catalogue.Feature], out: Float64s) -> dict[str, Float64s]:
    """Each family's columns of `out`; the columns of a family stand side by side."""
    order = [feature.family for feature in columns]
    return {
        family: out[:, order.index(family) : order.index(family) + order.count(family)]
        for family in dict.fromkeys(order)
    }


def _fill_m15(families: dict[str, Float64s], bars: Bars, first: int, round_step: float) -> None:
    ms, open_, high, low, close = bars.open_ms, bars.open, bars.high, bars.low, bars.close
    start = max(first - _REACH_BARS, 0)
    range_mean = atr(high, low, close, ms, 14, start)
    if "regime" in families:
        volatility.fill_regime(families["regime"], first, range_mean)
    if "smc" in families:
        _fill_smc(families["smc"], bars, first, range_mean)
    if "momentum" not in families:
        return
    strength = rsi(close, ms, 14, start)
    line, histogram = macd(close, ms, 12, 26, 9, start)
    adx, di_diff = directional(high, low, close, ms, 14, start)
    ema20, ema50, ema200 = (ema(close, ms, span, start) for span in (20, 50, 200))
    momentum.fill(
        families["momentum"], first, high, low, close, range_mean, strength, line, histogram
    )
    candles.fill(families["candles"], first, open_, high, low, close)
    volatility.fill(families["volatility"], first, high, low, close, range_mean)
    trend.fill(
        families["trend"], first, ms, high, low, close, range_mean, adx, di_diff,
        ema20, ema50, ema200, round_step,
    )  # fmt: skip
    volume.fill(families["volume"], first, open_, close, bars.tick_volume)
    higher.fill_d1_open(families["d1_open"], first, ms, open_, close, range_mean)


def _fill_smc(out: Float64s, bars: Bars, first: int, range_mean: Float64s) -> None:
    since = max(first - smc.REACH + 1, 0)
    near = bars.rows(since, len(bars))
    smc.fill(
        out, first - since, near.open, near.high, near.low, near.close,
        near.tick_volume, range_mean[since:],
    )  # fmt: skip


def _fill_higher(families: dict[str, Float64s], bars: Bars, first: int) -> None:
    """Each timeframe is made of the one below it; their boundaries nest."""
    open_ms, close_ms = bars.open_ms[first:], bars.close_ms[first:]
    lower = bars
    for timeframe in _HIGHER:
        lower = resample(lower, timeframe)
        family = timeframe.name.lower()
        if family not in families:
            continue
        completed = last_completed(lower, close_ms)
        if timeframe in _FINITE:
            _fill_finite(families[family], lower, open_ms, completed)
        else:
            _fill_intraday(families[family], lower, open_ms, completed)


def _fill_intraday(out: Float64s, higher_bars: Bars, open_ms: Int64s, completed: Int64s) -> None:
    ms, high, low, close = higher_bars.open_ms, higher_bars.high, higher_bars.low, higher_bars.close
    start = max(int(completed[0]), 0)
    _, histogram = macd(close, ms, 12, 26, 9, start)
    higher.fill_intraday(
        out, completed, open_ms - ms[completed],
        higher_bars.timeframe.ms + catalogue.CLOSURE_MS, close,
        atr(high, low, close, ms, 14, start), rsi(close, ms, 14, start),
        ema(close, ms, 20, start), histogram,
    )  # fmt: skip


def _fill_finite(out: Float64s, higher_bars: Bars, open_ms: Int64s, completed: Int64s) -> None:
    states, count, reach_ms = _FINITE[higher_bars.timeframe]
    left, right = states(higher_bars.close, max(int(completed[0]), 0))
    higher.fill_finite(out, open_ms, completed, higher_bars.open_ms, count, reach_ms, left, right)


def _fill_clocks(
    families: dict[str, Float64s], open_ms: Int64s, calendar: EconomicCalendar
) -> None:
    if "clock" not in families:
        return
    for column, exchange in enumerate(_EXCHANGES):
        families["sessions"][:, column] = exchange.are_open(open_ms)
    clock.fill(families["clock"], open_ms)
    news.fill(
        families["news"], open_ms, catalogue.BAR_MS,
        *(
            np.require(column, np.int64, ["C", "W"])
            for column in (
                calendar.time_ms, calendar.impact, calendar.known_since_ms,
                calendar.known_until_ms,
            )
        ),
    )  # fmt: skip


def _fill_onchain(families: dict[str, Float64s], close_ms: Int64s, onchain: OnChain | None) -> None:
    if "onchain" not in families or onchain is None:
        return
    for column, series in enumerate(onchain.in_catalogue_order()):
        known = published.as_of(close_ms, series.known_ms, series.value, series.max_age_ms)
        families["onchain"][:, column] = known
    published.scale(families["onchain"])


@kernel
def _drop_far_reach(
    out: Float64s, open_ms: Int64s, first: int, reach: Int64s, bar_ms: int, closure_ms: int
) -> None:
    """NaN where the bars that a value looks at were apart by more than the allowed closure."""
    most = reach.max()
    for row in range(first, len(open_ms)):
        since = max(row - most + 1, 0)
        if open_ms[row] - open_ms[since] <= (row - since) * bar_ms + closure_ms:
            continue
        for column in range(len(reach)):
            since = max(row - reach[column] + 1, 0)
            if open_ms[row] - open_ms[since] > (row - since) * bar_ms + closure_ms:
                out[row - first, column] = np.nan
