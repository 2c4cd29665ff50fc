"""How likely the setting that was best here is worse than most elsewhere."""

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from market.bars import Float64s

BLOCKS = 16
_TINY = 1e-24


@dataclass(frozen=True, slots=True)
class Overfitting:
    """What combinatorially symmetric cross-validation found.

    `pbo`: the share of splits in which the best setting of one half is at or below the median of
    the other half. `loss`: the share in which it loses there. `splits`, `settings`: how many.
    """

    pbo: float
    loss: float
    splits: int
    settings: int


def overfitting(returns: Float64s, *, blocks: int = BLOCKS) -> Overfitting:
    """The probability of backtest overfitting (PBO) of a sweep. `returns`: (days, settings).

    The days are cut into `blocks` runs of equal length (± 1). For each choice of half of them the
    setting with the best Sharpe ratio on that half is ranked among all on the other half; with
    rank r of N, ties shared, PBO is the share of choices with ln(ω/(1 − ω)) ≤ 0 for
    ω = r/(N + 1). A setting that never moves has ratio 0. D. Bailey, J. Borwein, M. López de
    Prado, Q. Zhu, The Probability of Backtest Overfitting, Journal of Computational Finance 20
    (2017). NaN with fewer than two settings or fewer than two days a block. Raises `ValueError`
    for a return that is not finite.
    """
    days, settings = returns.shape
    if blocks < 2 or blocks % 2:
        raise ValueError(f"overfitting: an even number of blocks is allowed, {blocks} came")
    if not np.isfinite(returns).all():
        day, setting = np.argwhere(~np.isfinite(returns))[0]
        raise ValueError(
            f"overfitting: finite returns are needed, {returns[day, setting]} came on day {day} of "
            f"setting {setting}"
        )
    if settings < 2 or days < 2 * blocks:
        return Overfitting(math.nan, math.nan, 0, settings)
    sums = _Moments.of(returns, blocks)
    halves = [list(each) for each in combinations(range(blocks), blocks // 2)]
    below, lost = 0, 0
    for half in halves:
        other = [block for block in range(blocks) if block not in half]
        best = int(np.argmax(sums.sharpe(half)))
        there = sums.sharpe(other)
        rank = (there < there[best]).sum() + ((there == there[best]).sum() + 1) / 2
        below += bool(rank <= (settings + 1) / 2)
        lost += bool(there[best] < 0)
    return Overfitting(below / len(halves), lost / len(halves), len(halves), settings)


@dataclass(frozen=True, slots=True)
class _Moments:
    """Sums over each block: days (b,), returns and squared returns (b, settings)."""

    days: Float64s
    first: Float64s
    second: Float64s

    @staticmethod
    def of(returns: Float64s, blocks: int) -> "_Moments":
        parts = np.array_split(returns, blocks)
        days = np.array([float(len(part)) for part in parts])
        first = np.array([part.sum(axis=0) for part in parts])
        return _Moments(days, first, np.array([(part**2).sum(axis=0) for part in parts]))

    def sharpe(self, rows: list[int]) -> Float64s:
        days, first = self.days[rows].sum(), self.first[rows].sum(axis=0)
        variance = (self.second[rows].sum(axis=0) - first**2 / days) / (days - 1)
        moves = variance > _TINY
        return np.where(moves, first / days / np.sqrt(np.where(moves, variance, 1.0)), 0.0)
