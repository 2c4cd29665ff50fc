"""What is written down about a position model beside what all models have in common."""

from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.bars import Int64s
from ml.features.catalogue import feature_hash
from ml.predictors.settings import ModelPaths
from ml.training.classes import POSITION
from ml.training.oof import OofForecasts, oof_path
from ml.training.position_entries import stop_multiples
from ml.training.position_scores import Judged, exit_scores, pooled_limits, pooled_scores, verdict
from ml.training.position_settings import PositionTrainingSettings
from ml.training.position_table import PositionTable
from ml.training.position_task import PositionTraining
from ml.training.reliability import reliabilities
from ml.training.signal_task import utc_iso


def judgement(
    task: PositionTraining,
    table: PositionTable,
    folds: list[dict[str, Any]],
    judged: Judged,
    models: list[str],
) -> dict[str, Any]:
    """Folds, their mean and limits, EXIT over all test rows, calibration curves, a verdict."""
    pooled, limits = pooled_scores(folds), pooled_limits(table, judged)
    exits = exit_scores(table, judged, task.decision.position_optimization)
    curves = reliabilities(
        judged.probabilities, judged.model_probabilities, table.label[judged.rows], models,
        POSITION.names,
    )  # fmt: skip
    return {
        "folds": folds,
        "walk_forward": pooled | {"exit": exits},
        "exit_rule": task.decision.position_optimization.model_dump(),
        "intervals": limits,
        "verdict": verdict(pooled, exits, limits),
        "reliability": [each.as_dict() for each in curves],
    }


def learned_from(
    task: PositionTraining, oof: OofForecasts, paths: ModelPaths, table: PositionTable
) -> dict[str, Any]:
    """Trades, gate and stops; what M1 there was; and in words what there is too little of."""
    sl, tp = stop_multiples(task.decision)
    return {
        "classes": list(POSITION.names),
        "class_shares": (np.bincount(table.label, minlength=3) / len(table)).tolist(),
        "feature_names": list(table.feature_names),
        "feature_hash": feature_hash(table.feature_names),
        "oof_sha256": sha256(oof_path(paths, task.signal.bars.symbol).read_bytes()).hexdigest(),
        "oof_rows": len(oof),
        "trades": table.trades,
        "gate": task.settings.gate.model_dump(),
        "labeling": {
            "atr_sl_mult": sl,
            "atr_tp_mult": tp,
            "lookahead_candles": task.horizon_bars,
            "exit_margin_atr": task.settings.exit_margin_atr,
        },
        **_m1_words(task, table.has_m1),
        "warnings": shortfalls(table, task.settings),
    }


def _m1_words(task: PositionTraining, has_m1: NDArray[np.bool_]) -> dict[str, Any]:
    """`m1`: whether any row had M1 bars; the daemon fetches them only then."""
    if task.m1 is None:
        why = "no M1 bars were given; their features have neutral values"
    elif not has_m1.any():
        why = f"{task.m1_source or 'the M1 bars'}: none lies before a training row; neutral values"
    else:
        why = f"{task.m1_source or 'M1 bars'}: for {has_m1.mean():.1%} of the rows, else neutral"
    return {
        "m1": bool(has_m1.any()),
        "m1_why": why,
        "m1_rows": int(has_m1.sum()),
        "m1_sha256": task.m1.sha256() if task.m1 is not None else None,
    }


def shortfalls(table: PositionTable, settings: PositionTrainingSettings) -> list[str]:
    """What there is less of than the settings ask for, by number."""
    asked = (("trades", table.trades, settings.min_trades), ("rows", len(table), settings.min_rows))
    return [
        f"position_training.min_{what}: {least:,} {what} are wanted, {count:,} came; use a longer "
        "history or a larger position_training.gate.top_share"
        for what, count, least in asked
        if count < least
    ]


def row_counts(table: PositionTable, base: Int64s, calibration: Int64s) -> dict[str, Any]:
    """How many rows there are, and in which part of the final model."""
    return {
        "usable": len(table),
        "base": len(base),
        "calibration": len(calibration),
        "calibration_from": utc_iso(int(table.open_ms[calibration[0]])),
    }
