"""Trains the asked models in their order, and writes what is known about each."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ml.predictors.compat import ModelError, read_entry, read_manifest
from ml.predictors.settings import PROJECT_ROOT, ModelFiles, ModelPaths
from ml.train_inputs import TrainInputs, data_files, signal_task
from ml.train_options import ORDER
from ml.training.card import (
    Code,
    ModelCard,
    Recipe,
    card_path,
    code_version,
    data_file,
    model_card,
    write_card,
)
from ml.training.card_page import card_markdown
from ml.training.devices import CPU
from ml.training.models import DeviceError
from ml.training.oof import oof_path
from ml.training.signal_task import Progress
from ml.training.trials import TrialLedger

Trainer = Callable[[TrainInputs, ModelPaths, Progress], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """One model that was trained: its metadata, card and where both lie."""

    kind: str
    metadata: dict[str, Any]
    card: ModelCard
    card_file: Path
    seconds: float


def train_models(
    inputs: TrainInputs,
    progress_of: Callable[[str], Progress],
    said: Callable[[str], None] = lambda line: None,
) -> Iterator[TrainedModel]:
    """Trains `options.kinds` in order; each is installed, ledgered and carded before the next.

    `said` hears of a GPU that failed after all; the rest is then trained on the CPU.
    """
    ledger = TrialLedger(inputs.settings.ml.study.ledger_path)
    code = code_version(PROJECT_ROOT)
    for kind in inputs.options.kinds:
        started_s = time.monotonic()
        progress = progress_of(kind)
        if inputs.options.trials:
            inputs = _tuned_inputs(inputs, kind, progress, said)
        inputs, metadata = _trained(inputs, kind, progress, said)
        seconds = time.monotonic() - started_s
        yield _written(inputs, kind, metadata, ledger, code, seconds)


def _tuned_inputs(
    inputs: TrainInputs, kind: str, progress: Progress, said: Callable[[str], None]
) -> TrainInputs:
    from ml.train_tuning import tuned

    return tuned(inputs, kind, progress, said)


def _trained(
    inputs: TrainInputs, kind: str, progress: Progress, said: Callable[[str], None]
) -> tuple[TrainInputs, dict[str, Any]]:
    """The metadata, and the inputs with the devices that worked."""
    try:
        return inputs, TRAINERS[kind](inputs, inputs.paths, progress)
    except DeviceError as error:
        if inputs.options.device != "auto":
            raise
        said(f"devices: {error}; training on the CPU instead")
        inputs = replace(inputs, devices=CPU)
        return inputs, TRAINERS[kind](inputs, inputs.paths, progress)


def _written(
    inputs: TrainInputs,
    kind: str,
    metadata: dict[str, Any],
    ledger: TrialLedger,
    code: Code,
    seconds: float,
) -> TrainedModel:
    graph = files_of(inputs.paths, kind).graph
    ledger.record(
        "train",
        what={
            "model": kind,
            "symbol": metadata["symbol"],
            "profile": metadata["profile"],
            "regime": inputs.options.regime,
            "seed": inputs.settings.ml.training.seed,
            "params": metadata.get("params", {}),
            "labeling": metadata.get("labeling", {}),
            "feature_hash": metadata["feature_hash"],
            "train_cutoff": metadata["train_cutoff_date"],
            "train_cutoff_ms": metadata["train_cutoff_ms"],
            "graph_sha256": hashlib.sha256(graph.read_bytes()).hexdigest(),
        },
        data_sha256=metadata["data_sha256"],
        result={"state": "complete", "walk_forward": metadata["walk_forward"]},
    )
    card = model_card(
        metadata,
        graph=graph,
        recipe=recipe_of(inputs, kind),
        code=code,
        trials_so_far=ledger.count(symbol=metadata["symbol"]),
        seconds=seconds,
    )
    path = card_path(graph)
    write_card(card, path, card_markdown(card))
    return TrainedModel(kind, metadata, card, path, seconds)


def recipe_of(inputs: TrainInputs, kind: str) -> Recipe:
    """How to make this model again: its predecessors too, because it learned from them."""
    options, settings = inputs.options, inputs.settings
    ml = settings.ml.model_copy(
        update={
            "features": settings.ml.features.model_copy(update={"calendar": None, "onchain": None})
        }
    )
    files = data_files(inputs)
    return Recipe(
        kinds=_predecessors(inputs, kind),
        symbol=settings.symbol,
        profile=options.profile,
        regime=options.regime,
        device=_device(inputs),
        from_ms=options.from_ms,
        to_ms=options.to_ms,
        bars=None if options.data is None else data_file(options.data, PROJECT_ROOT),
        m1=None if options.m1 is None else data_file(options.m1, PROJECT_ROOT),
        files={name: data_file(path, PROJECT_ROOT) for name, path in files.items()},
        settings={
            "ml": ml.model_dump(mode="json", exclude={"paths"}) | _tuned(inputs),
            "decision": settings.decision.model_dump(mode="json"),
            "paper": settings.paper.model_dump(mode="json"),
        },
    )


def _predecessors(inputs: TrainInputs, kind: str) -> Any:
    """The model and those whose words it learned from, in order."""
    if kind == "signal":
        return ("signal",)
    if kind == "risk" and inputs.settings.decision.dynamic_sltp.use_model:
        return ("signal", "sltp", "risk")
    return ("signal", kind)


def _device(inputs: TrainInputs) -> str:
    """What a reproduction must ask for to get the same devices."""
    return "cpu" if set(inputs.devices.by_name.values()) == {"cpu"} else "cuda"


def _tuned(inputs: TrainInputs) -> dict[str, Any]:
    """The parameters that were trained with, which tuning may have found."""
    return {f"{name}_params": params for name, params in inputs.params.by_name.items()}


def files_of(paths: ModelPaths, kind: str) -> ModelFiles:
    files: ModelFiles = getattr(paths, kind)
    return files


def _train_signal(inputs: TrainInputs, paths: ModelPaths, progress: Progress) -> dict[str, Any]:
    from ml.training.signal import train_signal

    return train_signal(signal_task(inputs), paths, progress)


def _train_position(inputs: TrainInputs, paths: ModelPaths, progress: Progress) -> dict[str, Any]:
    from ml.training.position_task import PositionTraining
    from ml.training.position_trainer import train_position

    settings = inputs.settings
    task = PositionTraining(
        signal=signal_task(inputs),
        decision=settings.decision,
        settings=settings.ml.position_training,
        m1=inputs.m1,
        m1_source="" if inputs.options.m1 is None else inputs.options.m1.name,
    )
    return train_position(task, paths, progress)


def _train_sltp(inputs: TrainInputs, paths: ModelPaths, progress: Progress) -> dict[str, Any]:
    from ml.training.sltp_trainer import SltpTraining, train_sltp

    static = inputs.settings.decision.dynamic_sltp
    task = SltpTraining(
        signal_task(inputs),
        (static.sl_atr_multiplier, static.tp_atr_multiplier),
        inputs.settings.ml.sltp_training,
    )
    return train_sltp(task, paths, progress)


def _train_risk(inputs: TrainInputs, paths: ModelPaths, progress: Progress) -> dict[str, Any]:
    from ml.training.risk_task import RiskTraining
    from ml.training.risk_trainer import train_risk

    settings = inputs.settings
    task = RiskTraining(
        signal_task(inputs), settings.decision, settings.paper, settings.ml.risk_training,
        settings.ml.sltp_training,
    )  # fmt: skip
    return train_risk(task, paths, progress)


TRAINERS: Mapping[str, Trainer] = {
    "signal": _train_signal, "position": _train_position, "sltp": _train_sltp, "risk": _train_risk,
}  # fmt: skip


def of_another_signal(paths: ModelPaths) -> list[str]:
    """Kinds whose installed model learned from another signal model than the installed one."""
    try:
        installed = read_entry(paths.manifest, paths.signal.graph).graph.sha256
        listed = read_manifest(paths.manifest).models
    except ModelError:
        return []
    found = []
    for kind in ORDER[1:]:
        files = files_of(paths, kind)
        if files.graph.name in listed and files.metadata.is_file():
            metadata = json.loads(files.metadata.read_text(encoding="utf-8"))
            if metadata.get("signal_graph_sha256") != installed:
                found.append(kind)
    return found


def write_training_report(inputs: TrainInputs, made: Sequence[TrainedModel], console: Any) -> None:
    """The HTML report of what was trained, beside the models or where it was asked for.

    What the signal model looks at (SHAP) is worked out first, but not on the generated market.
    """
    from ml.shap_analysis import SUMMARY, explain_signal
    from ml.training.report import write_report

    folder = inputs.paths.graph.parent
    if inputs.options.data is not None and any(each.kind == "signal" for each in made):
        study = inputs.settings.ml.study
        explain_signal(inputs, study.shap_rows, study.prune_below)
    path = inputs.options.report or folder / "training_report.html"
    write_report(
        path,
        [each.metadata for each in made],
        oof=oof_path(inputs.paths, inputs.settings.symbol),
        shap_summary=folder / SUMMARY,
        trials=made[-1].card.trials_so_far,
        notes=inputs.notes,
    )
    console.print(f"report: {path}")
