"""The base models: random forest, XGBoost, LightGBM, and ExtraTrees where the settings ask for it.

The signal is very weak (an honest AUC is about 0.53), so the defaults are shallow, with large
leaves and many small steps. Every run with the same rows, seed and libraries gives the same
trees: seeds are set and the number of threads is fixed.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from market.bars import Float64s
from ml.training.params import EXTRA_TREES, FIXED, constraint_problems, positional, problems

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
# Splits at random cuts: weaker trees that differ more, so all features are looked at.
_ET = {**_RF, "max_features": 0.5, "max_samples": None, "bootstrap": False}
_DEFAULTS: dict[str, dict[str, Any]] = {"rf": _RF, "xgb": _XGB, "lgb": _LGB, "et": _ET}
_QUICK: dict[str, dict[str, Any]] = {
    "rf": {"n_estimators": 80, "max_leaf_nodes": 64},
    "xgb": {"n_estimators": 80, "learning_rate": 0.06},
    "lgb": {"n_estimators": 80, "learning_rate": 0.06},
    "et": {"n_estimators": 80, "max_leaf_nodes": 64},
}


class TrainingError(ValueError):
    """Training cannot give a model worth keeping. Says why and what to do."""


class DeviceError(TrainingError):
    """A fit that failed on a GPU; on the CPU it may work."""


@dataclass(frozen=True, slots=True)
class EnsembleParams:
    """Overrides of the defaults, by the names of `ml.training.params`; `et` None: no ExtraTrees."""

    rf: dict[str, Any] = field(default_factory=dict)
    xgb: dict[str, Any] = field(default_factory=dict)
    lgb: dict[str, Any] = field(default_factory=dict)
    et: dict[str, Any] | None = None

    @property
    def by_name(self) -> dict[str, dict[str, Any]]:
        """Overrides of each model there is, in the order in which they vote."""
        three = {"rf": self.rf, "xgb": self.xgb, "lgb": self.lgb}
        return three if self.et is None else {**three, EXTRA_TREES: self.et}


@dataclass(frozen=True, slots=True, eq=False)
class BaseModels:
    """Fitted classifiers; each has `predict_proba` over float32 rows. `et` is optional."""

    rf: Any
    xgb: Any
    lgb: Any
    et: Any = None

    @property
    def by_name(self) -> dict[str, Any]:
        """Those there are, in the order in which they vote: rf, xgb, lgb, et."""
        three = {"rf": self.rf, "xgb": self.xgb, "lgb": self.lgb}
        return three if self.et is None else {**three, EXTRA_TREES: self.et}


def model_params(
    overrides: EnsembleParams, profile: Profile, seed: int
) -> dict[str, dict[str, Any]]:
    """Every parameter each model is made with, by model; unknown names are refused.

    Constraints stay by feature name here.
    """
    for name, given in overrides.by_name.items():
        for problem in problems(name, given):
            raise TrainingError(f"{name}_params.{problem}")
    return {
        name: {
            **_DEFAULTS[name],
            **(_QUICK[name] if profile == "quick" else {}),
            "n_jobs": THREADS,
            "random_state": seed,
            **given,
        }
        for name, given in overrides.by_name.items()
    }


def fit_models(
    rows: NDArray[np.float32],
    label: NDArray[np.int8],
    weight: Float64s,
    params: dict[str, dict[str, Any]],
    *,
    feature_names: Sequence[str] = (),
    classes: Sequence[str] = ("BUY", "SELL", "HOLD"),
    earlier: "BaseModels | None" = None,
) -> BaseModels:
    """The models of `params` fitted on rows (n, k); labels 0, 1, 2 must all occur.

    `feature_names`: the columns, for constraints by name. `earlier`: fitted models to go on from;
    boosters get `n_estimators` more steps and forests as many more trees.
    """
    require_classes(label, classes)
    estimators = _estimators()
    fitted = {}
    require_constraints(params, feature_names)
    for name, given in params.items():
        try:
            made = estimators[name](**_fixed(name), **positional(given, feature_names))
            fitted[name] = _fit(name, made, rows, label, weight, earlier)
        except (TypeError, ValueError, lightgbm_error()) as error:
            if given.get("device", given.get("device_type", "cpu")) != "cpu":
                raise DeviceError(f"{name} on the GPU: {_first_line(error)}") from error
            raise TrainingError(f"{name}_params: {_first_line(error)}") from error
    return BaseModels(**fitted)


def lightgbm_error() -> type[Exception]:
    """What LightGBM raises, which is no `ValueError` as XGBoost's is."""
    from lightgbm.basic import LightGBMError

    made: type[Exception] = LightGBMError
    return made


def require_constraints(params: dict[str, dict[str, Any]], feature_names: Sequence[str]) -> None:
    """Refuses constraints on features that the models do not see, with near names."""
    for name, given in params.items():
        for problem in constraint_problems(given, feature_names):
            raise TrainingError(f"{name}_params.{problem}")


def require_classes(label: NDArray[np.int8], classes: Sequence[str]) -> None:
    """Refuses labels that lack a class, with the counts."""
    counts = np.bincount(label, minlength=len(classes))
    if (counts == 0).any():
        raise TrainingError(
            f"labels: every class must occur in training; {', '.join(classes)} occur "
            f"{counts.tolist()} times in {len(label)} rows: use a longer history or other "
            "labeling settings"
        )


def _fit(
    name: str,
    model: Any,
    rows: NDArray[np.float32],
    label: NDArray[np.int8],
    weight: Float64s,
    earlier: BaseModels | None,
) -> Any:
    before = None if earlier is None else getattr(earlier, name)
    if before is None:
        model.fit(rows, label, sample_weight=weight)
    elif name == "xgb":
        model.fit(rows, label, sample_weight=weight, xgb_model=before)
    elif name == "lgb":
        model.fit(rows, label, sample_weight=weight, init_model=before)
    else:
        model = _grown_forest(before, model).fit(rows, label, sample_weight=weight)
    if name == "xgb":
        model.set_params(device="cpu")  # it is asked with rows in main memory from here on
    return model


def _grown_forest(before: Any, model: Any) -> Any:
    """The earlier forest, set to fit as many trees more as `model` has."""
    trees = len(before.estimators_) + model.n_estimators
    return before.set_params(**{**model.get_params(), "n_estimators": trees, "warm_start": True})


def _fixed(name: str) -> dict[str, Any]:
    """What is passed besides the parameters: the fixed ones that are not the library's default."""
    return {key: value for key, value in FIXED[name].items() if value not in (None, False)}


def _estimators() -> dict[str, Any]:
    """Imported here: these libraries cost most of a second each.

    On a busy machine OpenMP threads that spin at barriers make training up to nine times slower,
    so they are told to sleep before the libraries start them.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from lightgbm import LGBMClassifier
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
    from xgboost import XGBClassifier

    return {
        "rf": RandomForestClassifier,
        "xgb": XGBClassifier,
        "lgb": LGBMClassifier,
        "et": ExtraTreesClassifier,
    }


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
