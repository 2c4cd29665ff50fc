"""Does 40 % happen 40 times in 100? Reliability curves and their mean absolute error.

Rows are sorted by probability and cut into `BINS` bins of equal count; equal probabilities share a
bin, the one of their first row. A bin's point is (mean probability, frequency of the class). The
error is the mean over rows of |mean probability − frequency| of the row's bin: mean absolute
calibration error by equal-count bins (J. Nixon et al., Measuring Calibration in Deep Learning,
2019, adaptive calibration error, of one class).

The intervals are Wilson's and take rows as independent. Labels overlap, so true intervals are
wider.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtest.statistics import wilson
from market.bars import Float64s

BINS = 20
ENSEMBLE = "ensemble"


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows of like probability: its mean, how often the class came, and Wilson's 95 % limits."""

    probability: float
    frequency: float
    low: float
    high: float
    rows: int


@dataclass(frozen=True, slots=True)
class Reliability:
    """The curve of one model's probability of one class.

    `error`: mean absolute calibration error. `noise`: the error that perfect probabilities would
    show on so many independent rows, in the mean.
    """

    model: str
    cls: str
    error: float
    noise: float
    bins: tuple[Bin, ...]

    def as_dict(self) -> dict[str, Any]:
        """The curve for JSON; `Reliability.of` reads it back."""
        return asdict(self)

    @staticmethod
    def of(stored: Mapping[str, Any]) -> "Reliability":
        return Reliability(**{**stored, "bins": tuple(Bin(**each) for each in stored["bins"])})


def reliability(
    probability: Float64s, hit: NDArray[np.bool_], *, model: str, cls: str, bins: int = BINS
) -> Reliability:
    """The curve of probabilities (n,) of a class against whether it came, (n,)."""
    if len(probability) == 0:
        raise ValueError(f"reliability of {model}, {cls}: one row at least is needed, none came")
    order = np.argsort(probability, kind="stable")
    ranked, came = probability[order], hit[order]
    bin_of = np.searchsorted(ranked, ranked, side="left") * bins // len(ranked)
    edges = [*np.flatnonzero(np.r_[True, np.diff(bin_of) > 0]).tolist(), len(ranked)]
    made = tuple(_bin(ranked[first:last], came[first:last]) for first, last in pairwise(edges))
    error = sum(each.rows * abs(each.probability - each.frequency) for each in made)
    noise = sum(_noise(each) for each in made)
    return Reliability(model, cls, error / len(ranked), noise / len(ranked), made)


def reliabilities(
    probabilities: Float64s,
    model_probabilities: Float64s,
    label: NDArray[np.int8],
    models: Sequence[str],
    classes: Sequence[str],
) -> list[Reliability]:
    """Every curve of forecasts of rows that no model had seen: each model's, then the ensemble's.

    `probabilities` (n, classes) of the ensemble, `model_probabilities` (n, models, classes),
    `label` (n,) the class that came.
    """
    columns = {name: model_probabilities[:, i] for i, name in enumerate(models)}
    columns[ENSEMBLE] = probabilities
    return [
        reliability(rows[:, each], label == each, model=model, cls=cls)
        for model, rows in columns.items()
        for each, cls in enumerate(classes)
    ]


def verdict(curves: Mapping[str, Sequence[Reliability]], limit: float) -> dict[str, Any]:
    """Which errors are at most `limit`, as figures and in words; `curves` by kind of model."""
    errors: dict[str, dict[str, dict[str, float]]] = {}
    for kind, made in curves.items():
        for each in made:
            errors.setdefault(kind, {}).setdefault(each.model, {})[each.cls] = each.error
    return {
        "passed": all(each.error <= limit for made in curves.values() for each in made),
        "limit": limit,
        "definition": f"mean |mean probability − frequency| over {BINS} bins of equal count",
        "rows": {kind: sum(each.rows for each in made[0].bins) for kind, made in curves.items()},
        "errors": errors,
        "lines": [_line(kind, made, limit) for kind, made in curves.items()],
    }


def _line(kind: str, made: Sequence[Reliability], limit: float) -> str:
    worst = max(made, key=lambda each: each.error)
    answer = "passed" if worst.error <= limit else "not passed"
    return (
        f"{kind}: {answer}; the largest error is {worst.error:.4f} ({worst.model}, {worst.cls}), "
        f"{limit:g} is allowed; perfect probabilities would show about {worst.noise:.4f} there"
    )


def _bin(probability: Float64s, hit: NDArray[np.bool_]) -> Bin:
    came = wilson(int(hit.sum()), len(hit))
    return Bin(float(probability.mean()), came.share, came.low, came.high, len(hit))


def _noise(each: Bin) -> float:
    """rows · E|frequency − p| under the normal law: √(2 p (1 − p) / (π rows)) a row."""
    variance = each.probability * (1 - each.probability) / each.rows
    return each.rows * math.sqrt(2 * variance / math.pi)
