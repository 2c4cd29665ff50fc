"""How sure the mean of a few folds is: a bootstrap over them.

Three to five folds say little, and the limits show it; who has forecasts row by row should draw
weeks instead (`ml.training.intervals`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

DRAWS = 1000
SHARE = 0.90
_SEED = 1993
_NO_SCORES = ("rows", "trades", "standard_error")


def fold_intervals(folds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """90 % limits of the row-weighted mean of every score that all folds have, by dotted name."""
    rows = np.array([fold.get("rows", 1) for fold in folds], dtype=np.float64)
    drawn = np.random.default_rng(_SEED).multinomial(
        len(folds), np.full(len(folds), 1 / len(folds)), size=DRAWS
    )
    weight = drawn * rows
    flat = [dict(_numbers(fold)) for fold in folds]
    limits: dict[str, Any] = {"share": SHARE, "draws": DRAWS, "folds": len(folds)}
    for name in flat[0] if flat else ():
        values = [each.get(name) for each in flat]
        if name.endswith(_NO_SCORES) or None in values:
            continue
        means = weight @ np.array(values, dtype=np.float64) / weight.sum(axis=1)
        edge = (1 - SHARE) / 2
        limits[name] = [round(float(np.quantile(means, q)), 6) for q in (edge, 1 - edge)]
    return limits


def _numbers(scores: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for key, value in scores.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield name, float(value)
