"""The bar that is decided, with what decisions need of the bars before it: live and in batch."""

import math

import numpy as np
from numpy.typing import NDArray

from market.bars import Bars, Float64s
from market.indicators import atr, directional, ema
from trading.decision import regime
from trading.decision.filter_settings import AdxRegimeFilter
from trading.decision.records import MarketView
from trading.views import market_view

ATR_PERIOD = 14
EMA_SPAN = 200
ADX_PERIOD = 14


def gate_means(bars: Bars, first_row: int = 0) -> tuple[Float64s, Float64s]:
    """(ATR(14), EMA(200) of closes) of every row; only rows from `first_row` on are computed."""
    ranges = atr(bars.high, bars.low, bars.close, bars.open_ms, ATR_PERIOD, first_row)
    return ranges, ema(bars.close, bars.open_ms, EMA_SPAN, first_row)


def regimes(
    bars: Bars, settings: AdxRegimeFilter, first_row: int = 0
) -> tuple[Float64s, NDArray[np.bool_]]:
    """(ADX(14) in 0-1, whether the market trends) of every row from `first_row` on."""
    since = max(first_row - regime.LOOKBACK_BARS - settings.confirm_bars, 0)
    adx, _ = directional(bars.high, bars.low, bars.close, bars.open_ms, ADX_PERIOD, since)
    return adx, regime.trending(adx, settings)


def last_bar(
    window: Bars,
    *,
    floor: float = math.nan,
    filter_regime: AdxRegimeFilter | None = None,
    momentum_decay: float = math.nan,
) -> MarketView:
    """The window's last bar. `floor`: the margin that its forecast must reach.

    The regime is looked at where `filter_regime` is on; `momentum_decay`: the feature, where it is
    asked for.
    """
    row = len(window) - 1
    ranges, means = gate_means(window, row)
    adx, trends = math.nan, False
    if filter_regime is not None and filter_regime.enabled:
        strengths, trending = regimes(window, filter_regime, row)
        adx, trends = float(strengths[row]), bool(trending[row])
    return market_view(
        window, row, atr=ranges[row], ema200=means[row], floor=floor,
        adx=adx, trending=trends, momentum_decay=momentum_decay,
    )  # fmt: skip
