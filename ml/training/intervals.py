"""How sure the out-of-sample scores of the signal model are: a bootstrap over weeks.

Rows of a week share their labels' horizons and the market's mood, so whole weeks are drawn, not
rows (block bootstrap: H. Künsch, Annals of Statistics 17(3), 1989). Draws are seeded; equal
forecasts give equal limits.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.bars import Float64s, Int64s
from ml.training.labels import BUY, SELL
from ml.training.oof import OofForecasts
from ml.training.parity import top_class

WEEK_MS = 7 * 86_400_000
DRAWS = 400
SHARE = 0.90
_SEED = 1989
_TINY = 1e-12


def score_intervals(forecasts: OofForecasts) -> dict[str, Any]:
    """Limits of accuracy, log-loss and direction AUC that hold 90 % of the draws.

    A score whose classes do not both occur has no limits and is left out.
    """
    week, weeks = np.unique(forecasts.open_ms // WEEK_MS, return_inverse=True)
    drawn = _draws(len(week))
    label, probabilities = forecasts.label, forecasts.probabilities
    hit = (top_class(probabilities) == label).astype(np.float64)
    chosen = probabilities[np.arange(len(label)), label]
    loss = -np.log(np.maximum(chosen, _TINY))
    limits = {
        "accuracy": _limits(_means(hit, weeks, drawn)),
        "log_loss": _limits(_means(loss, weeks, drawn)),
    }
    directed = (label == BUY) | (label == SELL)
    score = (probabilities[:, BUY] - probabilities[:, SELL])[directed]
    up = label[directed] == BUY
    if up.any() and not up.all():
        limits["direction_auc"] = _limits(_aucs(score, up, weeks[directed], drawn))
    return {"share": SHARE, "draws": DRAWS, "weeks": len(week), **limits}


def weekly_limits(values: Mapping[str, Float64s], open_ms: Int64s) -> dict[str, Any]:
    """Limits of the mean of each row-by-row score (n,) that hold 90 % of the draws."""
    week, weeks = np.unique(open_ms // WEEK_MS, return_inverse=True)
    drawn = _draws(len(week))
    limits = {name: _limits(_means(value, weeks, drawn)) for name, value in values.items()}
    return {"share": SHARE, "draws": DRAWS, "weeks": len(week), **limits}


def _draws(weeks: int) -> Int64s:
    """How often each week occurs in each draw: (draws, weeks)."""
    rng = np.random.default_rng(_SEED)
    return rng.multinomial(weeks, np.full(weeks, 1 / weeks), size=DRAWS)


def _limits(values: Float64s) -> list[float]:
    edge = (1 - SHARE) / 2
    return [round(float(np.quantile(values, q)), 6) for q in (edge, 1 - edge)]


def _means(value: Float64s, week: Int64s, drawn: Int64s) -> Float64s:
    total = np.bincount(week, weights=value, minlength=drawn.shape[1])
    rows = np.bincount(week, minlength=drawn.shape[1])
    return np.asarray(drawn @ total / (drawn @ rows))


def _aucs(score: Float64s, up: NDArray[np.bool_], week: Int64s, drawn: Int64s) -> Float64s:
    """AUC of each draw. Pairs are counted once per pair of weeks, so a draw is two products.

    wins[a, b]: how often a rise of week a scored above a fall of week b, ties half.
    """
    weeks = drawn.shape[1]
    wins = np.zeros((weeks, weeks))
    falls_by_week = [np.sort(score[~up & (week == each)]) for each in range(weeks)]
    rises = np.flatnonzero(up)
    for each, falls in enumerate(falls_by_week):
        above = np.searchsorted(falls, score[rises], side="left")
        not_below = np.searchsorted(falls, score[rises], side="right")
        wins[:, each] = np.bincount(week[rises], weights=(above + not_below) / 2, minlength=weeks)
    ups = np.bincount(week[rises], minlength=weeks).astype(np.float64)
    downs = np.array([len(falls) for falls in falls_by_week], dtype=np.float64)
    pairs = (drawn @ ups) * (drawn @ downs)
    drawn_wins = np.einsum("da,ab,db->d", drawn, wins, drawn, optimize=True)
    return np.asarray(drawn_wins[pairs > 0] / pairs[pairs > 0])


def signal_verdict(mean: dict[str, Any], limits: dict[str, Any]) -> str:
    """In plain words, whether the signal model beats its baselines out of sample."""
    if mean["direction_auc"] is None or "direction_auc" not in limits:
        return "No verdict: the test rows have no rises and falls to tell apart."
    low, high = limits["direction_auc"]
    facts = (
        f"AUC of rises against falls {mean['direction_auc']:.4f}, 90 % of the weekly draws within "
        f"{low:.4f} … {high:.4f}"
    )
    if low > 0.5:
        words = f"The signal model foretells direction a little better than chance: {facts}."
    elif high < 0.5:
        words = f"The signal model foretells direction worse than chance: {facts}."
    else:
        words = f"The signal model is not shown to foretell direction better than chance: {facts}."
    base = mean["baseline"]["log_loss"]
    beats = "beats" if mean["log_loss"] < base else "does not beat"
    return f"{words} Its log-loss {mean['log_loss']:.4f} {beats} class shares alone ({base:.4f})."
