"""Finished trades with the levels they were opened with, and what they made of the risk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from market.bars import Float64s
from trading.decision.records import ClosedTrade, InstrumentView
from trading.execution.intents import LevelsRequest, TradeRequest


@dataclass(frozen=True, slots=True)
class ChartTrade:
    """A finished trade with the levels it was opened with; 0.0 where there was none."""

    trade: ClosedTrade
    sl: float
    tp: float


def chart_trades(
    trades: Sequence[ClosedTrade], sent: Mapping[int, Sequence[TradeRequest]]
) -> tuple[ChartTrade, ...]:
    """Trades with the levels of the requests that opened them, by the instant of opening."""
    levels = {
        at_ms: (request.sl or 0.0, request.tp or 0.0)
        for at_ms, requests in sent.items()
        for request in requests
        if not isinstance(request, LevelsRequest) and request.position is None
    }
    return tuple(ChartTrade(trade, *levels.get(trade.opened_ms, (0.0, 0.0))) for trade in trades)


def r_multiples(trades: Sequence[ChartTrade], terms: InstrumentView) -> Float64s:
    """Net profit of each trade over what it risked at its first stop, (n,); NaN without a stop."""
    per_price = terms.tick_value / terms.tick_size
    risked = [
        abs(each.trade.price_open - each.sl) * each.trade.volume_lots * per_price
        if each.sl > 0
        else np.nan
        for each in trades
    ]
    return np.array([each.trade.net_profit for each in trades]) / np.array(risked)
