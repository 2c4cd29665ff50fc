"""The seven inputs of the risk model: a fold over own finished trades, a snapshot and two features.

Daemon, backtest and trainer call this; the formulas are those of `ml.features.risk`.
"""

from collections.abc import Sequence

import numpy as np

from market.bars import Float64s
from ml.features.risk import account_inputs, risk_row, utc_hour
from trading.decision.records import AccountView, ClosedTrade


def net_profits(closed: Sequence[ClosedTrade]) -> Float64s:
    """Net profits in the order of the trades' ends, deposit currency."""
    return np.array([trade.net_profit for trade in closed], dtype=np.float64)


def risk_inputs(
    profits: Float64s, account: AccountView, *, volatility_20: float, atr_14: float, close_ms: int
) -> Float64s:
    """(7,) in the order of `RISK_FEATURES`, at the close of a decided bar.

    `profits`: `net_profits` of the trades closed by then. `volatility_20`, `atr_14`: the features
    of the decided bar.
    """
    state = account_inputs(profits, account.balance, account.equity)
    return risk_row(*state, volatility_20, atr_14, float(utc_hour(close_ms)))
