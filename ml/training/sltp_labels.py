"""Which stop and target would have served each trade best: labels of the SL/TP model.

The trade is that of the signal's labels: decided at the close of bar t, opened at the first tick of
bar t+1 (a long at the ask, a short at the bid, spread of bar t), levels at multiples of ATR(14) of
bar t in whole ticks, its end by `market.fills.first_exit`. One that reaches neither level leaves
at the close of the horizon's last bar, a short at the ask. Spread is therefore paid once a trade.

    R = profit / stop distance
    outcome = R − ½ · worst open loss / stop distance

R compares pairs at equal money at risk. The worst open loss is that of the exit side's extremes up
to and with the bar of the exit, and not more than the stop took; a pair that nearly failed is worth
less than one that did not.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from market.bars import Bars, Float64s, Int64s
from market.compiled import kernel
from market.fills import STOP, first_exit, ticks
from market.indicators import atr
from market.instrument import Instrument
from ml.training.labels import ATR_PERIOD

STOPS = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0)
TARGETS = (0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)
PAIRS: Float64s = np.array([pair for pair in product(STOPS, TARGETS) if pair[1] > pair[0]])
LOSS_WEIGHT = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class TradePaths:
    """Bars in ticks and the rows that trades are decided on.

    `bar` (n,) positions among the bars, each with `horizon` bars after it; `side` (n,) +1 or −1;
    `atr` (n,) ATR(14) in ticks.
    """

    prices: tuple[Int64s, Int64s, Int64s, Int64s, Int64s]
    bar: Int64s
    side: Int64s
    atr: Float64s
    horizon: int

    def __len__(self) -> int:
        return len(self.bar)

    def rows(self, rows: Int64s) -> "TradePaths":
        """The same bars, and only these of the rows."""
        return TradePaths(
            self.prices, self.bar[rows], self.side[rows], self.atr[rows], self.horizon
        )


def trade_paths(
    bars: Bars, instrument: Instrument, bar: Int64s, side: Int64s, horizon: int
) -> TradePaths:
    """Paths of trades decided at bars `bar`. `ValueError` where a horizon leaves the bars."""
    if len(bar) and int(bar.max()) + horizon >= len(bars):
        raise ValueError(f"paths: {horizon} bars after each row are needed, {len(bars)} bars came")
    range_now = atr(bars.high, bars.low, bars.close, bars.open_ms, ATR_PERIOD)[bar]
    prices = ticks(bars, instrument.tick_size, instrument.point)
    return TradePaths(prices, bar, side, range_now / instrument.tick_size, horizon)


def outcomes(paths: TradePaths, pairs: Float64s) -> tuple[Float64s, Float64s]:
    """(R, outcome) of every row with every pair (m, 2) of (stop, target): (n, m) each."""
    return _outcomes(
        *paths.prices, paths.bar, paths.side, paths.atr, pairs, paths.horizon, LOSS_WEIGHT
    )


def outcomes_of(paths: TradePaths, multiples: Float64s) -> Float64s:
    """R (n,) of each row with its own pair: `multiples` (n, 2) as (stop, target)."""
    return _own_outcomes(*paths.prices, paths.bar, paths.side, paths.atr, multiples, paths.horizon)


def best_pairs(outcome: Float64s, static: tuple[float, float]) -> Float64s:
    """The pair (n, 2) with the largest outcome in each row of (n, len(PAIRS)).

    Equal ones: the nearest to `static` by |ln(stop ratio)| + |ln(target ratio)|, so that a path
    that does not care changes nothing.
    """
    away = np.abs(np.log(PAIRS / np.array(static))).sum(axis=1)
    order = np.argsort(away, kind="stable")
    return np.asarray(PAIRS[order[outcome[:, order].argmax(axis=1)]])


@kernel
def _trade(
    open_: Int64s, high: Int64s, low: Int64s, close: Int64s, spread: Int64s,
    row: int, side: int, stop: int, target: int, horizon: int,
) -> tuple[int, int, int, int]:  # fmt: skip
    """(last bar looked at, profit in ticks, kind of exit, entry) of one trade."""
    first, last = row + 1, row + 1 + horizon
    entry = open_[first] + (spread[row] if side > 0 else 0)
    end, fill, kind, _, _ = first_exit(
        side, entry - side * stop, entry + side * target, open_, high, low, spread, first, last,
        True,
    )  # fmt: skip
    if end < 0:
        end = last - 1
        fill = close[end] + (0 if side > 0 else spread[end])
    return end, side * (fill - entry), kind, entry


@kernel
def _worst_loss(
    high: Int64s, low: Int64s, spread: Int64s, first: int, end: int, side: int, entry: int
) -> int:
    """Largest open loss in ticks over bars first … end, both included; at least 0."""
    worst = 0
    for row in range(first, end + 1):
        loss = entry - low[row] if side > 0 else high[row] + spread[row] - entry
        worst = max(worst, loss)
    return worst


@kernel
def _distance(multiple: float, atr_ticks: float) -> int:
    return max(int(np.rint(multiple * atr_ticks)), 1)


@kernel
def _outcomes(
    open_: Int64s, high: Int64s, low: Int64s, close: Int64s, spread: Int64s,
    bar: Int64s, side: Int64s, atr_ticks: Float64s, pairs: Float64s, horizon: int,
    loss_weight: float,
) -> tuple[Float64s, Float64s]:  # fmt: skip
    profit_r = np.empty((len(bar), len(pairs)))
    outcome = np.empty((len(bar), len(pairs)))
    for i in range(len(bar)):
        for j in range(len(pairs)):
            stop = _distance(pairs[j, 0], atr_ticks[i])
            end, profit, kind, entry = _trade(
                open_, high, low, close, spread, bar[i], side[i], stop,
                _distance(pairs[j, 1], atr_ticks[i]), horizon,
            )  # fmt: skip
            worst = -profit
            if kind != STOP:
                worst = _worst_loss(high, low, spread, bar[i] + 1, end, side[i], entry)
                worst = min(worst, stop)
            profit_r[i, j] = profit / stop
            outcome[i, j] = (profit - loss_weight * worst) / stop
    return profit_r, outcome


@kernel
def _own_outcomes(
    open_: Int64s, high: Int64s, low: Int64s, close: Int64s, spread: Int64s,
    bar: Int64s, side: Int64s, atr_ticks: Float64s, multiples: Float64s, horizon: int,
) -> Float64s:  # fmt: skip
    profit_r = np.empty(len(bar))
    for i in range(len(bar)):
        stop = _distance(multiples[i, 0], atr_ticks[i])
        target = _distance(multiples[i, 1], atr_ticks[i])
        _, profit, _, _ = _trade(
            open_, high, low, close, spread, bar[i], side[i], stop, target, horizon
        )
        profit_r[i] = profit / stop
    return profit_r


def sides(probabilities: Float64s) -> NDArray[np.int8]:
    """+1 where p(BUY) is above p(SELL), −1 where below, 0 where equal; (n, 3) in."""
    return np.sign(probabilities[:, 0] - probabilities[:, 1]).astype(np.int8)
