"""The stationary block bootstrap: how far a figure moves when the trades are drawn again."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from market.bars import Float64s

REPLICATES = 2000
_KEPT_VALUES = 1_000_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its bootstrap limits. `undefined`: share of resamples that have no such figure
    and are left out of the limits."""

    value: float
    low: float
    high: float
    undefined: float = 0.0


def mean_block(count: int) -> float:
    """Mean block length of the bootstrap: ∛count, at least 1.

    It grows at the rate of the optimal length: D. Politis, H. White, Econometric Reviews 23 (2004).
    """
    return max(1.0, count ** (1 / 3))


def stationary_blocks(
    count: int, block: float, replicates: int, seed: int, *, length: int | None = None
) -> Iterator[NDArray[np.int64]]:
    """`replicates` index arrays (length,) of a stationary bootstrap of `count` observations.

    Blocks start anywhere, have a geometric length of mean `block`, and wrap at the end; `length`
    is `count` unless it is given. D. Politis, J. Romano, The Stationary Bootstrap, JASA 89 (1994).
    """
    size = count if length is None else length
    if replicates * size <= _KEPT_VALUES:
        return iter(_kept_blocks(count, block, replicates, seed, size))
    return _drawn_blocks(count, block, replicates, seed, size)


@lru_cache(maxsize=8)
def _kept_blocks(
    count: int, block: float, replicates: int, seed: int, size: int
) -> tuple[NDArray[np.int64], ...]:
    """Runs that are compared often have the same number of trades."""
    drawn = tuple(_drawn_blocks(count, block, replicates, seed, size))
    for rows in drawn:
        rows.setflags(write=False)
    return drawn


def _drawn_blocks(
    count: int, block: float, replicates: int, seed: int, size: int
) -> Iterator[NDArray[np.int64]]:
    draw, place = np.random.default_rng(seed), np.arange(size)
    for _ in range(replicates):
        begins = draw.random(size) < 1 / block
        since = np.maximum.accumulate(np.where(begins, place, 0))
        start = draw.integers(count, size=size)[since]
        yield (start + place - since) % count


def bootstrap(
    values: Float64s,
    figure: Callable[[Float64s], float],
    *,
    level: float = 0.95,
    seed: int = 0,
    replicates: int = REPLICATES,
    block: float | None = None,
) -> Estimate:
    """Any figure of trades or daily returns (n, …) with percentile limits.

    Order statistics, no interpolation; B. Efron, R. Tibshirani, An Introduction to the Bootstrap
    (1993), 13.3, over `stationary_blocks`. `block`: mean length, by default `mean_block`. NaN
    without values, and limits are NaN where no resample has the figure.
    """
    if len(values) == 0:
        return Estimate(math.nan, math.nan, math.nan, 1.0)
    length = mean_block(len(values)) if block is None else block
    rows = stationary_blocks(len(values), length, replicates, seed)
    drawn = np.array([figure(values[each]) for each in rows])
    known = drawn[~np.isnan(drawn)]
    undefined = 1 - len(known) / replicates
    if len(known) == 0:
        return Estimate(figure(values), math.nan, math.nan, undefined)
    low = float(np.quantile(known, (1 - level) / 2, method="lower"))
    high = float(np.quantile(known, (1 + level) / 2, method="higher"))
    return Estimate(figure(values), low, high, undefined)
