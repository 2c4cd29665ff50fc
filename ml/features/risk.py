"""The seven inputs of the risk model: the account's state, and the bar's volatility and hour.

The order is fixed. Daemon, backtest and trainer call these functions; none has its own formula.
"""

import numpy as np

from market.bars import Float64s
from market.compiled import kernel

RISK_FEATURES: tuple[str, ...] = (
    "drawdown_pct",
    "equity_ratio",
    "win_rate_recent",
    "consecutive_losses",
    "volatility_20",
    "atr_14",
    "hour",
)
RECENT_TRADES = 20
MAX_EQUITY_RATIO = 10.0
_HOUR_MS = 3_600_000


@kernel
def account_inputs(
    net_profits: Float64s, balance: float, equity: float
) -> tuple[float, float, float, float]:
    """(drawdown_pct, equity_ratio, win_rate_recent, consecutive_losses) of an account.

    `net_profits`: own finished trades in the order of their ends, deposit currency; `balance` and
    `equity`: now. The balance before the first trade is today's less all net profits, so money
    paid in or out since then counts as if it had been there (or gone) from the start.

    drawdown_pct: percent of `equity` below the highest balance so far, 0 at a new high.
    equity_ratio: equity / balance before the first trade, at most 10 (also where that balance is
    not positive). win_rate_recent: share of winners among the last 20; trades missing to 20 count
    half. consecutive_losses: trades in a row that lost, counted back from the last; 0 profit ends
    the row.
    """
    level = balance
    for net in net_profits:
        level -= net
    start = level
    peak = max(equity, start)
    for net in net_profits:
        level += net
        peak = max(peak, level)
    drawdown_pct = 100.0 * (peak - equity) / peak if peak > 0.0 else 0.0
    ratio = equity / start if start > 0.0 else MAX_EQUITY_RATIO
    return (
        drawdown_pct,
        min(ratio, MAX_EQUITY_RATIO),
        _win_rate(net_profits),
        float(_losses_in_a_row(net_profits)),
    )


@kernel
def _win_rate(net_profits: Float64s) -> float:
    recent = net_profits[max(len(net_profits) - RECENT_TRADES, 0) :]
    won = 0.5 * (RECENT_TRADES - len(recent))
    for net in recent:
        won += 1.0 if net > 0.0 else 0.0
    return won / RECENT_TRADES


@kernel
def _losses_in_a_row(net_profits: Float64s) -> int:
    lost = 0
    for i in range(len(net_profits) - 1, -1, -1):
        if net_profits[i] >= 0.0:
            break
        lost += 1
    return lost


def utc_hour(close_ms: int) -> int:
    """The UTC hour of a bar's close, when its entry is decided: 0 to 23."""
    return close_ms // _HOUR_MS % 24


def risk_row(
    drawdown_pct: float,
    equity_ratio: float,
    win_rate_recent: float,
    consecutive_losses: float,
    volatility_20: float,
    atr_14: float,
    hour: float,
) -> Float64s:
    """The row (7,) in the order of `RISK_FEATURES`.

    `volatility_20` and `atr_14` are the catalogue's features of the decided bar, `hour` is
    `utc_hour` of its close.
    """
    return np.array(
        [drawdown_pct, equity_ratio, win_rate_recent, consecutive_losses, volatility_20, atr_14,
         hour], dtype=np.float64,
    )  # fmt: skip
