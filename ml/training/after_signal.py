"""What every trainer after the signal model needs: the signal's evidence, and how models are named.

The position, SL/TP and risk models learn from what the signal model said out of fold. That must
be the installed signal model, trained on the same bars and features.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from market.bars import Bars
from ml.features.catalogue import feature_hash, names
from ml.predictors.compat import (
    FileStamp,
    Kind,
    ModelEntry,
    ModelError,
    read_checked,
    read_entry,
    require_features,
)
from ml.predictors.session import OPTIONS, RUNTIME_VERSION
from ml.predictors.settings import ModelPaths
from ml.training.models import TrainingError
from ml.training.oof import OofForecasts, oof_path
from ml.training.signal_metadata import library_versions
from ml.training.signal_task import SignalTraining, utc_iso
from ml.training.trees import OPSET

_SIGNAL = "python train_ml_model.py --ensemble"


@dataclass(frozen=True, slots=True, eq=False)
class SignalEvidence:
    """The bars up to the cutoff, the installed signal model's entry and its forecasts."""

    bars: Bars
    entry: ModelEntry
    oof: OofForecasts


def signal_evidence(task: SignalTraining, paths: ModelPaths) -> SignalEvidence:
    """What the installed signal model said out of fold of the task's bars.

    Raises `TrainingError`, with the command that mends it, where there is no signal model, where
    it has other features or saw other bars, or where its forecasts are missing or another's.
    """
    bars = task.bars.between(int(task.bars.open_ms[0]), task.cutoff_ms)
    try:
        entry = read_entry(paths.manifest, paths.signal.graph)
        require_features(entry, names(task.features.groups))
        metadata = json.loads(read_checked(paths.signal.metadata, entry.metadata))
    except ModelError as error:
        raise TrainingError(f"the signal model comes first: {error}") from error
    if metadata.get("data_sha256") != bars.sha256():
        raise TrainingError(
            f"bars: those that the signal model was trained on are needed "
            f"({metadata.get('source')}, up to {entry.train_cutoff_date}), others came "
            f"({task.source}): give the same --data, --from and --to, or train it again: {_SIGNAL}"
        )
    oof = OofForecasts.load(oof_path(paths, bars.symbol)).require_graph(entry.graph.sha256)
    return SignalEvidence(bars, entry, oof)


def provenance(kind: Kind, task: SignalTraining, evidence: SignalEvidence) -> dict[str, Any]:
    """The metadata that all models after the signal have in common."""
    return {
        "kind": kind,
        "symbol": evidence.bars.symbol,
        "timeframe": evidence.bars.timeframe.name,
        "profile": task.profile,
        "source": task.source,
        "files": task.files,
        "warm_start": False,
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "train_cutoff_date": utc_iso(task.cutoff_ms),
        "train_cutoff_ms": task.cutoff_ms,
        "data_from": utc_iso(int(evidence.bars.open_ms[0])),
        "data_sha256": evidence.bars.sha256(),
        "bars": len(evidence.bars),
        "signal_graph_sha256": evidence.entry.graph.sha256,
        "training": task.training.model_dump(),
        "libraries": library_versions(),
    }


def model_entry(
    kind: Kind,
    task: SignalTraining,
    feature_names: tuple[str, ...],
    graph: FileStamp,
    metadata: FileStamp,
) -> ModelEntry:
    """The manifest's entry of a regression model."""
    return ModelEntry(
        kind=kind,
        symbol=task.bars.symbol,
        timeframe=task.bars.timeframe.name,
        classes=(),
        feature_names=feature_names,
        feature_hash=feature_hash(feature_names),
        train_cutoff_date=utc_iso(task.cutoff_ms),
        train_cutoff_ms=task.cutoff_ms,
        graph=graph,
        metadata=metadata,
        opset=OPSET,
        onnxruntime_version=RUNTIME_VERSION,
        onnxruntime_options=OPTIONS,
    )
