"""Trains the signal model: folds to judge it, then the final model to trade it.

Each fold fits base models and calibrators inside its training part and scores its graph on the
test part behind a purge and an embargo. The final base models see everything up to the start of
the last `calibration_days`, the final calibrators those days; so the margins of the rolling gate's
look-back before the cutoff come from base models that have not seen them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.bars import Bars, Float64s, Int64s
from market.calendar import EconomicCalendar
from market.instrument import Instrument
from ml.features.catalogue import LOOKBACK_MS, feature_hash
from ml.features.settings import FeatureSettings
from ml.predictors.compat import FileStamp, ModelEntry
from ml.predictors.ensemble import EnsemblePredictor
from ml.predictors.session import OPTIONS, RUNTIME_VERSION, open_session, run_rows
from ml.predictors.settings import ModelPaths
from ml.training.fitting import FittedEnsemble, fit_ensemble
from ml.training.install import install_model
from ml.training.labels import CLASSES
from ml.training.models import EnsembleParams, Profile, model_params
from ml.training.oof import OofForecasts, oof_path
from ml.training.parity import ParityReport, compare
from ml.training.scores import forecast_scores, margin_quantiles
from ml.training.settings import LabelSettings, TrainingSettings
from ml.training.splits import Fold, final_split, walk_forward
from ml.training.table import TrainingTable, training_table
from ml.training.trees import OPSET

DAY_MS = 86_400_000
SHORT_HISTORY_DAYS = 270
_QUICK_SPLITS = 3
# By import name: XGBoost comes as `xgboost` (GPU) or `xgboost-cpu`, and is imported alike.
_LIBRARIES = (
    "numpy", "sklearn", "xgboost", "lightgbm", "onnx", "skl2onnx", "onnxmltools", "onnxruntime",
)  # fmt: skip

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class SignalTraining:
    """What to learn from, and how. `cutoff_ms`: no bar that opens at or after it is used."""

    bars: Bars
    instrument: Instrument
    features: FeatureSettings
    labels: LabelSettings
    training: TrainingSettings
    params: EnsembleParams
    profile: Profile
    cutoff_ms: int
    source: str
    calendar: EconomicCalendar

    @property
    def gap_bars(self) -> int:
        """Purge (the label horizon) and embargo together."""
        return self.labels.lookahead_candles + self.training.embargo_bars


def train_signal(
    task: SignalTraining, paths: ModelPaths, progress: Progress = lambda step, done, total: None
) -> dict[str, Any]:
    """Trains, judges, checks and installs the signal model; returns its metadata.

    Raises `TrainingError`, `SplitError` or `ParityError`; then nothing has changed on disk.
    """
    params = model_params(task.params, task.profile, task.training.seed)
    folds = task.training.n_splits if task.profile == "full" else _QUICK_SPLITS
    steps = min(folds, task.training.n_splits) + 3
    progress("features and labels", 0, steps)
    bars = task.bars.between(int(task.bars.open_ms[0]), task.cutoff_ms)
    table = training_table(bars, task.instrument, task.features, task.labels, task.calendar)
    base, calibration = _final_rows(task, bars, table)
    tested: list[_TestedFold] = []
    for fold in _folds(task, table, steps - 3):
        progress(f"walk-forward fold {len(tested) + 1} of {steps - 3}", len(tested) + 1, steps)
        tested.append(_tested_fold(task, table, fold, params))
    progress("final model", steps - 2, steps)
    final = fit_ensemble(table, base, calibration, params, task.training.recency_half_life_days)
    progress("parity of the graph", steps - 1, steps)
    parity = compare(final.graph, final.models, final.tables, table.rows)
    scores = [each.scores for each in tested]
    metadata = _metadata(task, bars, table, params, scores, final, base, calibration, parity)
    install_model(
        paths.signal,
        final.graph,
        metadata,
        lambda *stamps: _entry(task, table, *stamps),
        lambda new: EnsemblePredictor(paths.in_folder(new.graph.parent), task.features).load(),
    )
    _out_of_fold(table, tested, sha256(final.graph).hexdigest()).save(
        oof_path(paths, task.bars.symbol)
    )
    progress("done", steps, steps)
    return metadata


def history_warning(bars: Bars) -> str:
    """A sentence if the history is short for these features, else an empty string."""
    days = (int(bars.close_ms[-1]) - int(bars.open_ms[0])) / DAY_MS if len(bars) else 0
    if days >= SHORT_HISTORY_DAYS:
        return ""
    return (
        f"the history has {days:.0f} days; below {SHORT_HISTORY_DAYS} little is left to learn "
        f"from after {LOOKBACK_MS / DAY_MS:.0f} days of warm-up and the calibration days"
    )


def _final_rows(task: SignalTraining, bars: Bars, table: TrainingTable) -> tuple[Int64s, Int64s]:
    first_ms = task.cutoff_ms - task.training.calibration_days * DAY_MS
    first_bar = int(np.searchsorted(bars.open_ms, first_ms))
    return final_split(table.bar, first_bar, task.gap_bars)


def _folds(task: SignalTraining, table: TrainingTable, n_splits: int) -> list[Fold]:
    return list(
        walk_forward(
            table.bar,
            n_splits=n_splits,
            gap_bars=task.gap_bars,
            calibration_bars=task.training.calibration_days * DAY_MS // task.bars.timeframe.ms,
        )
    )


@dataclass(frozen=True, slots=True, eq=False)
class _TestedFold:
    """What one fold's graph said of its test rows, and how good that was."""

    test: Int64s
    probabilities: Float64s
    model_probabilities: Float64s
    votes: NDArray[np.int8]
    scores: dict[str, Any]


def _tested_fold(
    task: SignalTraining, table: TrainingTable, fold: Fold, params: dict[str, dict[str, Any]]
) -> _TestedFold:
    half_life_days = task.training.recency_half_life_days
    fitted = fit_ensemble(table, fold.base, fold.calibration, params, half_life_days)
    said = run_rows(open_session(fitted.graph), table.rows[fold.test])
    probabilities, model_probabilities, votes = said
    known = np.r_[fold.base, fold.calibration]
    prior = np.bincount(table.label[known], minlength=3) / len(known)
    scores = {
        "test_from": _iso(int(table.open_ms[fold.test[0]])),
        "test_to": _iso(int(table.open_ms[fold.test[-1]]) + task.bars.timeframe.ms),
        "base_rows": len(fold.base),
        "calibration_rows": len(fold.calibration),
        **forecast_scores(probabilities, table.label[fold.test], prior),
        "margin_quantiles": margin_quantiles(probabilities),
    }
    return _TestedFold(fold.test, probabilities, model_probabilities, votes, scores)


def _out_of_fold(
    table: TrainingTable, tested: list[_TestedFold], graph_sha256: str
) -> OofForecasts:
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


def _metadata(
    task: SignalTraining,
    bars: Bars,
    table: TrainingTable,
    params: dict[str, dict[str, Any]],
    scores: list[dict[str, Any]],
    final: FittedEnsemble,
    base: Int64s,
    calibration: Int64s,
    parity: ParityReport,
) -> dict[str, Any]:
    in_calibration = run_rows(open_session(final.graph), table.rows[calibration])[0]
    return {
        "kind": "signal",
        "symbol": task.bars.symbol,
        "timeframe": task.bars.timeframe.name,
        "profile": task.profile,
        "source": task.source,
        "warm_start": False,
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "train_cutoff_date": _iso(task.cutoff_ms),
        "train_cutoff_ms": task.cutoff_ms,
        "data_from": _iso(int(bars.open_ms[0])),
        "data_sha256": bars.sha256(),
        "bars": len(bars),
        "rows": {
            "usable": len(table),
            "warm_up_bars": table.warm_up_bars,
            "hole_bars": table.hole_bars,
            "unlabelled_bars": table.unlabelled_bars,
            "base": len(base),
            "base_to": _iso(int(table.open_ms[base[-1]]) + task.bars.timeframe.ms),
            "calibration": len(calibration),
            "calibration_from": _iso(int(table.open_ms[calibration[0]])),
        },
        "classes": list(CLASSES),
        "class_shares": (np.bincount(table.label, minlength=3) / len(table)).tolist(),
        "feature_names": list(table.feature_names),
        "feature_hash": feature_hash(table.feature_names),
        "labeling": task.labels.model_dump(),
        "training": task.training.model_dump(),
        "params": params,
        "folds": scores,
        "walk_forward": summary(scores),
        "calibration_knots": [[len(each.x) for each in model] for model in final.tables],
        "calibration_margin_quantiles": margin_quantiles(in_calibration),
        "parity": parity.as_dict(),
        "libraries": {name: import_module(name).__version__ for name in _LIBRARIES},
    }


def summary(scores: list[dict[str, Any]]) -> dict[str, Any]:
    """Row-weighted means over the folds; per class too. None where no fold has a value."""
    keys = ("accuracy", "log_loss", "direction_auc")
    weights = [each["rows"] for each in scores]
    return {
        **{key: _mean([each[key] for each in scores], weights) for key in keys},
        "baseline": {
            key: _mean([each["baseline"][key] for each in scores], weights)
            for key in ("accuracy", "log_loss")
        },
        "classes": {
            name: {
                key: _mean([each["classes"][name][key] for each in scores], weights)
                for key in ("accuracy", "precision", "recall", "log_loss", "auc",
                            "calibration_error")
            }
            for name in CLASSES
        },
    }  # fmt: skip


def _mean(values: list[float | None], weights: list[int]) -> float | None:
    known = [(v, w) for v, w in zip(values, weights, strict=True) if v is not None]
    if not known:
        return None
    return sum(v * w for v, w in known) / sum(w for _, w in known)


def _entry(
    task: SignalTraining, table: TrainingTable, graph: FileStamp, metadata: FileStamp
) -> ModelEntry:
    return ModelEntry(
        kind="signal",
        symbol=task.bars.symbol,
        timeframe=task.bars.timeframe.name,
        classes=CLASSES,
        feature_names=table.feature_names,
        feature_hash=feature_hash(table.feature_names),
        train_cutoff_date=_iso(task.cutoff_ms),
        train_cutoff_ms=task.cutoff_ms,
        graph=graph,
        metadata=metadata,
        opset=OPSET,
        onnxruntime_version=RUNTIME_VERSION,
        onnxruntime_options=OPTIONS,
    )


def _iso(instant_ms: int) -> str:
    return datetime.fromtimestamp(instant_ms / 1000, UTC).isoformat()
