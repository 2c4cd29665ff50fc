"""Trains the position model: HOLD, EXIT or ADD for an open trade at a bar's close.

It learns from simulated trades of the signal model's out-of-fold forecasts (`position_labeling`).
Splits are of whole trades in the order of their decisions; between two parts lie the bars that a
trade and its labels can reach (two horizons) and the embargo. Nothing is tuned on any part.
"""

from typing import Any

import numpy as np

from market.bars import Bars, Int64s
from ml.features.catalogue import names
from ml.features.matrix import feature_matrix
from ml.features.position import position_names
from ml.predictors.compat import FileStamp, ModelEntry
from ml.predictors.position import PositionPredictor
from ml.predictors.session import open_session, run_rows
from ml.predictors.settings import ModelPaths
from ml.training.after_signal import SignalEvidence, model_entry, provenance, signal_evidence
from ml.training.audit import Timeline, require_apart
from ml.training.classes import POSITION
from ml.training.fitting import FittedEnsemble, fit_ensemble
from ml.training.install import install_model
from ml.training.models import TrainingError, model_params, require_constraints
from ml.training.parity import compare
from ml.training.position_entries import loose_entries, stop_multiples
from ml.training.position_labeling import position_rows, within
from ml.training.position_metadata import judgement, learned_from, row_counts
from ml.training.position_scores import Judged, by_open_profit, position_scores
from ml.training.position_table import PositionTable, position_table
from ml.training.position_task import PositionTraining
from ml.training.signal_task import DAY_MS, Progress, utc_iso
from ml.training.splits import Fold, final_split, walk_forward
from trading.market_window import gate_means

__all__ = ["PositionTraining", "train_position"]

MIN_BASE_TRADES = 200

_Params = dict[str, dict[str, Any]]


def train_position(
    task: PositionTraining, paths: ModelPaths, progress: Progress = lambda step, done, total: None
) -> dict[str, Any]:
    """Trains, judges, checks and installs the position model; returns its metadata.

    Raises `TrainingError`, `SplitError` or `ParityError`, with the command that mends it where the
    signal model is missing or another; then nothing has changed on disk.
    """
    params = task.signal.devices.applied(
        model_params(task.settings.params, task.signal.profile, task.signal.training.seed)
    )
    require_constraints(params, position_names(task.signal.features.groups))
    steps = task.signal.n_splits + 3
    progress("trades of the signal model", 0, steps)
    evidence = signal_evidence(task.signal, paths)
    table = training_rows(task, evidence)
    base, calibration = _final_trades(task, evidence.bars, table)
    folds: list[dict[str, Any]] = []
    judged: list[Judged] = []
    for number, fold in enumerate(fold_rows(task, table), 1):
        progress(f"walk-forward fold {number} of {task.signal.n_splits}", number, steps)
        scores, said = _tested_fold(task, table, fold, params)
        folds.append(scores)
        judged.append(said)
    progress("final model", steps - 2, steps)
    half_life_days = task.signal.training.recency_half_life_days
    final = fit_ensemble(table, base, calibration, params, half_life_days, classes=POSITION)
    _require_apart(task, table, final)
    progress("parity of the graph", steps - 1, steps)
    parity = compare(final.graph, final.models, final.tables, table.rows, POSITION)
    metadata = {
        **provenance("position", task.signal, evidence),
        **learned_from(task, evidence.oof, paths, table),
        "rows": row_counts(table, base, calibration),
        "params": params,
        "devices": task.signal.devices.by_name,
        **judgement(task, table, folds, Judged.joined(judged), list(params)),
        "calibration_knots": [[len(each.x) for each in model] for model in final.tables],
        "parity": parity.as_dict(),
    }
    _install(task, paths, table, final.graph, metadata)
    progress("done", steps, steps)
    return metadata


def training_rows(task: PositionTraining, evidence: SignalEvidence) -> PositionTable:
    """The training table of the task; `TrainingError` where the gate let no trade in."""
    bars, signal, settings = evidence.bars, task.signal, task.settings
    entries = loose_entries(bars, signal.instrument, evidence.oof, task.decision, settings.gate)
    rows = position_rows(
        bars, gate_means(bars)[0], signal.instrument, entries, stop_multiples(task.decision),
        horizon_bars=task.horizon_bars, exit_margin_atr=settings.exit_margin_atr,
    )  # fmt: skip
    if len(rows) == 0:
        raise TrainingError(
            f"position rows: the {len(evidence.oof)} out-of-fold forecasts give {len(entries)} "
            "trades and no close at which one was open; use a longer history, or a larger "
            "position_training.gate.top_share"
        )
    rows = within(rows, settings.max_rows)
    first_bar = int(rows.bar.min())
    market = feature_matrix(
        bars, groups=signal.features.groups, round_step=signal.instrument.round_step,
        calendar=signal.calendar, onchain=signal.onchain, first_row=first_bar,
    )  # fmt: skip
    return position_table(bars, market, first_bar, names(signal.features.groups), rows, task.m1)


def _final_trades(
    task: PositionTraining, bars: Bars, table: PositionTable
) -> tuple[Int64s, Int64s]:
    """(rows of the base models, rows of the calibrators): of trades before and after the gap."""
    first_ms = task.signal.cutoff_ms - task.signal.training.calibration_days * DAY_MS
    first_bar = int(np.searchsorted(bars.open_ms, first_ms))
    base, calibration = final_split(
        table.decided, first_bar, task.gap_bars, min_base_rows=MIN_BASE_TRADES
    )
    return table.rows_of(base), table.rows_of(calibration)


def fold_rows(task: PositionTraining, table: PositionTable) -> list[Fold]:
    """Walk-forward folds over trades, as rows."""
    calibration_ms = task.signal.training.calibration_days * DAY_MS
    trades = walk_forward(
        table.decided,
        n_splits=task.signal.n_splits,
        gap_bars=task.gap_bars,
        calibration_bars=calibration_ms // task.signal.bars.timeframe.ms,
        min_base_rows=MIN_BASE_TRADES,
    )
    return [
        Fold(*(table.rows_of(part) for part in (each.base, each.calibration, each.test)))
        for each in trades
    ]


def _require_apart(
    task: PositionTraining, table: PositionTable, fitted: FittedEnsemble, **judged: Int64s
) -> None:
    """Rows are as far apart as the trades that they belong to were decided."""
    decided = np.repeat(table.decided, np.diff(table.first_row))
    times = Timeline(decided, table.of.end_bar, table.open_ms)
    used = {"base": fitted.base, "calibration": fitted.calibration, **judged}
    require_apart(times, used, task.gap_bars)


def _tested_fold(
    task: PositionTraining, table: PositionTable, fold: Fold, params: _Params
) -> tuple[dict[str, Any], Judged]:
    half_life_days = task.signal.training.recency_half_life_days
    fitted = fit_ensemble(
        table, fold.base, fold.calibration, params, half_life_days, classes=POSITION
    )
    _require_apart(task, table, fitted, test=fold.test)
    probabilities, by_model, votes = run_rows(open_session(fitted.graph), table.rows[fold.test])
    known = np.r_[fold.base, fold.calibration]
    alone = by_open_profit(table, known, fold.test)
    judged = Judged(fold.test, probabilities, by_model, votes, alone)
    scores = position_scores(table, judged, known, task.decision.position_optimization)
    bar_ms = task.signal.bars.timeframe.ms
    span = {
        "test_from": utc_iso(int(table.open_ms[fold.test[0]])),
        "test_to": utc_iso(int(table.open_ms[fold.test].max()) + bar_ms),
        "base_rows": len(fold.base),
        "calibration_rows": len(fold.calibration),
    }
    return span | scores, judged


def _install(
    task: PositionTraining,
    paths: ModelPaths,
    table: PositionTable,
    graph: bytes,
    metadata: dict[str, Any],
) -> None:
    def entry_of(graph_stamp: FileStamp, metadata_stamp: FileStamp) -> ModelEntry:
        entry = model_entry(
            "position", task.signal, table.feature_names, graph_stamp, metadata_stamp
        )
        return entry.model_copy(update={"classes": POSITION.names})

    install_model(
        paths.position, graph, metadata, entry_of,
        lambda new: PositionPredictor(
            paths.in_folder(new.graph.parent), task.signal.features
        ).load(),
    )  # fmt: skip
