"""LightGBM regressors: parameters, fitting, and the errors beside a constant."""

import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.bars import Float64s, Int64s
from ml.training.models import THREADS, Profile, TrainingError
from ml.training.params import problems
from ml.training.weights import recency, uniqueness

_FIXED: dict[str, Any] = {
    "objective": "regression", "boost_from_average": False, "deterministic": True,
    "force_row_wise": True, "verbose": -1, "n_jobs": THREADS,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RegressorDefaults:
    """Where a model's parameters come from: its own defaults, and what `quick` changes."""

    section: str
    full: dict[str, Any] = field(default_factory=dict)
    quick: dict[str, Any] = field(default_factory=dict)


def regressor_params(
    defaults: RegressorDefaults, given: dict[str, Any], profile: Profile, seed: int
) -> dict[str, Any]:
    """Every parameter a regressor is made with; names as LightGBM's scikit-learn interface.

    Raises `TrainingError` for a name that it does not have or that cannot be changed.
    """
    for problem in problems("lgb", given):
        raise TrainingError(f"{defaults.section}.{problem}")
    quick = defaults.quick if profile == "quick" else {}
    return {**defaults.full, **quick, "random_state": seed, **given, **_FIXED}


@dataclass(frozen=True, slots=True, eq=False)
class Regressor:
    """`center`, the mean of the target, and a booster of the differences from it.

    ONNX adds leaves in float32; small sums keep their digits.
    """

    center: float
    booster: Any

    def predict(self, rows: NDArray[np.float32]) -> Float64s:
        """The library's own answer (n,), float64."""
        return np.asarray(self.center + self.booster.predict(rows, num_threads=THREADS))


def fit_regressor(
    rows: NDArray[np.float32], target: Float64s, weight: Float64s, params: dict[str, Any]
) -> Regressor:
    """A regressor over rows (n, k). Equal rows and parameters give equal trees."""
    # before the library starts its threads; see ml.training.models
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from lightgbm import LGBMRegressor

    center = float(np.average(target, weights=weight))
    try:
        fitted = LGBMRegressor(**params).fit(rows, target - center, sample_weight=weight)
    except (TypeError, ValueError) as error:
        raise TrainingError(f"regressor: {error}") from error
    return Regressor(center, fitted.booster_)


def regression_weights(
    first_bar: Int64s, last_bar: Int64s, open_ms: Int64s, half_life_days: float
) -> Float64s:
    """Uniqueness × recency with mean 1: overlapping labels count less, recent rows more."""
    weight = uniqueness(first_bar, last_bar) * recency(open_ms, half_life_days)
    return np.asarray(weight / weight.mean())


def mean_absolute_error(said: Float64s, target: Float64s) -> float:
    return float(np.abs(said - target).mean())
