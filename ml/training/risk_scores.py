"""Is there anything to learn for a risk model, and what would its sizes have earned?"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.bars import Float64s
from ml.training.models import TrainingError
from ml.training.regressor import mean_absolute_error
from ml.training.risk_labels import MULTIPLIERS, RiskTrades

MIN_DEVIATION = 0.02
MAX_SHARE_OF_ONE = 0.95
_BASIS_POINTS = 1e4
_UNCHANGED = "No risk model was written; without one every trade takes risk_percent as it is."


def require_trades(sources: list[RiskTrades], least: int) -> None:
    """Refuses fewer than `least` different trades."""
    different = len(np.unique(np.concatenate([each.opened_ms for each in sources])))
    if different < least:
        raise TrainingError(
            f"risk trades: {different} came out of the backtests, at least {least} are needed: use "
            "a longer history or larger risk_training.gate_factors"
        )


def require_spread(label: Float64s, sources: list[RiskTrades], share: float) -> None:
    """Refuses labels that are all but one number: there is nothing to tell states apart by.

    `share`: of equity, what multiplier 1 stands for in the labels.
    """
    values, counts = np.unique(label, return_counts=True)
    commonest, most = float(values[counts.argmax()]), float(counts.max() / len(label))
    if label.std() >= MIN_DEVIATION and most <= MAX_SHARE_OF_ONE:
        return
    r = np.concatenate([each.r for each in sources])
    raise TrainingError(
        f"risk labels: they have no spread: {most:.1%} of {len(label)} are {commonest:.2f} "
        f"(standard deviation {label.std():.3f}, at least {MIN_DEVIATION} is needed). "
        f"{_meaning(commonest, float(r.mean()), len(r), share)} {_UNCHANGED}"
    )


def _meaning(commonest: float, mean_r: float, trades: int, share: float) -> str:
    facts = f"{trades} trades made {mean_r:+.4f} R each on average"
    if commonest == MULTIPLIERS[0]:
        return (
            f"{facts}: they have no edge that pays at {share:.2%} of equity a trade, so the "
            "smallest size grows fastest (or shrinks least) in every state: trade less or not at "
            "all, a risk model cannot mend it."
        )
    if commonest == MULTIPLIERS[-1]:
        return (
            f"{facts}: the largest size grows fastest in every state, so risk_percent alone "
            "decides."
        )
    return f"{facts}: the same size suits every state, so risk_percent alone decides."


@dataclass(frozen=True, slots=True, eq=False)
class RiskTest:
    """Log growth a trade on test trades: sized by the model, by a constant multiplier of the same
    mean, and with multiplier 1. `traded`: those of the first gate, which is the trading one."""

    model: Float64s
    constant: Float64s
    unchanged: Float64s
    traded: NDArray[np.bool_]


def growth_of(multiplier: Float64s | float, r: Float64s, risk_share: float) -> Float64s:
    """ln(1 + m · f · R) of each trade."""
    return np.asarray(np.log(np.maximum(1.0 + multiplier * risk_share * r, 1e-9)))


def pooled(tests: list[RiskTest]) -> RiskTest:
    """The test trades of several folds or gates."""
    names = RiskTest.__slots__
    return RiskTest(*(np.concatenate([getattr(each, name) for each in tests]) for name in names))


def earned(of: RiskTest) -> dict[str, Any]:
    """Mean log growth a trade in basis points, on all gates and on the trading one."""
    every = np.ones(len(of.traded), dtype=np.bool_)
    return {"all": _means(of, every), "gated": _means(of, of.traded)}


def errors(said: Float64s, label: Float64s, constant: float) -> dict[str, Any]:
    """Mean absolute error beside that of a constant, the mean label of the training part."""
    return {
        "mae": mean_absolute_error(said, label),
        "baseline": {"mae": mean_absolute_error(np.full(len(label), constant), label)},
    }


def verdict(scores: dict[str, Any]) -> str:
    """One plain sentence: do the model's sizes grow an account faster than their mean would?"""
    gated = scores["gated"]
    if gated["trades"] < 2:
        return (
            "The risk model has not been tested: the trading gate made too few trades in the folds."
        )
    facts = (
        f"on {gated['trades']} test trades of the trading gate its sizes grew the account by "
        f"{gated['model']:+.2f} basis points a trade, their mean throughout by "
        f"{gated['constant']:+.2f}, multiplier 1 by {gated['unchanged']:+.2f} (model over its mean "
        f"{gated['over_constant']:+.2f} ± {gated['standard_error']:.2f})"
    )
    if gated["over_constant"] > 2 * gated["standard_error"]:
        return f"The risk model beats a constant size out of fold: {facts}."
    return (
        f"The risk model does not beat a constant size: {facts}. Switch it off with "
        "risk_model.enabled, and set risk_percent instead."
    )


def _means(of: RiskTest, which: NDArray[np.bool_]) -> dict[str, Any]:
    count = int(which.sum())
    if count < 2:
        return {"trades": count}
    over = (of.model - of.constant)[which]
    ways = {"model": of.model, "constant": of.constant, "unchanged": of.unchanged}
    return {
        "trades": count,
        **{name: float(way[which].mean()) * _BASIS_POINTS for name, way in ways.items()},
        "over_constant": float(over.mean()) * _BASIS_POINTS,
        "standard_error": float(over.std(ddof=1) / np.sqrt(count)) * _BASIS_POINTS,
    }
