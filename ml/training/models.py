"""The three base models: random forest, XGBoost, LightGBM.

The signal is very weak (an honest AUC is about 0.53), so the defaults are shallow, with large
leaves and many small steps. Every run with the same rows, seed and libraries gives the same
trees: seeds are set and the number of threads is fixed.
"""

import os
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from market.bars import Float64s

MODELS = ("rf", "xgb", "lgb")
MAX_LEAVES = 256
THREADS = 2
Profile = Literal["quick", "full"]

_RF = {
    "n_estimators": 300, "max_leaf_nodes": 128, "min_samples_leaf": 100, "max_features": "sqrt",
    "max_samples": 0.3, "criterion": "gini",
}  # fmt: skip
_XGB = {
    "n_estimators": 250, "max_depth": 4, "learning_rate": 0.03, "min_child_weight": 100.0,
    "subsample": 0.7, "colsample_bytree": 0.5, "reg_lambda": 20.0, "max_bin": 64,
}  # fmt: skip
_LGB = {
    "n_estimators": 250, "num_leaves": 15, "learning_rate": 0.03, "min_child_samples": 300,
    "subsample": 0.7, "subsample_freq": 1, "colsample_bytree": 0.5, "reg_lambda": 20.0,
    "max_bin": 63,
}  # fmt: skip
_QUICK: dict[str, dict[str, Any]] = {
    "rf": {"n_estimators": 80, "max_leaf_nodes": 64},
    "xgb": {"n_estimators": 80, "learning_rate": 0.06},
    "lgb": {"n_estimators": 80, "learning_rate": 0.06},
}


class TrainingError(ValueError):
    """Training cannot give a model worth keeping. Says why and what to do."""


@dataclass(frozen=True, slots=True)
class EnsembleParams:
    """Overrides of the defaults, by the names of each library's scikit-learn interface."""

    rf: dict[str, Any] = field(default_factory=dict)
    xgb: dict[str, Any] = field(default_factory=dict)
    lgb: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class BaseModels:
    """Three fitted classifiers; each has `predict_proba` over float32 rows."""

    rf: Any
    xgb: Any
    lgb: Any


def model_params(
    overrides: EnsembleParams, profile: Profile, seed: int
) -> dict[str, dict[str, Any]]:
    """Every parameter the three models are made with; unknown names are refused."""
    defaults: dict[str, dict[str, Any]] = {"rf": _RF, "xgb": _XGB, "lgb": _LGB}
    merged = {
        name: {
            **defaults[name],
            **(_QUICK[name] if profile == "quick" else {}),
            "n_jobs": THREADS,
            "random_state": seed,
            **getattr(overrides, name),
        }
        for name in MODELS
    }
    leaves = merged["rf"]["max_leaf_nodes"]
    if leaves is None or not 2 <= leaves <= MAX_LEAVES:
        raise TrainingError(
            f"rf_params.max_leaf_nodes: 2 … {MAX_LEAVES} is allowed, {leaves} came (a deeper "
            "forest makes a graph of hundreds of MB and gains 0.002 log-loss)"
        )
    for name, estimator in _estimators().items():
        _refuse_unknown(name, getattr(overrides, name), set(estimator().get_params()))
    return merged


def fit_models(
    rows: NDArray[np.float32],
    label: NDArray[np.int8],
    weight: Float64s,
    params: dict[str, dict[str, Any]],
) -> BaseModels:
    """Three models fitted on rows (n, k); labels 0, 1, 2 must all occur."""
    counts = np.bincount(label, minlength=3)
    if (counts == 0).any():
        raise TrainingError(
            f"labels: every class must occur in training; BUY, SELL, HOLD occur "
            f"{counts.tolist()} times in {len(label)} rows: use a longer history or other "
            "labeling settings"
        )
    estimators = _estimators()
    fitted = {}
    for name in MODELS:
        try:
            fitted[name] = estimators[name](**_FIXED[name], **params[name])
            fitted[name].fit(rows, label, sample_weight=weight)
        except (TypeError, ValueError) as error:
            raise TrainingError(f"{name}_params: {_first_line(error)}") from error
    return BaseModels(**fitted)


_FIXED: dict[str, dict[str, Any]] = {
    "rf": {},
    "xgb": {"tree_method": "hist", "objective": "multi:softprob"},
    "lgb": {"deterministic": True, "force_row_wise": True, "verbose": -1},
}


def _estimators() -> dict[str, Any]:
    """Imported here: these libraries cost most of a second each.

    On a busy machine OpenMP threads that spin at barriers make training up to nine times slower,
    so they are told to sleep before the libraries start them.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from lightgbm import LGBMClassifier
    from sklearn.ensemble import RandomForestClassifier
    from xgboost import XGBClassifier

    return {"rf": RandomForestClassifier, "xgb": XGBClassifier, "lgb": LGBMClassifier}


def _refuse_unknown(name: str, overrides: dict[str, Any], known: set[str]) -> None:
    fixed = set(_FIXED[name]) & set(overrides)
    if fixed:
        raise TrainingError(f"{name}_params: {', '.join(sorted(fixed))} cannot be changed")
    unknown = sorted(set(overrides) - known)
    if unknown:
        raise TrainingError(
            f"{name}_params: {', '.join(unknown)} is no parameter; allowed are "
            f"{', '.join(sorted(known))}"
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
