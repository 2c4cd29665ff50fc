"""What out-of-fold forecasts would have earned: the daemon's own gate, orders and costs.

`backtest.driver.run_backtest` trades the forecasts of rows that no model had seen; what comes out
is judged by `backtest.statistics`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtest.columns import decided_bars
from backtest.driver import BacktestRun, Rules, run_backtest
from backtest.statistics import (
    Interval,
    Score,
    Sharpe,
    daily_returns,
    max_drawdown,
    profit_factor,
    score,
    sharpe_daily,
    wilson,
)
from market.bars import Bars, Float64s, Int64s
from trading.equity import EquityCurve
from trading.forecasts import ForecastColumns, columns_of
from trading.risk_state import net_profits

# Below this many trades a fold says nothing, not even whether to go on.
PROVISIONAL_TRADES = 20


@dataclass(frozen=True, slots=True)
class Judged:
    """The figures of one run. `provisional`: the score on fewer trades than are comparable, for
    pruning; None on fewer than `PROVISIONAL_TRADES`."""

    score: Score
    provisional: float | None
    sharpe: Sharpe
    win_rate: Interval
    profit_factor: float
    net_profit: float

    def as_dict(self) -> dict[str, Any]:
        """Flat, for JSON and the trial ledger; figures that do not exist are None."""
        figures = {
            "score": self.score.value,
            "why_not": self.score.why_not,
            "trades": self.score.trades,
            "profit_factor_p5": self.score.profit_factor_p5,
            "max_drawdown": self.score.max_drawdown,
            "sharpe": self.sharpe.annual,
            "sharpe_error": self.sharpe.standard_error,
            "days": self.sharpe.days,
            "win_rate": self.win_rate.share,
            "win_rate_low": self.win_rate.low,
            "win_rate_high": self.win_rate.high,
            "profit_factor": self.profit_factor,
            "net_profit": self.net_profit,
        }
        return {key: _known(value) for key, value in figures.items()}


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def forecasts_of(
    bars: Bars,
    rows: Int64s,
    probabilities: Float64s,
    votes: NDArray[np.int8],
    feature_names: tuple[str, ...],
    features: Float64s | None = None,
) -> ForecastColumns:
    """Forecasts of `rows` of bars, for every bar from the first of them on.

    The bars between and after them have no forecast; nothing can be opened there. `features`:
    those of each bar from the first on, where another model asks for them.
    """
    first, count = int(rows[0]), len(bars) - int(rows[0])
    said = np.full((count, probabilities.shape[1]), np.nan)
    voted = np.zeros((count, votes.shape[1]), dtype=np.int8)
    missing = np.zeros(count, dtype=np.int16)
    said[rows - first], voted[rows - first], missing[rows - first] = probabilities, votes, -1
    return columns_of(bars.open_ms[first:], said, voted, missing, feature_names, features)


def trade_forecasts(bars: Bars, forecasts: ForecastColumns, rules: Rules) -> BacktestRun:
    """Trades the forecasts of the last bars, from where the gate's look-back is filled by them."""
    quantile = rules.decision.prediction.quantile
    fixed = rules.decision.prediction.gate == "fixed"
    filled_ms = 0 if fixed else math.ceil(quantile.lookback_ms * quantile.min_filled_share)
    last_ms = int(bars.open_ms[-1])
    from_ms = min(int(forecasts.open_ms[0]) + filled_ms, last_ms - bars.timeframe.ms)
    decided = decided_bars(bars, forecasts, quantile, from_ms=from_ms, to_ms=last_ms)
    return run_backtest(decided, rules)


def judge(runs: Sequence[BacktestRun], *, seed: int) -> Judged:
    """The figures of runs one after the other, each going on with the money of the one before.

    `seed`: of the bootstrap, the same for all that are compared.
    """
    net, curve, initial_balance = _joined(runs)
    drawdown = max_drawdown(curve)
    early = score(net, drawdown, seed=seed, min_trades=PROVISIONAL_TRADES)
    return Judged(
        score=score(net, drawdown, seed=seed),
        provisional=early.value,
        sharpe=sharpe_daily(daily_returns(curve, initial_balance)),
        win_rate=wilson(int((net > 0).sum()), len(net)),
        profit_factor=profit_factor(net),
        net_profit=float(net.sum()),
    )


def _joined(runs: Sequence[BacktestRun]) -> tuple[Float64s, EquityCurve, float]:
    """Net profits, equity and starting balance; later runs scaled to what the earlier ones left."""
    scale, nets, curves = 1.0, [], []
    for run in runs:
        curve = run.curve
        nets.append(scale * net_profits(run.trades))
        curves.append((curve.time_ms, scale * curve.close, scale * curve.worst))
        scale *= float(curve.close[-1]) / run.initial_balance if len(curve.close) else 1.0
    time_ms, close, worst = (np.concatenate(parts) for parts in zip(*curves, strict=True))
    initial_balance = runs[0].initial_balance
    peak = np.maximum.accumulate(np.r_[initial_balance, close[:-1]][: len(close)])
    drawdown = np.maximum(0.0, (peak - worst) / peak)
    joined = EquityCurve(time_ms.astype(np.int64), close, worst, drawdown)
    return np.concatenate(nets), joined, initial_balance
