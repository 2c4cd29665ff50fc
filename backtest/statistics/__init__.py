"""What the trades of a run prove: one definition of each statistic, with its source.

Pure functions of arrays. Trades are net of all costs, in order of time. Shares, not percent,
unless the name says so. A statistic that does not exist is NaN, or infinite where it says so.
`docs/evaluation.md` lists them. May import: what `backtest` may import.
"""

from backtest.statistics.activity import cost_share, exposure, spread_cost, turnover_a_year
from backtest.statistics.bootstrap import (
    REPLICATES,
    Estimate,
    bootstrap,
    mean_block,
    stationary_blocks,
)
from backtest.statistics.overfitting import Overfitting, overfitting
from backtest.statistics.profit import MIN_TRADES, Score, profit_factor, profit_factor_p5, score
from backtest.statistics.proportions import (
    Z95,
    Interval,
    binomial_tail,
    break_even,
    trades_to_prove,
    trades_to_prove_mean,
    wilson,
)
from backtest.statistics.returns import cagr, calmar, max_drawdown, sortino_daily
from backtest.statistics.selection import (
    TrialSharpes,
    deflated_sharpe,
    expected_best_sharpe,
    min_track_record,
    probabilistic_sharpe,
)
from backtest.statistics.trade_order import drawdown_quantiles, order_drawdowns, trade_returns
from trading.sharpe import Shape, Sharpe, daily_returns, shape_of, sharpe_daily, sharpe_error

__all__ = [
    "MIN_TRADES",
    "REPLICATES",
    "Z95",
    "Estimate",
    "Interval",
    "Overfitting",
    "Score",
    "Shape",
    "Sharpe",
    "TrialSharpes",
    "binomial_tail",
    "bootstrap",
    "break_even",
    "cagr",
    "calmar",
    "cost_share",
    "daily_returns",
    "deflated_sharpe",
    "drawdown_quantiles",
    "expected_best_sharpe",
    "exposure",
    "max_drawdown",
    "mean_block",
    "min_track_record",
    "order_drawdowns",
    "overfitting",
    "probabilistic_sharpe",
    "profit_factor",
    "profit_factor_p5",
    "score",
    "shape_of",
    "sharpe_daily",
    "sharpe_error",
    "sortino_daily",
    "spread_cost",
    "stationary_blocks",
    "trade_returns",
    "trades_to_prove",
    "trades_to_prove_mean",
    "turnover_a_year",
    "wilson",
]
