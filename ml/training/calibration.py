"""Isotonic calibration on about 100 equal-count bins, strictly increasing between its knots.

Raw isotonic regression on weak probabilities has slopes up to 1e5, which turn float32 noise into
2e-3, and plateaus, which make exact ties. Binning first tames the slopes; joining the centres of
the isotonic blocks by straight lines removes the plateaus (centred isotonic regression: A. Oron,
N. Flournoy, Statistics in Biopharmaceutical Research 9(3), 2017). Outside the first and last
centre the value is constant.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market.bars import Float64s

Float32s = NDArray[np.float32]
BINS = 100
FLOOR = 1e-3
MAX_SLOPE = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Knots of a calibration: float32 `x` strictly increasing, float32 `y` not decreasing."""

    x: Float32s
    y: Float32s

    def apply(self, probability: NDArray[np.floating]) -> Float64s:
        """Calibrated values in float64; the reference for the graph."""
        p, x, y = (np.asarray(each, dtype=np.float64) for each in (probability, self.x, self.y))
        return np.asarray(np.interp(p, x, y))


def fit_table(probability: Float32s, hit: NDArray[np.bool_], bins: int = BINS) -> Table:
    """The calibration of one model's probability for one class.

    `probability` is what ONNX Runtime says (float32), `hit` whether the class came true. Values
    stay in [0.001, 0.999], so that three classes never sum to nothing.
    """
    x, y, count = _binned(probability, hit, bins)
    x, y, count = _blocks(x, y, count)
    x, y = _without_cliffs(x, y, count)
    return Table(x.astype(np.float32), np.clip(y, FLOOR, 1 - FLOOR).astype(np.float32))


def fit_tables(
    probabilities: NDArray[np.float32], label: NDArray[np.int8], bins: int = BINS
) -> list[list[Table]]:
    """Tables [model][class] for base probabilities (n, models, 3 classes)."""
    return [
        [fit_table(probabilities[:, model, each], label == each, bins) for each in range(3)]
        for model in range(probabilities.shape[1])
    ]


def calibrated(tables: list[list[Table]], probabilities: NDArray[np.floating]) -> Float64s:
    """Reference in float64: tables applied, each model's row divided by its sum; (n, models, 3)."""
    values = np.empty(probabilities.shape)
    for model, by_class in enumerate(tables):
        for each, table in enumerate(by_class):
            values[:, model, each] = table.apply(probabilities[:, model, each])
    return np.asarray(values / values.sum(axis=2, keepdims=True))


def _binned(
    probability: Float32s, hit: NDArray[np.bool_], bins: int
) -> tuple[Float64s, Float64s, Float64s]:
    """Mean probability, hit rate and rows of equal-count bins; equal values share a bin."""
    order = np.argsort(probability, kind="stable")
    sorted_p = probability[order].astype(np.float64)
    rank = np.searchsorted(sorted_p, sorted_p, side="left")
    bin_of = rank * bins // len(sorted_p)
    count = np.bincount(bin_of, minlength=bins).astype(np.float64)
    used = count > 0
    mean_p = np.bincount(bin_of, weights=sorted_p, minlength=bins)[used] / count[used]
    rate = np.bincount(bin_of, weights=hit[order], minlength=bins)[used] / count[used]
    return mean_p, rate, count[used]


def _blocks(x: Float64s, y: Float64s, count: Float64s) -> tuple[Float64s, Float64s, Float64s]:
    """Isotonic regression, each block shrunk to its centre."""
    from sklearn.isotonic import isotonic_regression

    fitted = isotonic_regression(y, sample_weight=count)
    block = np.r_[0, np.cumsum(np.diff(fitted) > 0)]
    rows = np.bincount(block, weights=count).astype(np.float64)
    return (
        np.bincount(block, weights=count * x) / rows,
        np.bincount(block, weights=count * y) / rows,
        rows,
    )


def _without_cliffs(x: Float64s, y: Float64s, count: Float64s) -> tuple[Float64s, Float64s]:
    """Merges neighbours whose join is steeper than `MAX_SLOPE` (or equal as float32)."""
    while len(x) > 1:
        slope = np.diff(y) / np.maximum(np.diff(x), np.finfo(np.float64).tiny)
        slope[np.diff(x.astype(np.float32)) <= 0] = np.inf
        steepest = int(np.argmax(slope))
        if slope[steepest] <= MAX_SLOPE:
            break
        pair = slice(steepest, steepest + 2)
        rows = count[pair].sum()
        x[steepest] = (count[pair] * x[pair]).sum() / rows
        y[steepest] = (count[pair] * y[pair]).sum() / rows
        count[steepest] = rows
        x, y, count = (np.delete(each, steepest + 1) for each in (x, y, count))
    return x, y
