"""Expanding folds over trades in time: purged of what was still open, and embargoed."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ml.training.risk_labels import RiskTrades

_FIRST_TEST_SHARE = 0.5
_NEVER_MS = 2**62


@dataclass(frozen=True, slots=True, eq=False)
class RiskFold:
    """Trades of each gate. Every trade of `train` had ended `embargo_ms` before `test_from_ms`.

    Labels are made of a part's own trades alone, so those of `train` look at no later one either.
    """

    train: list[RiskTrades]
    test: list[RiskTrades]
    test_from_ms: int


def risk_folds(sources: list[RiskTrades], n_splits: int, embargo_ms: int) -> Iterator[RiskFold]:
    """The later half of all entries, cut into `n_splits` test parts of about as many entries.

    A test trade opens and ends inside its part; the last part has no end.
    """
    opened_ms = np.unique(np.concatenate([each.opened_ms for each in sources]))
    first = round(len(opened_ms) * _FIRST_TEST_SHARE)
    edges = np.linspace(first, len(opened_ms), n_splits + 1).astype(np.int64)
    limits = [*opened_ms[edges[:-1]].tolist(), _NEVER_MS]
    for from_ms, to_ms in pairwise(limits):
        yield RiskFold(
            [each.between(0, from_ms - embargo_ms) for each in sources],
            [each.between(from_ms, to_ms) for each in sources],
            from_ms,
        )
