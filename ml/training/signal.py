"""Trains the signal model: folds to judge it, then the final model to trade it.

Each fold fits base models and calibrators inside its training part and scores its graph on the
test part behind a purge and an embargo. The final base models see everything up to the start of
the last `calibration_days`, the final calibrators those days; so the margins of the rolling gate's
look-back before the cutoff come from base models that have not seen them.
"""

import math
from hashlib import sha256
from typing import Any

import numpy as np

from market.bars import Bars, Int64s
from ml.features.catalogue import feature_hash, names
from ml.predictors.ensemble import EnsemblePredictor
from ml.predictors.settings import ModelPaths
from ml.training.audit import require_apart, require_blind, require_known
from ml.training.fitting import fit_ensemble
from ml.training.install import install_model
from ml.training.labels import CLASSES
from ml.training.models import TrainingError, model_params, require_constraints
from ml.training.oof import oof_path
from ml.training.parity import compare
from ml.training.signal_folds import TestedFold, folds_of, out_of_fold, tested_fold
from ml.training.signal_metadata import manifest_entry, signal_metadata
from ml.training.signal_task import DAY_MS, Progress, SignalTraining, history_warning
from ml.training.splits import Fold, final_split
from ml.training.table import TrainingTable, features_of, training_table
from ml.training.warm_start import (
    Start,
    WarmFacts,
    fresh,
    load_start,
    save_state,
    warm_folder,
)

__all__ = ["Progress", "SignalTraining", "history_warning", "train_signal"]

# The seeds' boundary between trending and ranging, and the least rows of one of them.
TRENDING_ADX = 0.25
REGIME_MIN_ROWS = 20_000
_BLIND_TREES = 10

_Params = dict[str, dict[str, Any]]


def train_signal(
    task: SignalTraining, paths: ModelPaths, progress: Progress = lambda step, done, total: None
) -> dict[str, Any]:
    """Trains, judges, checks and installs the signal model; returns its metadata.

    Writes the folds' forecasts beside it (`ml.training.oof`) and keeps the base models for a warm
    start. Raises `TrainingError`, `SplitError` or `ParityError`; then nothing has changed on disk.
    """
    params = task.devices.applied(model_params(task.params, task.profile, task.training.seed))
    require_constraints(params, names(task.features.groups))
    steps = task.n_splits + 3
    progress("features and labels", 0, steps)
    bars = task.bars.between(int(task.bars.open_ms[0]), task.cutoff_ms)
    table = signal_table(task, bars)
    require_known(
        bars, table, features_of(task.instrument, task.features, task.calendar, task.onchain)
    )
    base, calibration = _final_rows(task, bars, table)
    start = _start(task, table, params, base, calibration, paths)
    tested: list[TestedFold] = []
    folds = folds_of(task, table)
    _require_blind(task, bars, table, folds[-1])
    for number, fold in enumerate(folds, 1):
        progress(f"walk-forward fold {number} of {task.n_splits}", number, steps)
        tested.append(tested_fold(task, table, fold, params))
    progress("final model", steps - 2, steps)
    final = fit_ensemble(
        table, base, calibration, _grown(params, task, start),
        task.training.recency_half_life_days, earlier=start.earlier,
    )  # fmt: skip
    used = {"base": final.base, "calibration": final.calibration}
    require_apart(table, used, task.gap_bars)
    progress("parity of the graph", steps - 1, steps)
    parity = compare(final.graph, final.models, final.tables, table.rows)
    forecasts = out_of_fold(table, tested, sha256(final.graph).hexdigest())
    metadata = signal_metadata(
        task, bars, table, params, [each.scores for each in tested], forecasts,
        final, base, calibration, parity, start,
    )  # fmt: skip
    install_model(
        paths.signal,
        final.graph,
        metadata,
        lambda *stamps: manifest_entry(task, table, *stamps),
        lambda new: EnsemblePredictor(paths.in_folder(new.graph.parent), task.features).load(),
    )
    forecasts.save(oof_path(paths, task.bars.symbol))
    facts = _facts(task, table, params, base).model_copy(update={"times": start.times})
    save_state(warm_folder(paths.graph), final.models, facts)
    progress("done", steps, steps)
    return metadata


def signal_table(
    task: SignalTraining, bars: Bars, *, least_rows: int | None = None
) -> TrainingTable:
    """Features and labels of the bars, of the task's regime only.

    `least_rows`: of one regime; None is `REGIME_MIN_ROWS`.
    """
    least_rows = REGIME_MIN_ROWS if least_rows is None else least_rows
    table = training_table(
        bars, task.instrument, task.features, task.labels, task.calendar, task.onchain
    )
    if task.regime == "all":
        return table
    if "adx_14" not in table.feature_names:
        raise TrainingError(
            f"--regime {task.regime}: the feature adx_14 tells the regime, and features.groups "
            f"{', '.join(task.features.groups)} do not have it: add base"
        )
    trending = table.rows[:, table.feature_names.index("adx_14")] > TRENDING_ADX
    chosen = table.only(trending if task.regime == "trending" else ~trending)
    if len(chosen) < least_rows:
        raise TrainingError(
            f"--regime {task.regime}: at least {least_rows:,} rows of that regime (adx_14 "
            f"against {TRENDING_ADX}) are needed, {len(chosen):,} of {len(table):,} came: use a "
            "longer history, or one model for all"
        )
    return chosen


def _final_rows(task: SignalTraining, bars: Bars, table: TrainingTable) -> tuple[Int64s, Int64s]:
    first_ms = task.cutoff_ms - task.training.calibration_days * DAY_MS
    first_bar = int(np.searchsorted(bars.open_ms, first_ms))
    return final_split(table.bar, first_bar, task.gap_bars)


def _require_blind(task: SignalTraining, bars: Bars, table: TrainingTable, fold: Fold) -> None:
    """The last fold again, without the bars from its test part on; small models show it, too."""
    params = model_params(task.params, task.profile, task.training.seed)
    small = {
        name: {**given, "n_estimators": min(_BLIND_TREES, given["n_estimators"])}
        for name, given in params.items()
    }
    half_life_days = task.training.recency_half_life_days
    require_blind(
        bars, table, fold, task.gap_bars, lambda part: signal_table(task, part, least_rows=0),
        lambda rows, base, calibration: fit_ensemble(
            rows, base, calibration, small, half_life_days
        ).graph,
    )  # fmt: skip


def _start(
    task: SignalTraining,
    table: TrainingTable,
    params: _Params,
    base: Int64s,
    calibration: Int64s,
    paths: ModelPaths,
) -> Start:
    if not task.warm_start:
        return fresh("so it was asked")
    return load_start(
        warm_folder(paths.graph),
        _facts(task, table, params, base),
        unseen_from_ms=int(table.open_ms[calibration[0]]),
        max_times=task.training.max_warm_starts,
    )


def _facts(task: SignalTraining, table: TrainingTable, params: _Params, base: Int64s) -> WarmFacts:
    last_bar = int(table.end_bar[base].max())
    return WarmFacts(
        symbol=task.bars.symbol,
        feature_names=table.feature_names,
        feature_hash=feature_hash(table.feature_names),
        classes=CLASSES,
        labeling=task.labels.model_dump(),
        parameters=params,
        seen_to_ms=int(task.bars.open_ms[last_bar]) + task.bars.timeframe.ms,
    )


def _grown(params: _Params, task: SignalTraining, start: Start) -> _Params:
    """What the final model is fitted with: a share of each model's trees where it goes on."""
    if start.earlier is None:
        return params
    share = task.training.warm_start_share
    return {
        name: {**given, "n_estimators": math.ceil(share * given["n_estimators"])}
        for name, given in params.items()
    }
