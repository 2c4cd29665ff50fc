"""The bar that is decided, with what the gate needs of the bars before it: live and in batch."""

import math

from market.bars import Bars, Float64s
from market.indicators import atr, ema
from trading.decision.records import MarketView
from trading.views import market_view

ATR_PERIOD = 14
EMA_SPAN = 200


def gate_means(bars: Bars, first_row: int = 0) -> tuple[Float64s, Float64s]:
    """(ATR(14), EMA(200) of closes) of every row; only rows from `first_row` on are computed."""
    ranges = atr(bars.high, bars.low, bars.close, bars.open_ms, ATR_PERIOD, first_row)
    return ranges, ema(bars.close, bars.open_ms, EMA_SPAN, first_row)


def last_bar(window: Bars, *, floor: float = math.nan) -> MarketView:
    """The window's last bar. `floor`: the margin that its forecast must reach."""
    row = len(window) - 1
    ranges, means = gate_means(window, row)
    return market_view(window, row, atr=ranges[row], ema200=means[row], floor=floor)
