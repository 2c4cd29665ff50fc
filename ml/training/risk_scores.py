"""Is there anything to learn for a risk model, and what would its sizes have earned?"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.bars import Float64s, Int64s
from ml.training.intervals import weekly_limits
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

    Their standard deviation must reach `MIN_DEVIATION`, and no more than `MAX_SHARE_OF_ONE` of them
    may be equal.
    `share`: of equity, what multiplier 1 stands for in the labels.
    """
    values, counts = np.unique(label, return_counts=True)
    commonest, most = float(values[counts.argmax()]), float(counts.max() / len(label))
    if label.std() >= MIN_DEVIATION and most <= MAX_SHARE_OF_ONE:
        return
    r = np.concatenate([each.r for each in sources])
    raise TrainingError(
        f"risk labels: they have no spread: {most:.1%} of {len(label)} are {commonest:.2f} "
        f"(standard deviation {label.std():.3f}; at least {MIN_DEVIATION} is needed, and at most "
        f"{MAX_SHARE_OF_ONE:.0%} of one size). "
        f"{_meaning(commonest, float(r.mean()), len(r), share)} {_UNCHANGED}"
    )


def _meaning(commonest: float, mean_r: float, trades: int, share: float) -> str:
    facts = f"{trades} trades made {mean_r:+.4f} R each on average"
    if commonest == MULTIPLIERS[0]:
        return (
            f"{facts}: whatever the state, the next trades pay best at the smallest size "
            f"(multiplier 1 is {share:.2%} of equity). The evidence is against trading this signal "
            "model at all, and no risk model can mend that: trade less or not at all."
        )
    if commonest == MULTIPLIERS[-1]:
        return (
            f"{facts}: whatever the state, the next trades pay best at the largest size. The "
            "labels saturate and cannot tell states apart: risk_percent alone decides."
        )
    return f"{facts}: the same size suits every state, so risk_percent alone decides."


@dataclass(frozen=True, slots=True, eq=False)
class RiskTest:
    """Log growth a trade on test trades: sized by the model, by a constant multiplier of the same
    mean, and with multiplier 1. `traded`: those of the first gate, which is the trading one.
    `multiplier`: the model's sizes; `opened_ms` of the trades."""

    model: Float64s
    constant: Float64s
    unchanged: Float64s
    multiplier: Float64s
    traded: NDArray[np.bool_]
    opened_ms: Int64s


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


def uncertainty(of: RiskTest) -> dict[str, Any]:
    """90 % limits of the figures of the trading gate, from draws of whole weeks."""
    if of.traded.sum() < 2:
        return {}
    ways = {f"gated.{name}": way[of.traded] * _BASIS_POINTS for name, way in _ways(of).items()}
    return weekly_limits(ways, of.opened_ms[of.traded])


def verdict(scores: dict[str, Any], limits: dict[str, Any], risk_percent: float) -> str:
    """Plain words: do the model's sizes grow an account faster than their mean, and than size 1?

    `scores` and `limits` as `earned` and `uncertainty` give them.
    """
    gated = scores["gated"]
    if gated["trades"] < 2:
        return (
            "The risk model has not been tested: the trading gate made too few trades in the folds."
        )
    facts = (
        f"on {gated['trades']} test trades of the trading gate its sizes changed the account by "
        f"{gated['model']:+.2f} basis points a trade, their mean throughout by "
        f"{gated['constant']:+.2f}, multiplier 1 by {gated['unchanged']:+.2f} (model over its mean "
        f"{_beside(gated, limits, 'over_constant')}, over multiplier 1 "
        f"{_beside(gated, limits, 'over_unchanged')})"
    )
    if limits["gated.over_constant"][0] > 0.0:
        return f"The risk model beats a constant size out of fold: {facts}.{_losing(gated)}"
    instead = _instead(gated["mean_multiplier"], limits["gated.over_unchanged"][1], risk_percent)
    return f"The risk model does not beat a constant size: {facts}. {instead}{_losing(gated)}"


def _instead(mean: float, over_unchanged_at_most: float, risk_percent: float) -> str:
    if over_unchanged_at_most < 0.0:
        return "Multiplier 1 grew the account faster: switch off risk_model.enabled."
    return (
        "The same without it: switch off risk_model.enabled and set risk_percent to "
        f"{mean * risk_percent:.2g}, {mean:.2f} of {risk_percent:g}."
    )


def _beside(gated: dict[str, Any], limits: dict[str, Any], name: str) -> str:
    low, high = limits[f"gated.{name}"]
    return f"{gated[name]:+.2f}, 90 % of the weekly draws within {low:+.2f} … {high:+.2f}"


def _losing(gated: dict[str, Any]) -> str:
    if max(gated["model"], gated["constant"], gated["unchanged"]) >= 0.0:
        return ""
    return " At every one of these sizes the trades lost: a smaller size only loses more slowly."


def _ways(of: RiskTest) -> dict[str, Float64s]:
    return {
        "model": of.model, "constant": of.constant, "unchanged": of.unchanged,
        "over_constant": of.model - of.constant, "over_unchanged": of.model - of.unchanged,
    }  # fmt: skip


def _means(of: RiskTest, which: NDArray[np.bool_]) -> dict[str, Any]:
    count = int(which.sum())
    if count < 2:
        return {"trades": count}
    return {
        "trades": count,
        "mean_multiplier": float(of.multiplier[which].mean()),
        **{name: float(way[which].mean()) * _BASIS_POINTS for name, way in _ways(of).items()},
    }
