"""Decided bars without models: forecasts and indicators as a test wants them."""

import numpy as np

from backtest.columns import DecidedBars
from backtest.driver import Rules
from broker.simulator.settings import PaperSettings
from market.bars import Bars, Float64s
from market.instrument import Instrument
from market.instruments import instrument
from market.timeframe import Timeframe
from tests.builders import MONDAY_MS
from trading.decision.settings import DecisionSettings
from trading.forecasts import columns_of

STRATEGY = 7719


def decided(
    bars: Bars, probabilities: Float64s, *, atr: float = 250.0, floor: float = 0.1
) -> DecidedBars:
    """Every bar decided; all models vote for the likeliest class."""
    count = len(bars)
    side = np.array([1, -1, 0], dtype=np.int8)[probabilities.argmax(axis=1)]
    forecasts = columns_of(
        bars.open_ms,
        probabilities,
        np.repeat(side[:, None], 3, axis=1),
        np.full(count, -1, dtype=np.int16),
        ("feature",),
    )
    return DecidedBars(
        history=bars,
        first=0,
        last=count,
        forecasts=forecasts,
        margin_floor=np.full(count, floor),
        atr=np.full(count, atr),
        ema200=bars.close.copy(),
    )


def rules(
    of: Instrument | None = None, paper: PaperSettings | None = None, **decision: object
) -> Rules:
    """Default settings on a dollar account without slippage."""
    return Rules(
        of or instrument("BTCUSD"),
        DecisionSettings.model_validate(decision),
        paper or PaperSettings(slippage_points=0),
        STRATEGY,
    )


def random_walk(of: Instrument, count: int, *, seed: int, level: float, move: float) -> Bars:
    """M15 bars of a seeded random walk, in the instrument's trading hours alone."""
    rng = np.random.default_rng(seed)
    open_ms = MONDAY_MS + np.arange(count, dtype=np.int64) * Timeframe.M15.ms
    open_ms = open_ms[of.sessions.are_open(open_ms)]
    count = len(open_ms)
    close = level * np.exp(np.cumsum(rng.normal(0, move, count)))
    opens = np.concatenate([[level], close[:-1]]) * np.exp(rng.normal(0, move / 10, count))
    high = np.maximum(opens, close) * (1 + np.abs(rng.normal(0, move, count)))
    low = np.minimum(opens, close) * (1 - np.abs(rng.normal(0, move, count)))
    spread = rng.integers(of.spread_points // 2, of.spread_points * 2, count)
    prices = (np.round(each, of.digits) for each in (opens, high, low, close))
    volume = np.full(count, 50, dtype=np.int64)
    return Bars(of.symbol, Timeframe.M15, open_ms, *prices, volume, spread).checked()


def random_probabilities(count: int, *, seed: int) -> Float64s:
    return np.random.default_rng(seed).dirichlet([4, 4, 3], count)
