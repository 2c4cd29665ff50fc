"""What tuning may change of the base models, and within which limits.

Shallow trees with large leaves, as the signal is weak; the number of steps and the learning rate
are searched together. What a person has set in `*_params` and is not searched stays as it is.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from ml.training.models import EnsembleParams, Profile, model_params

# Raised whenever the limits change: a study holds trials of one space only.
VERSION = 1


class Suggests(Protocol):
    """What a space needs of an Optuna trial."""

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int: ...

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float: ...


@dataclass(frozen=True, slots=True)
class Span:
    """The limits of one parameter, both allowed; `whole` numbers; on a logarithmic scale."""

    low: float
    high: float
    whole: bool = False
    log: bool = False

    def suggest(self, trial: Suggests, name: str) -> float:
        if self.whole:
            return trial.suggest_int(name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def clip(self, value: float) -> float:
        """The nearest allowed value."""
        inside = min(max(value, self.low), self.high)
        return round(inside) if self.whole else float(inside)


_BOOSTED = {
    "n_estimators": Span(50, 400, whole=True, log=True),
    "learning_rate": Span(0.01, 0.1, log=True),
    "subsample": Span(0.5, 0.9),
    "colsample_bytree": Span(0.3, 1.0),
    "reg_lambda": Span(1.0, 100.0, log=True),
}
_FOREST = {
    "max_leaf_nodes": Span(16, 256, whole=True, log=True),
    "min_samples_leaf": Span(30, 400, whole=True, log=True),
}
_SPACE: dict[str, dict[str, Span]] = {
    "rf": {**_FOREST, "max_samples": Span(0.1, 0.6)},
    "xgb": {
        **_BOOSTED,
        "max_depth": Span(2, 6, whole=True),
        "min_child_weight": Span(10.0, 400.0, log=True),
    },
    "lgb": {
        **_BOOSTED,
        "num_leaves": Span(4, 63, whole=True, log=True),
        "min_child_samples": Span(50, 1000, whole=True, log=True),
    },
    "et": {**_FOREST, "max_features": Span(0.2, 0.9)},
}
_DART = {"rate_drop": Span(0.05, 0.3), "skip_drop": Span(0.3, 0.7)}
_DART_DEFAULTS = {"rate_drop": 0.1, "skip_drop": 0.5}


def space_of(params: EnsembleParams) -> dict[str, dict[str, Span]]:
    """The searched parameters of each model that votes; DART's own where it is the booster."""
    found = {name: dict(_SPACE[name]) for name in params.by_name}
    if params.xgb.get("booster") == "dart":
        found["xgb"] |= _DART
    return found


def present(params: EnsembleParams, profile: Profile, seed: int) -> dict[str, float]:
    """Today's value of each searched parameter as `model.name`, moved inside its limits."""
    today = model_params(params, profile, seed)
    return {
        f"{model}.{name}": span.clip(today[model].get(name, _DART_DEFAULTS.get(name, span.high)))
        for model, spans in space_of(params).items()
        for name, span in spans.items()
    }


def suggested(trial: Suggests, params: EnsembleParams) -> EnsembleParams:
    """Today's parameters with the searched ones replaced by the trial's."""
    return with_values(
        params,
        {
            f"{model}.{name}": span.suggest(trial, f"{model}.{name}")
            for model, spans in space_of(params).items()
            for name, span in spans.items()
        },
    )


def with_values(params: EnsembleParams, values: dict[str, Any]) -> EnsembleParams:
    """Today's parameters with those of a trial, named as `model.name`."""
    merged = {name: dict(given) for name, given in params.by_name.items()}
    for key, value in values.items():
        model, _, name = key.partition(".")
        merged[model][name] = value
    return EnsembleParams(**merged)
