"""How good forecasts are: per class, against what guessing by frequency gives."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.bars import Float64s
from ml.training.labels import BUY, CLASSES, SELL
from ml.training.parity import top_class

_TINY = 1e-12


def forecast_scores(
    probabilities: Float64s, label: NDArray[np.int8], prior: Float64s
) -> dict[str, Any]:
    """Scores of forecasts (n, 3) beside the baseline that always says `prior`.

    `prior`: class shares of the training part. `direction_auc`: AUC of p(BUY) − p(SELL) for BUY
    against SELL rows. A value is None where a class that it needs does not occur.
    """
    called = top_class(probabilities)
    chosen = probabilities[np.arange(len(label)), label]
    directed = (label == BUY) | (label == SELL)
    return {
        "rows": len(label),
        "accuracy": float((called == label).mean()),
        "log_loss": float(-np.log(np.maximum(chosen, _TINY)).mean()),
        "direction_auc": auc(
            (probabilities[:, BUY] - probabilities[:, SELL])[directed], label[directed] == BUY
        ),
        "classes": {
            name: class_scores(probabilities[:, each], called == each, label == each)
            for each, name in enumerate(CLASSES)
        },
        "baseline": {
            "accuracy": float((label == int(prior.argmax())).mean()),
            "log_loss": float(-np.log(np.maximum(prior, _TINY))[label].mean()),
        },
    }


def auc(score: Float64s, hit: NDArray[np.bool_]) -> float | None:
    """Area under the ROC curve by ranks, ties counted half; None if a class is empty."""
    from scipy.stats import rankdata

    positive, negative = int(hit.sum()), int((~hit).sum())
    if not positive or not negative:
        return None
    ranks = rankdata(score)[hit].sum()
    return float((ranks - positive * (positive + 1) / 2) / (positive * negative))


def calibration_error(probability: Float64s, hit: NDArray[np.bool_], bins: int = 20) -> float:
    """Mean absolute gap between probability and frequency over equal-count bins."""
    parts = np.array_split(np.argsort(probability, kind="stable"), bins)
    gaps = [len(p) * abs(probability[p].mean() - hit[p].mean()) for p in parts if len(p)]
    return float(sum(gaps) / max(len(probability), 1))


def margin_quantiles(probabilities: Float64s) -> dict[str, float]:
    """Quantiles of |p(BUY) − p(SELL)|."""
    margin = np.abs(probabilities[:, BUY] - probabilities[:, SELL])
    return {f"q{q:g}": float(np.quantile(margin, q / 100)) for q in (50, 90, 95, 99)}


def class_scores(
    probability: Float64s, called: NDArray[np.bool_], hit: NDArray[np.bool_]
) -> dict[str, Any]:
    """One class: how often it came and was called, and how good its probability was."""
    both = int((called & hit).sum())
    p = np.clip(probability, _TINY, 1 - _TINY)
    return {
        "rows": int(hit.sum()),
        "called": int(called.sum()),
        "accuracy": float((called == hit).mean()),
        "precision": both / int(called.sum()) if called.any() else None,
        "recall": both / int(hit.sum()) if hit.any() else None,
        "log_loss": float(-np.where(hit, np.log(p), np.log1p(-p)).mean()),
        "auc": auc(probability, hit),
        "calibration_error": calibration_error(probability, hit),
    }
