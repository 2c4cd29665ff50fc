"""The walk-forward folds of the signal model: each judged on rows that nothing of it has seen."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.bars import Float64s, Int64s
from ml.predictors.session import open_session, run_rows
from ml.training.audit import require_apart
from ml.training.fitting import fit_ensemble
from ml.training.oof import OofForecasts
from ml.training.scores import forecast_scores, margin_quantiles
from ml.training.signal_task import DAY_MS, SignalTraining, utc_iso
from ml.training.splits import Fold, walk_forward
from ml.training.table import TrainingTable


def folds_of(task: SignalTraining, table: TrainingTable) -> list[Fold]:
    """The folds that the training settings ask for, oldest test part first."""
    return list(
        walk_forward(
            table.bar,
            n_splits=task.n_splits,
            gap_bars=task.gap_bars,
            calibration_bars=task.training.calibration_days * DAY_MS // task.bars.timeframe.ms,
        )
    )


@dataclass(frozen=True, slots=True, eq=False)
class TestedFold:
    """What one fold's graph said of its test rows, and how good that was."""

    test: Int64s
    probabilities: Float64s
    model_probabilities: Float64s
    votes: NDArray[np.int8]
    scores: dict[str, Any]


def tested_fold(
    task: SignalTraining, table: TrainingTable, fold: Fold, params: dict[str, dict[str, Any]]
) -> TestedFold:
    """Models of the fold's training part, asked for its test part and scored."""
    half_life_days = task.training.recency_half_life_days
    fitted = fit_ensemble(table, fold.base, fold.calibration, params, half_life_days)
    used = {"base": fitted.base, "calibration": fitted.calibration, "test": fold.test}
    require_apart(table, used, task.gap_bars)
    said = run_rows(open_session(fitted.graph), table.rows[fold.test])
    probabilities, model_probabilities, votes = said
    known = np.r_[fold.base, fold.calibration]
    prior = np.bincount(table.label[known], minlength=3) / len(known)
    scores = {
        "test_from": utc_iso(int(table.open_ms[fold.test[0]])),
        "test_to": utc_iso(int(table.open_ms[fold.test[-1]]) + task.bars.timeframe.ms),
        "base_rows": len(fold.base),
        "calibration_rows": len(fold.calibration),
        **forecast_scores(probabilities, table.label[fold.test], prior),
        "margin_quantiles": margin_quantiles(probabilities),
    }
    return TestedFold(fold.test, probabilities, model_probabilities, votes, scores)


def out_of_fold(table: TrainingTable, tested: list[TestedFold], graph_sha256: str) -> OofForecasts:
    """What the folds said, bound to the graph of the final model."""
    rows = np.concatenate([each.test for each in tested])
    sizes = [len(each.test) for each in tested]
    return OofForecasts(
        open_ms=table.open_ms[rows],
        probabilities=np.concatenate([each.probabilities for each in tested]),
        votes=np.concatenate([each.votes for each in tested]),
        fold=np.repeat(np.arange(len(tested), dtype=np.int16), sizes),
        graph_sha256=graph_sha256,
        model_probabilities=np.concatenate([each.model_probabilities for each in tested]),
        label=table.label[rows],
    )
