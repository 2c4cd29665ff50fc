"""Histories that a backtest's own trades could have made, and the limits that most of them keep."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtest.statistics import mean_block, stationary_blocks
from market.bars import Float64s, Int64s

WEEK_MS = 7 * 86_400_000
LEAST_WEEKS = 8
FIRST_WEEK = 4


@dataclass(frozen=True, slots=True)
class Limits:
    """What may have come out after `week` whole weeks. `drawdown_high`: share of peak balance."""

    week: int
    trades_low: int
    trades_high: int
    win_rate_low: float
    drawdown_high: float


@dataclass(frozen=True, slots=True, eq=False)
class Histories:
    """Drawn histories after weeks `FIRST_WEEK`, … , (replicates, rows): trades so far, win rate
    (NaN without a trade), largest drawdown of the balance."""

    trades: Int64s
    win_rate: Float64s
    drawdown: Float64s

    def smallest_rank(self) -> Float64s:
        """How far out each history is where it is farthest out: the smallest share of histories
        that are at least as far out as it, over weeks and figures, (replicates,)."""
        trades = 2 * np.minimum(_at_most(self.trades), _at_most(-self.trades))
        losing = np.where(np.isnan(self.win_rate), 1.0, _at_most(self.win_rate))
        falling = _at_most(-self.drawdown)
        return np.asarray(np.minimum(np.minimum(trades, losing), falling).min(axis=1))

    def limits(self, rank: float) -> tuple[Limits, ...]:
        """One row a week, each figure at this rank."""
        few = _quantile(self.trades, rank / 2, "lower")
        many = _quantile(self.trades, 1 - rank / 2, "higher")
        rate = np.where(np.isnan(self.win_rate), 1.0, self.win_rate)
        least, deepest = (
            _quantile(rate, rank, "lower"),
            _quantile(self.drawdown, 1 - rank, "higher"),
        )
        return tuple(
            Limits(FIRST_WEEK + row, int(few[row]), int(many[row]), float(least[row]), float(deep))
            for row, deep in enumerate(deepest)
        )


def histories(
    per_week: Int64s, returns: Float64s, *, weeks: int, replicates: int, seed: int
) -> Histories:
    """Histories of `weeks` weeks from a backtest's trades per week and returns of its trades.

    Numbers of trades are drawn by whole weeks, returns in blocks of trades (stationary
    bootstrap), and both from a backtest that was drawn in the same way first, because it could
    have come out otherwise, too. Longer blocks of weeks would make the limits of a short backtest
    too narrow.
    """
    counts = np.array(list(_redrawn(len(per_week), 1.0, weeks, replicates, seed)))
    trades = per_week[counts].cumsum(axis=1)
    most = int(trades.max(initial=0))
    drawn = np.zeros((replicates, most))
    if most:
        block = mean_block(len(returns))
        rows = list(_redrawn(len(returns), block, most, replicates, seed + 1))
        drawn = returns[np.array(rows)]
    trades = trades[:, FIRST_WEEK - 1 :]
    wins = np.take_along_axis(_begun((drawn > 0).cumsum(axis=1)), trades, axis=1)
    rate = np.where(trades > 0, wins / np.maximum(trades, 1), np.nan)
    fallen = np.take_along_axis(_begun(running_drawdown(drawn)), trades, axis=1)
    return Histories(trades, rate, fallen)


def running_drawdown(returns: Float64s) -> Float64s:
    """Largest drawdown after each trade of compounded returns (paths, n)."""
    balance = np.cumprod(1 + returns, axis=1)
    peak = np.maximum(1.0, np.maximum.accumulate(balance, axis=1))
    return np.asarray(np.maximum.accumulate(1 - balance / peak, axis=1))


def _redrawn(
    count: int, block: float, length: int, replicates: int, seed: int
) -> Iterator[NDArray[np.int64]]:
    """Rows (length,) of a resample of a resample of `count` observations."""
    once = stationary_blocks(count, block, replicates, 2 * seed)
    again = stationary_blocks(count, block, replicates, 2 * seed + 1, length=length)
    for rows, of in zip(once, again, strict=True):
        yield rows[of]


def _begun(values: NDArray[Any]) -> NDArray[Any]:
    """With a first column of 0: before the first trade."""
    return np.concatenate([np.zeros((len(values), 1), dtype=values.dtype), values], axis=1)


def _at_most(values: NDArray[Any]) -> Float64s:
    """Share of histories whose value is at most this one's, by week; NaN sorts last."""
    shares = np.empty(values.shape)
    for week in range(values.shape[1]):
        column = values[:, week]
        shares[:, week] = np.searchsorted(np.sort(column), column, side="right") / len(column)
    return shares


def _quantile(values: NDArray[Any], share: float, method: Any) -> NDArray[Any]:
    return np.asarray(np.quantile(values, share, axis=0, method=method))
