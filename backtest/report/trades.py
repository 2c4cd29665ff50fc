"""Finished trades with the levels they were opened with, and what they made of the risk."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backtest.driver import BacktestRun
from market.bars import Float64s
from trading.decision.records import ClosedTrade, InstrumentView
from trading.execution.intents import LevelsRequest


@dataclass(frozen=True, slots=True)
class TradeWithLevels:
    """A finished trade with the levels it was opened with; 0.0 where there was none."""

    trade: ClosedTrade
    sl: float
    tp: float


def trades_with_levels(run: BacktestRun) -> tuple[TradeWithLevels, ...]:
    """The finished trades of a run with the levels of the requests that opened them, which were
    sent at the instant of opening."""
    close_ms = run.bars.close_ms.tolist()
    levels = {
        close_ms[row]: (request.sl or 0.0, request.tp or 0.0)
        for row, requests in run.sent.items()
        for request in requests
        if not isinstance(request, LevelsRequest) and request.position is None
    }
    none = (0.0, 0.0)
    return tuple(TradeWithLevels(trade, *levels.get(trade.opened_ms, none)) for trade in run.trades)


def r_multiples(trades: Sequence[TradeWithLevels], terms: InstrumentView) -> Float64s:
    """Net profit of each trade over what it risked at its first stop, (n,); NaN without a stop."""
    per_price = terms.tick_value / terms.tick_size
    risked = [
        abs(each.trade.price_open - each.sl) * each.trade.volume_lots * per_price
        if each.sl > 0
        else np.nan
        for each in trades
    ]
    return np.array([each.trade.net_profit for each in trades]) / np.array(risked)
