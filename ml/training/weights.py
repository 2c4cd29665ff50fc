"""Sample weights: overlapping labels count less, recent rows more, classes equally.

Uniqueness: M. López de Prado, Advances in Financial Machine Learning (2018), chapter 4.
"""

import numpy as np
from numpy.typing import NDArray

from market.bars import Float64s, Int64s

_DAY_MS = 86_400_000


def uniqueness(first_bar: Int64s, last_bar: Int64s) -> Float64s:
    """Average uniqueness of labels that span bars first … last, both included.

    A bar that c labels span is worth 1/c to each; a label's uniqueness is the mean over its bars.
    """
    if len(first_bar) == 0:
        return np.empty(0)
    origin = int(first_bar.min())
    first, after = first_bar - origin, last_bar - origin + 1
    change = np.zeros(int(after.max()) + 1, dtype=np.int64)
    np.add.at(change, first, 1)
    np.add.at(change, after, -1)
    concurrent = np.cumsum(change)[:-1]
    share = np.divide(1.0, concurrent, out=np.zeros(len(concurrent)), where=concurrent > 0)
    total = np.r_[0.0, np.cumsum(share)]
    return (total[after] - total[first]) / (after - first)


def recency(open_ms: Int64s, half_life_days: float) -> Float64s:
    """0.5 to the power of a row's age in half-lives; the newest row has 1."""
    age_days = (open_ms.max() - open_ms) / _DAY_MS
    return np.asarray(np.power(0.5, age_days / half_life_days))


def class_balance(label: NDArray[np.int8], weight: Float64s, n_classes: int = 3) -> Float64s:
    """Factors that give each class present the same total of `weight`."""
    total = np.bincount(label, weights=weight, minlength=n_classes)
    factor = np.divide(weight.sum(), total, out=np.zeros(n_classes), where=total > 0)
    return factor[label]


def sample_weights(
    label: NDArray[np.int8],
    first_bar: Int64s,
    last_bar: Int64s,
    open_ms: Int64s,
    half_life_days: float,
) -> Float64s:
    """Uniqueness × recency × class balance, with mean 1."""
    weight = uniqueness(first_bar, last_bar) * recency(open_ms, half_life_days)
    weight = weight * class_balance(label, weight)
    return np.asarray(weight / weight.mean())
