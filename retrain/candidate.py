"""Trains the candidate's models into the run's own folder (phase retrain).

Each model is of the rows before the cutoff alone. One that was finished for the same recipe, by
the same code, is not trained again, so a killed run goes on with the next model.
"""

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ml.predictors.compat import FileStamp, ModelError, read_entry
from ml.predictors.settings import PROJECT_ROOT
from ml.train_inputs import TrainInputs, read_inputs
from ml.train_options import ORDER, TrainOptions
from ml.train_pipeline import TrainedModel, files_of, recipe_of, train_models
from ml.training import summary
from ml.training.card import ModelCard, card_path, code_version, read_card
from ml.training.models import EnsembleParams, TrainingError
from ml.training.splits import SplitError
from retrain.errors import PhaseFailed
from retrain.phase import PhaseResult, Run
from retrain.window import files_of as market_files
from retrain.window import market, settings_of, window

if TYPE_CHECKING:
    from ml.training.study_settings import StudySettings


def retrain(run: Run) -> PhaseResult:
    """Trains the models of the options' kinds, with the parameters that phase tune has found.

    A model beside the signal model that cannot be had is left out, and said. `PhaseFailed` without
    a signal model.
    """
    inputs = tuned_inputs(run)
    made: list[TrainedModel] = []
    words: list[str] = []
    for kind in kinds_of(run):
        try:
            made.append(trained(tuned_inputs(run, kind), kind, run))
        except (TrainingError, SplitError) as error:
            if kind == "signal":
                raise PhaseFailed(f"the signal model cannot be trained: {error}") from error
            words.append(f"{kind} model: left out: {error}")
    _write_report(inputs, made)
    cutoff = made[0].metadata["train_cutoff_date"]
    words = [*(summary.words(each.metadata)[0] for each in made), *words]
    figures = {
        "graphs": {each.kind: each.card.graph.sha256 for each in made},
        "train_cutoff_date": cutoff,
        "seconds": {each.kind: each.seconds for each in made},
        "left_out": [kind for kind in kinds_of(run) if kind not in {each.kind for each in made}],
    }
    return PhaseResult(figures, tuple(words))


def kinds_of(run: Run) -> tuple[str, ...]:
    """The models to train, in the order that works; always with the signal model."""
    asked = run.options.kinds or ORDER
    return tuple(kind for kind in ORDER if kind == "signal" or kind in asked)


def inputs_of(run: Run) -> TrainInputs:
    """What training reads: audited bars before the cutoff, M1 bars likewise."""
    files, options, of = market_files(run), run.options, window(run)
    market(run)  # refuses a file that was changed meanwhile
    asked = TrainOptions(
        kinds=kinds_of(run), symbol=run.symbol, profile=options.profile, from_ms=of.from_ms,
        to_ms=of.cutoff_ms, data=files.data, m1=files.m1, calendar=options.calendar,
        onchain=files.onchain, models=run.candidate, warm_start=False,
    )  # fmt: skip
    return read_inputs(asked, settings_of(run))


def tuned_inputs(run: Run, kind: str = "signal") -> TrainInputs:
    """`inputs_of` with what phase tune has found for that model.

    The signal model keeps today's `position_training`, which was in force when it was trained.
    """
    inputs, told = inputs_of(run), run.result("tune")
    if not told.get("params"):
        return inputs
    inputs = replace(
        inputs, params=EnsembleParams(**told["params"]), tuning=dict(told["studies"])
    )  # fmt: skip
    return inputs if kind == "signal" else _with_position(inputs, told["position"])


def _with_position(inputs: TrainInputs, told: dict[str, Any]) -> TrainInputs:
    ml = inputs.settings.ml
    position = type(ml.position_training).model_validate(told)
    ml = ml.model_copy(update={"position_training": position})
    return replace(inputs, settings=inputs.settings.model_copy(update={"ml": ml}))


def trained(inputs: TrainInputs, kind: str, run: Run) -> TrainedModel:
    """The model of that kind, trained now or before."""
    if (kept := finished(inputs, kind)) is not None:
        run.say(f"{kind} model: trained before")
        return kept
    if kind == "signal":
        shutil.rmtree(run.candidate, ignore_errors=True)  # all else in it is of another one
    run.say(f"{kind} model: training")
    one = replace(inputs, options=replace(inputs.options, kinds=(kind,)))
    (made,) = train_models(one, lambda _: lambda step, done, total: None, run.say)
    run.say(f"{kind} model: trained in {made.seconds:.0f} s")
    return made


def finished(inputs: TrainInputs, kind: str) -> TrainedModel | None:
    """A model of the same recipe and code whose files are whole; None where there is none."""
    paths = inputs.paths
    graph = files_of(paths, kind).graph
    path = card_path(graph)
    try:
        card, entry = read_card(path), read_entry(paths.manifest, graph)
    except (TrainingError, ModelError):
        return None
    if not graph.is_file() or not FileStamp.of(graph) == entry.graph == card.graph:
        return None
    if card.recipe != recipe_of(inputs, kind) or not _is_of_this_code(card):
        return None
    signal = read_entry(paths.manifest, paths.signal.graph).graph.sha256
    if card.trained.get("signal_graph_sha256", signal) != signal:
        return None
    return TrainedModel(kind, card.trained, card, path, card.seconds)


def explain(inputs: TrainInputs, study: "StudySettings") -> dict[str, Any]:
    """The SHAP summary of the candidate's signal model, made where it is not there yet."""
    from ml.shap_analysis import SUMMARY, explain_signal

    path = inputs.paths.graph.parent / SUMMARY
    graph = FileStamp.of(inputs.paths.graph).sha256
    if path.is_file():
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["signal"]
        if kept["graph_sha256"] == graph:
            return kept
    rows = study.shap_rows if inputs.options.profile == "full" else min(1000, study.shap_rows)
    explain_signal(inputs, rows, study.prune_below)
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["signal"]
    return told


def _write_report(inputs: TrainInputs, made: list[TrainedModel]) -> None:
    from ml.shap_analysis import SUMMARY
    from ml.training.oof import oof_path
    from ml.training.report import write_report

    explain(inputs, inputs.settings.ml.study)
    folder = inputs.paths.graph.parent
    write_report(
        folder / "training_report.html", [each.metadata for each in made],
        oof=oof_path(inputs.paths, inputs.settings.symbol), shap_summary=folder / SUMMARY,
        trials=made[-1].card.trials_so_far, notes=inputs.notes,
    )  # fmt: skip


def _is_of_this_code(card: ModelCard) -> bool:
    return card.code.sources_sha256 == code_version(PROJECT_ROOT).sources_sha256
