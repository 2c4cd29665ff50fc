"""Forecasters whose truth is known, as columns: what an ensemble would have said of each bar."""

from collections.abc import Callable

import numpy as np

from market.bars import Bars, Float64s
from tests.evaluation.planted_market import SLOT_BARS, SURGE_VOLUME
from trading.forecasts import ForecastColumns, columns_of

Forecaster = Callable[[Bars], ForecastColumns]

_NAMES = ("bar",)
_SURE = 0.2


def surges(bars: Bars) -> ForecastColumns:
    """The side of a bar's body where its tick volume surges; of every other bar: no trade."""
    side = np.sign(bars.close - bars.open) * (bars.tick_volume >= SURGE_VOLUME)
    return _columns(bars, side, _SURE * np.abs(side))


def moves(bars: Bars) -> ForecastColumns:
    """The side of every bar's body, the surer the larger it is."""
    body = bars.close / bars.open - 1
    return _columns(bars, np.sign(body), np.abs(body))


def one_bar_early(of: Forecaster) -> Forecaster:
    """The leak: what the forecaster says of a bar is said of the bar before it."""

    def leaking(bars: Bars) -> ForecastColumns:
        honest = of(bars)
        later = np.minimum(np.arange(len(bars)) + 1, len(bars) - 1)
        said = honest.probabilities[later], honest.votes[later]
        return columns_of(bars.open_ms, *said, honest.missing, _NAMES)

    return leaking


def coin(seed: int) -> Forecaster:
    """One side at random, at a random bar of every slot."""

    def at_random(bars: Bars) -> ForecastColumns:
        chance = np.random.default_rng([seed, 3])
        starts = np.arange(0, len(bars) - SLOT_BARS + 1, SLOT_BARS)
        side = np.zeros(len(bars))
        rows = starts + chance.integers(SLOT_BARS, size=len(starts))
        side[rows] = chance.choice([-1.0, 1.0], size=len(starts))
        return _columns(bars, side, _SURE * np.abs(side))

    return at_random


def _columns(bars: Bars, side: Float64s, margin: Float64s) -> ForecastColumns:
    """All models vote for `side` (0: hold), whose probability is `margin` above the other's."""
    against = (1 - margin) / 3
    up, down = against + margin * (side > 0), against + margin * (side < 0)
    probabilities = np.column_stack([up, down, 1 - up - down])
    votes = np.repeat(side.astype(np.int8)[:, None], 3, axis=1)
    complete = np.full(len(bars), -1, dtype=np.int16)
    return columns_of(bars.open_ms, probabilities, votes, complete, _NAMES)
