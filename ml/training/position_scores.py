"""How good the position model is: per class, at the rule that would act, and in ATR.

Many of the rows that it calls EXIT right are trades that are almost lost anyway, so that a high
precision proves nothing. Two yardsticks do: what the open profit alone tells, and what leaving
would have paid more than holding.
"""

import functools
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtest.statistics import mean_block, stationary_blocks, wilson
from market.bars import Float64s, Int64s
from ml.training.classes import POSITION
from ml.training.intervals import weekly_limits
from ml.training.parity import top_class
from ml.training.position_labeling import EXIT
from ml.training.position_table import PositionTable
from ml.training.scores import class_scores
from trading.decision.management_settings import PositionOptimization

_TINY = 1e-12
_BINS = 20
_REPLICATES = 1000
_PROFIT = "open_profit_atr"
_PER_CLASS = ("accuracy", "precision", "recall", "log_loss", "auc", "calibration_error")


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Test rows, what the graph said of them: (n, 3), (n, models, 3), votes (n, models); and what
    their open profit alone says, (n, 3).
    """

    rows: Int64s
    probabilities: Float64s
    model_probabilities: Float64s
    votes: NDArray[np.int8]
    by_open_profit: Float64s

    @staticmethod
    def joined(parts: Sequence["Judged"]) -> "Judged":
        """Folds one after the other."""
        return Judged(
            *(np.concatenate([getattr(each, name) for each in parts]) for name in Judged.__slots__)
        )


def position_scores(
    table: PositionTable, judged: Judged, known: Int64s, rule: PositionOptimization
) -> dict[str, Any]:
    """Scores of one fold beside its baselines. `known`: the rows of its training part.

    `baseline` always says the class shares of the training part.
    """
    label, said = table.label[judged.rows], judged.probabilities
    called = top_class(said, POSITION)
    prior = np.bincount(table.label[known], minlength=3) / len(known)
    return {
        "rows": len(label),
        "trades": len(np.unique(table.of.trade[judged.rows])),
        "accuracy": float((called == label).mean()),
        "log_loss": float(_losses(said, label).mean()),
        "classes": {
            name: class_scores(said[:, each], called == each, label == each)
            for each, name in enumerate(POSITION.names)
        },
        "baseline": {
            "accuracy": float((label == int(prior.argmax())).mean()),
            "log_loss": float(_losses(np.tile(prior, (len(label), 1)), label).mean()),
        },
        "open_profit_alone": {"log_loss": float(_losses(judged.by_open_profit, label).mean())},
        "confusion": _confusion(label, called),
        "exit": exit_scores(table, judged, rule),
    }


def by_open_profit(table: PositionTable, known: Int64s, rows: Int64s) -> Float64s:
    """(n, 3) class shares of the known rows whose open profit is alike: in equal-count bins, with
    one row added to each class.
    """
    profit = table.rows[:, table.feature_names.index(_PROFIT)]
    edges = np.quantile(profit[known], np.linspace(0, 1, _BINS + 1)[1:-1])
    counts = np.ones((_BINS, 3))
    np.add.at(counts, (np.searchsorted(edges, profit[known]), table.label[known]), 1)
    shares = counts / counts.sum(axis=1, keepdims=True)
    return np.asarray(shares[np.searchsorted(edges, profit[rows])])


def exit_scores(table: PositionTable, judged: Judged, rule: PositionOptimization) -> dict[str, Any]:
    """What EXIT would have done at the rule's thresholds, on rows that the daemon would ask.

    `precision` has a 95 % Wilson interval. `advantage_atr`: over trades, at each one's first EXIT,
    the mean of leaving − holding, with a 95 % interval of a stationary bootstrap. None where
    nothing was called.
    """
    of, rows = table.of, judged.rows
    asked = of.bars_held[rows] >= rule.min_bars_held
    called = asked & says_exit(judged.probabilities, judged.votes, rule)
    hit = of.label[rows] == EXIT
    right, count = int((called & hit).sum()), int(called.sum())
    share = wilson(right, count)
    first = _first_of_each_trade(of.trade[rows], called)
    return {
        "asked_rows": int(asked.sum()),
        "base_rate": _mean(hit[asked]),
        "called_rows": count,
        "precision": share.share if count else None,
        "precision_low": share.low if count else None,
        "precision_high": share.high if count else None,
        "recall": right / int((asked & hit).sum()) if (asked & hit).any() else None,
        "called_trades": len(first),
        **_advantage(of.advantage_atr[rows][first]),
    }


def says_exit(
    probabilities: Float64s, votes: NDArray[np.int8], rule: PositionOptimization
) -> NDArray[np.bool_]:
    """Where the decision core would close: `trading.decision.exits.position_exit` on columns."""
    p_exit = probabilities[:, EXIT]
    others = np.delete(probabilities, EXIT, axis=1).max(axis=1)
    clear = p_exit - others >= rule.min_prob_diff
    most = 2 * (votes == EXIT).sum(axis=1) > votes.shape[1]
    return np.asarray((p_exit >= rule.exit_threshold) & clear & most)


def pooled_scores(folds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Row-weighted means over the folds; a value that a fold lacks is left out there."""
    rows = [each["rows"] for each in folds]

    def mean(*keys: str) -> float | None:
        values = [functools.reduce(operator.getitem, keys, each) for each in folds]
        known = [(v, w) for v, w in zip(values, rows, strict=True) if v is not None]
        return sum(v * w for v, w in known) / sum(w for _, w in known) if known else None

    return {
        "rows": sum(rows),
        "trades": sum(each["trades"] for each in folds),
        "accuracy": mean("accuracy"),
        "log_loss": mean("log_loss"),
        "baseline": {key: mean("baseline", key) for key in ("accuracy", "log_loss")},
        "open_profit_alone": {"log_loss": mean("open_profit_alone", "log_loss")},
        "classes": {
            name: {key: mean("classes", name, key) for key in _PER_CLASS} for name in POSITION.names
        },
        "confusion": np.sum([each["confusion"] for each in folds], axis=0).tolist(),
    }


def pooled_limits(table: PositionTable, judged: Judged) -> dict[str, Any]:
    """90 % limits over weeks; `gain_over_open_profit`: log-loss that the model saves against it."""
    label = table.label[judged.rows]
    loss = _losses(judged.probabilities, label)
    hit = top_class(judged.probabilities, POSITION) == label
    values = {
        "accuracy": hit.astype(np.float64),
        "log_loss": loss,
        "gain_over_open_profit": _losses(judged.by_open_profit, label) - loss,
    }
    return weekly_limits(values, table.open_ms[judged.rows])


def verdict(scores: dict[str, Any], exits: dict[str, Any], limits: dict[str, Any]) -> str:
    """In plain words, what the folds prove and what not."""
    alone = scores["open_profit_alone"]["log_loss"]
    low, high = limits["gain_over_open_profit"]
    tells = "adds to" if low > 0 else "takes from" if high < 0 else "is not shown to add to"
    words = [
        f"out of sample the log-loss is {scores['log_loss']:.4f}; class shares alone give "
        f"{scores['baseline']['log_loss']:.4f}, the open profit alone {alone:.4f}: the model "
        f"{tells} what the open profit tells (gain {alone - scores['log_loss']:+.4f}, 90 % of the "
        f"weekly draws within {low:+.4f} … {high:+.4f})"
    ]
    if not exits["called_rows"]:
        return f"{words[0]}; EXIT was never called at these thresholds"
    low, high = exits["advantage_low"], exits["advantage_high"]
    words.append(
        f"EXIT was right in {exits['precision']:.1%} of {exits['called_rows']} rows, its base rate "
        f"is {exits['base_rate']:.1%}"
    )
    pays = "pays" if low > 0 else "costs" if high < 0 else "is not shown to pay"
    words.append(
        f"leaving at the first EXIT of {exits['called_trades']} trades gave "
        f"{exits['advantage_atr']:+.3f} ATR a trade against holding (95 %: {low:+.3f} … "
        f"{high:+.3f}): it {pays}"
    )
    return "; ".join(words)


def _losses(probabilities: Float64s, label: NDArray[np.int8]) -> Float64s:
    chosen = probabilities[np.arange(len(label)), label]
    return np.asarray(-np.log(np.maximum(chosen, _TINY)))


def _confusion(label: NDArray[np.int8], called: NDArray[np.int8]) -> list[list[int]]:
    """Rows by true class, then by called class."""
    counts = np.bincount(3 * label.astype(np.int64) + called, minlength=9)
    return [[int(each) for each in row] for row in counts.reshape(3, 3)]


def _first_of_each_trade(trade: Int64s, called: NDArray[np.bool_]) -> Int64s:
    """Places of each trade's first called row; rows stand by trade, then by bar."""
    places = np.flatnonzero(called)
    _, first = np.unique(trade[places], return_index=True)
    return np.asarray(places[first])


def _advantage(gains: Float64s) -> dict[str, float | None]:
    if len(gains) == 0:
        return dict.fromkeys(("advantage_atr", "advantage_low", "advantage_high"))
    blocks = stationary_blocks(len(gains), mean_block(len(gains)), _REPLICATES, seed=0)
    means = [gains[rows].mean() for rows in blocks]
    low, high = np.quantile(means, (0.025, 0.975))
    return {
        "advantage_atr": float(gains.mean()),
        "advantage_low": float(low),
        "advantage_high": float(high),
    }


def _mean(values: NDArray[np.bool_]) -> float | None:
    return float(values.mean()) if len(values) else None
