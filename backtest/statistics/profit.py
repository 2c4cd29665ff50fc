"""Profit factor, its 5th percentile, and the score that retrain, tune and sweep compare by."""

import math
from dataclasses import dataclass

import numpy as np

from backtest.statistics.bootstrap import REPLICATES, mean_block, stationary_blocks
from market.bars import Float64s

MIN_TRADES = 100


def profit_factor(net: Float64s) -> float:
    """Sum of gains over sum of losses. Infinite without a loss, NaN without gain and loss.

    Raises `ValueError` for a trade whose net profit is not finite.
    """
    require_finite(net)
    return _factor(net)


def require_finite(net: Float64s) -> None:
    """A trade whose profit is not known would be left out of every sum without a word."""
    if not np.isfinite(net).all():
        row = int(np.argmin(np.isfinite(net)))
        raise ValueError(f"trade {row}: a finite net profit is needed, {net[row]} came")


def _factor(net: Float64s) -> float:
    gained, lost = float(net[net > 0].sum()), float(-net[net < 0].sum())
    if lost > 0:
        return gained / lost
    return math.inf if gained > 0 else math.nan


def profit_factor_p5(
    net: Float64s, *, seed: int = 0, replicates: int = REPLICATES, block: float | None = None
) -> float:
    """PF₅: the 5th percentile of the profit factor over a stationary bootstrap of the trades.

    An order statistic (no interpolation). `block`: mean block length in trades, by default
    `mean_block`. NaN without trades; a resample without gain or loss counts as 0. Raises as
    `profit_factor` does.
    """
    require_finite(net)
    if len(net) == 0:
        return math.nan
    length = mean_block(len(net)) if block is None else block
    drawn = [_factor(net[rows]) for rows in stationary_blocks(len(net), length, replicates, seed)]
    return float(np.quantile(np.nan_to_num(drawn, nan=0.0, posinf=np.inf), 0.05, method="lower"))


@dataclass(frozen=True, slots=True)
class Score:
    """What retrain, tune and sweep compare by. `value` is None where `why_not` says why."""

    value: float | None
    profit_factor_p5: float
    max_drawdown: float
    trades: int
    why_not: str = ""


def score(
    net: Float64s, max_drawdown: float, *, seed: int = 0, min_trades: int = MIN_TRADES
) -> Score:
    """score = 100 · ln(PF₅) − 100 · max_drawdown.

    `max_drawdown`: the largest share of peak equity that marked-to-market equity fell below it.
    Fewer than `min_trades` trades are not comparable; neither is a PF₅ of 0 or without a limit.
    Raises `ValueError` for a trade or a drawdown that is not finite.
    """
    if not math.isfinite(max_drawdown):
        raise ValueError(f"max_drawdown: a finite share is needed, {max_drawdown} came")
    p5 = profit_factor_p5(net, seed=seed)
    if len(net) < min_trades:
        why = f"{len(net)} trades; fewer than {min_trades} are not comparable"
        return Score(None, p5, max_drawdown, len(net), why)
    if not 0 < p5 < math.inf:
        why = f"the 5th percentile of the profit factor is {p5:g}"
        return Score(None, p5, max_drawdown, len(net), why)
    value = 100 * math.log(p5) - 100 * max_drawdown
    return Score(value, p5, max_drawdown, len(net))
