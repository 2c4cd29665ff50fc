"""How far each trade went against and for its side before it ended (MAE and MFE)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backtest.report.trades import TradeWithLevels
from market.bars import Bars, Float64s


@dataclass(frozen=True, slots=True, eq=False)
class Excursions:
    """Of each trade, (n,): the worst and the best it was worth, as price distances from its fill.

    `against` and `favour` are 0 or more, in price units on the side it would leave at (bid for a
    long, ask for a short). `against_r`, `favour_r`: over the distance to its first stop, NaN
    without one.
    """

    against: Float64s
    favour: Float64s
    against_r: Float64s
    favour_r: Float64s


def excursions(trades: Sequence[TradeWithLevels], bars: Bars, point: float) -> Excursions:
    """From the bars between the fill and the exit.

    Whole bars before the bar of the exit count with their extremes; of that bar only the exit's
    price does, because nobody knows what came before it there.
    """
    ask_high, ask_low = (each + bars.spread_points * point for each in (bars.high, bars.low))
    against, favour, risked = (np.zeros(len(trades)) for _ in range(3))
    for place, each in enumerate(trades):
        trade, side = each.trade, int(each.trade.side)
        first = int(bars.open_ms.searchsorted(trade.opened_ms, side="right")) - 1
        last = int(bars.open_ms.searchsorted(trade.closed_ms, side="right")) - 1
        lows, highs = (bars.low, bars.high) if side > 0 else (ask_low, ask_high)
        seen = np.r_[lows[first:last], highs[first:last], trade.price_close]
        moves = side * (seen - trade.price_open)
        against[place] = max(0.0, -float(moves.min()))
        favour[place] = max(0.0, float(moves.max()))
        risked[place] = abs(trade.price_open - each.sl) if each.sl > 0 else np.nan
    return Excursions(against, favour, against / risked, favour / risked)
