"""What is written down about a signal model: its metadata and its entry in the manifest."""

from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import numpy as np

from market.bars import Bars, Int64s
from ml.features.catalogue import feature_hash
from ml.predictors.compat import FileStamp, ModelEntry
from ml.predictors.session import OPTIONS, RUNTIME_VERSION, open_session, run_rows
from ml.training.fitting import FittedEnsemble
from ml.training.intervals import score_intervals, signal_verdict
from ml.training.labels import CLASSES
from ml.training.oof import OofForecasts
from ml.training.parity import ParityReport
from ml.training.scores import margin_quantiles
from ml.training.signal_task import SignalTraining, utc_iso
from ml.training.table import TrainingTable
from ml.training.trees import OPSET
from ml.training.warm_start import Start

# By import name: XGBoost comes as `xgboost` (GPU) or `xgboost-cpu`, and is imported alike.
_LIBRARIES = (
    "numpy", "sklearn", "xgboost", "lightgbm", "onnx", "skl2onnx", "onnxmltools", "onnxruntime",
)  # fmt: skip


def signal_metadata(
    task: SignalTraining,
    bars: Bars,
    table: TrainingTable,
    params: dict[str, dict[str, Any]],
    scores: list[dict[str, Any]],
    forecasts: OofForecasts,
    final: FittedEnsemble,
    base: Int64s,
    calibration: Int64s,
    parity: ParityReport,
    start: Start,
) -> dict[str, Any]:
    """Everything a reader needs to judge the model, and to train it again."""
    mean, limits = summary(scores), score_intervals(forecasts)
    in_calibration = run_rows(open_session(final.graph), table.rows[calibration])[0]
    return {
        **_task_facts(task, start),
        **_bars_facts(task, bars),
        "rows": _rows_facts(task, table, base, calibration),
        "classes": list(CLASSES),
        "class_shares": (np.bincount(table.label, minlength=3) / len(table)).tolist(),
        "feature_names": list(table.feature_names),
        "feature_hash": feature_hash(table.feature_names),
        "labeling": task.labels.model_dump(),
        "training": task.training.model_dump(),
        "params": params,
        "folds": scores,
        "walk_forward": mean,
        "intervals": limits,
        "verdict": signal_verdict(mean, limits),
        "calibration_knots": [[len(each.x) for each in model] for model in final.tables],
        "calibration_margin_quantiles": margin_quantiles(in_calibration),
        "parity": parity.as_dict(),
        "libraries": library_versions(),
    }


def _task_facts(task: SignalTraining, start: Start) -> dict[str, Any]:
    """What was asked for, and how training began."""
    return {
        "kind": "signal",
        "symbol": task.bars.symbol,
        "timeframe": task.bars.timeframe.name,
        "profile": task.profile,
        "source": task.source,
        "regime": task.regime,
        "warm_start": start.earlier is not None,
        "warm_starts_in_a_row": start.times,
        "start": start.why,
        "tuning": task.tuning,
        "devices": task.devices.by_name,
    }


def _bars_facts(task: SignalTraining, bars: Bars) -> dict[str, Any]:
    """When it was trained, and on which bars."""
    return {
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "train_cutoff_date": utc_iso(task.cutoff_ms),
        "train_cutoff_ms": task.cutoff_ms,
        "data_from": utc_iso(int(bars.open_ms[0])),
        "data_sha256": bars.sha256(),
        "files": task.files,
        "bars": len(bars),
    }


def _rows_facts(
    task: SignalTraining, table: TrainingTable, base: Int64s, calibration: Int64s
) -> dict[str, Any]:
    """How many rows each part of training had, and where the parts lie."""
    return {
        "usable": len(table),
        "warm_up_bars": table.warm_up_bars,
        "hole_bars": table.hole_bars,
        "unlabelled_bars": table.unlabelled_bars,
        "base": len(base),
        "base_to": utc_iso(int(table.open_ms[base[-1]]) + task.bars.timeframe.ms),
        "calibration": len(calibration),
        "calibration_from": utc_iso(int(table.open_ms[calibration[0]])),
    }


def library_versions() -> dict[str, str]:
    """Versions of what training is made of, by import name."""
    return {name: import_module(name).__version__ for name in _LIBRARIES}


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


def manifest_entry(
    task: SignalTraining, table: TrainingTable, graph: FileStamp, metadata: FileStamp
) -> ModelEntry:
    """The manifest's entry for the files with these stamps."""
    return ModelEntry(
        kind="signal",
        symbol=task.bars.symbol,
        timeframe=task.bars.timeframe.name,
        classes=CLASSES,
        feature_names=table.feature_names,
        feature_hash=feature_hash(table.feature_names),
        train_cutoff_date=utc_iso(task.cutoff_ms),
        train_cutoff_ms=task.cutoff_ms,
        graph=graph,
        metadata=metadata,
        opset=OPSET,
        onnxruntime_version=RUNTIME_VERSION,
        onnxruntime_options=OPTIONS,
    )
