"""What is known of each decided bar before the run begins: one row per bar, computed once."""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.bars import Bars, Float64s, Int64s
from market.instrument import Instrument
from ml.features.position import m1_features
from trading.advice import NO_M1
from trading.decision.gate import GateColumns
from trading.decision.quantile import rolling_floor
from trading.decision.records import Forecast, MarketView
from trading.decision.settings import DecisionSettings, QuantileGate
from trading.forecasts import ForecastColumns
from trading.market_window import gate_means, regimes
from trading.trade_state import TradeFacts
from trading.views import market_view


class WarmUpError(ValueError):
    """Too little history before the first decided bar. Says how much is needed and from when."""


@dataclass(frozen=True, slots=True, eq=False)
class DecidedBars:
    """The decided bars and what was known at each one's close. Columns of equal length.

    `history` is everything the market file holds; the decided bars are its rows `first` … `last`
    − 1. All other columns have the decided rows alone. `m1` (n, 5): the M1 features, where there
    are M1 bars. `adx`, `trending`, `momentum_decay`: where the settings ask (`asked_for`).
    """

    history: Bars
    first: int
    last: int
    forecasts: ForecastColumns
    margin_floor: Float64s
    atr: Float64s
    ema200: Float64s
    m1: Float64s | None = None
    adx: Float64s | None = None
    trending: NDArray[np.bool_] | None = None
    momentum_decay: Float64s | None = None

    def __len__(self) -> int:
        return self.last - self.first

    @property
    def bars(self) -> Bars:
        return self.history.rows(self.first, self.last)

    @property
    def close_ms(self) -> Int64s:
        return self.bars.close_ms

    def asked_for(self, settings: DecisionSettings) -> "DecidedBars":
        """With the columns that these settings look at beside those that every decision needs."""
        bars, regime = self, settings.adx_regime_filter
        if regime.enabled:
            adx, trending = regimes(self.history, regime, self.first)
            rows = slice(self.first, self.last)
            bars = replace(bars, adx=adx[rows], trending=trending[rows])
        if settings.ml_active_management.ml_trailing_stop.enabled:
            bars = replace(bars, momentum_decay=self._feature("momentum_decay"))
        return bars

    def worst_quotes(self, point: float) -> tuple[Float64s, Float64s]:
        """(lowest bid, highest ask) inside each decided bar, in price units."""
        bars = self.bars
        return bars.low, bars.high + bars.spread_points * point

    def _feature(self, name: str) -> Float64s:
        names, features = self.forecasts.feature_names, self.forecasts.features
        if features is None or name not in names:
            raise ValueError(f"decided bars: the feature {name} is needed, there is none")
        return np.ascontiguousarray(features[:, names.index(name)])

    def market(self, i: int) -> MarketView:
        """The market view of decided bar i."""
        adx, trends, decay = self.adx, self.trending, self.momentum_decay
        return market_view(
            self.history, self.first + i, atr=self.atr[i], ema200=self.ema200[i],
            floor=self.margin_floor[i],
            adx=math.nan if adx is None else float(adx[i]),
            trending=trends is not None and bool(trends[i]),
            momentum_decay=math.nan if decay is None else float(decay[i]),
        )  # fmt: skip

    def gate_columns(self, instrument: Instrument) -> GateColumns:
        """The gate's columns. The quote at a bar's close has that bar's spread."""
        signal, bars = self.forecasts.signal, self.bars
        spread_ticks = np.rint(bars.spread_points * (instrument.point / instrument.tick_size))
        return GateColumns(
            side=signal.side,
            agreeing=signal.agreeing,
            confidence=signal.confidence,
            gap=signal.gap,
            margin=signal.margin,
            margin_floor=self.margin_floor,
            close=bars.close,
            atr=self.atr,
            ema200=self.ema200,
            spread_points=np.rint(spread_ticks * (instrument.tick_size / instrument.point)),
            point=instrument.point,
            adx=self.adx,
            trending=self.trending,
        )


class ModelColumns:
    """What the models beside the signal model are asked with; made where one of them is."""

    def __init__(self, bars: DecidedBars, instrument: Instrument) -> None:
        self._bars, self._instrument = bars, instrument

    @cached_property
    def features(self) -> Float64s:
        """The signal model's rows of the decided bars (n, k)."""
        features = self._bars.forecasts.features
        if features is None:
            raise ValueError("backtest: forecasts with their features are needed for other models")
        return features

    @cached_property
    def m1(self) -> Float64s:
        """The M1 features of the decided bars (n, 5); neutral ones without M1 bars."""
        m1 = self._bars.m1
        return np.broadcast_to(NO_M1, (len(self._bars), len(NO_M1))) if m1 is None else m1

    @cached_property
    def facts(self) -> TradeFacts:
        """Of open trades, by rows of the whole history."""
        return TradeFacts(self._bars.history, self._instrument)


class RowReader:
    """Single rows of the decided bars as the core's records.

    Equal to `DecidedBars.market` and `ForecastColumns.row`. A memoryview hands out Python numbers,
    several times faster than a numpy scalar.
    """

    def __init__(self, decided: DecidedBars) -> None:
        bars, forecasts = decided.bars, decided.forecasts
        self._symbol = bars.symbol
        columns = (
            bars.open_ms, bars.close_ms, bars.open, bars.high, bars.low, bars.close,
            bars.spread_points, decided.atr, decided.ema200, decided.margin_floor,
        )  # fmt: skip
        self._columns = tuple(column.data for column in columns)
        extra = (decided.adx, decided.trending, decided.momentum_decay)
        self._extra = None if all(each is None for each in extra) else tuple(map(_data, extra))
        self._missing = forecasts.missing.data
        self._probabilities = tuple(column.data for column in forecasts.probabilities.T)
        # The same few sets of votes come again and again: each bar has the number of its own.
        models = forecasts.votes.shape[1]
        self._vote_sets = tuple(product((-1, 0, 1), repeat=models))
        places = 3 ** np.arange(models)[::-1]
        self._vote_set = ((forecasts.votes.astype(np.int64) + 1) @ places).data

    def close_ms(self, i: int) -> int:
        """The close of decided bar i."""
        return self._columns[1][i]

    def market(self, i: int) -> MarketView:
        """The market view of decided bar i."""
        opened, closed, o, h, low, c, spread, atr, ema200, floor = self._columns
        if self._extra is None:
            return MarketView(
                self._symbol, opened[i], closed[i], o[i], h[i], low[i], c[i], spread[i], atr[i],
                ema200[i], floor[i],
            )  # fmt: skip
        adx, trending, decay = self._extra
        return MarketView(
            self._symbol, opened[i], closed[i], o[i], h[i], low[i], c[i], spread[i], atr[i],
            ema200[i], floor[i], math.nan if adx is None else adx[i],
            trending is not None and bool(trending[i]), math.nan if decay is None else decay[i],
        )  # fmt: skip

    def forecast(self, i: int) -> Forecast | None:
        """The forecast of decided bar i; None where a feature is missing."""
        if self._missing[i] >= 0:
            return None
        buy, sell, hold = self._probabilities
        return Forecast(buy[i], sell[i], hold[i], self._vote_sets[self._vote_set[i]])


def _data(column: NDArray[Any] | None) -> memoryview | None:
    return None if column is None else column.data


def decided_bars(
    history: Bars,
    forecasts: ForecastColumns,
    quantile: QuantileGate,
    *,
    from_ms: int,
    to_ms: int,
    m1: Bars | None = None,
) -> DecidedBars:
    """Bars that open in [from, to), with floors from the forecasts before them.

    `forecasts` cover the last rows of `history`, from the gate's look-back before `from_ms` on.
    `m1`: M1 bars that the position model looks at.
    """
    offset = len(history) - len(forecasts)
    if offset < 0 or not np.array_equal(forecasts.open_ms, history.open_ms[offset:]):
        raise ValueError("forecasts: one for each of the last bars is allowed, others came")
    first, last = (int(row) for row in np.searchsorted(history.open_ms, [from_ms, to_ms]))
    floor = rolling_floor(
        forecasts.open_ms,
        forecasts.margin,
        lookback_ms=quantile.lookback_ms,
        top_share=quantile.top_share,
        min_filled_share=quantile.min_filled_share,
    )
    rows = slice(first - offset, last - offset)
    ranges, means = gate_means(history)
    return DecidedBars(
        history=history,
        first=first,
        last=last,
        forecasts=forecasts.rows(rows.start, rows.stop),
        margin_floor=floor[rows],
        atr=ranges[first:last],
        ema200=means[first:last],
        m1=None if m1 is None else m1_features(m1, history.close_ms[first:last]),
    )
