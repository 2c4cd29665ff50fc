"""`--trials N`: tunes the signal and the position model, each before it is trained."""

import os
from collections.abc import Callable
from dataclasses import replace

from ml.train_inputs import TrainInputs, signal_task, trading_rules
from ml.training.signal_task import Progress
from ml.training.trials import TrialLedger
from ml.tune.command import STORAGE_VARIABLE, words
from ml.tune.study import Outcome, StudyPlan, sqlite_url

Said = Callable[[str], None]
Tuner = Callable[
    [TrainInputs, StudyPlan, TrialLedger, Callable[[Outcome], None]], tuple[TrainInputs, Outcome]
]


def tuned(
    inputs: TrainInputs, kind: str, progress: Progress, said: Said, *, alone: bool = False
) -> TrainInputs:
    """The inputs with the best parameters found for this model, where they beat today's by enough.

    The trials are walk-forward folds on a sample before the cutoff, each in the trial ledger.
    `alone`: no other process works on the study in this machine's file.
    """
    if kind not in TUNERS:
        return inputs
    settings = inputs.settings
    study = settings.ml.study
    shared = os.environ.get(STORAGE_VARIABLE)
    plan = StudyPlan(
        shared or sqlite_url(study.storage_path), inputs.options.trials, settings.ml.training.seed,
        alone=alone and not shared,
    )  # fmt: skip
    made, outcome = TUNERS[kind](
        inputs, plan, TrialLedger(study.ledger_path),
        lambda so_far: progress(f"tuning, {so_far.trials} trials", so_far.trials, plan.trials),
    )  # fmt: skip
    for line in words(outcome):
        said(line)
    rule = {key: value for key, value in (outcome.params or {}).items() if key.startswith("rule.")}
    if outcome.improves and rule:
        said(f"it was found with {rule}: set them in config.json, position_optimization")
    how = (
        f"best of {outcome.trials} trials on a sample before the cutoff; the folds' scores are "
        "those of the winner among that many tries"
        if outcome.improves
        else "today's parameters kept"
    )
    return replace(made, tuning={**inputs.tuning, kind: f"{outcome.study}: {how}"})


def _tune_signal(
    inputs: TrainInputs,
    plan: StudyPlan,
    ledger: TrialLedger,
    heard: Callable[[Outcome], None],
) -> tuple[TrainInputs, Outcome]:
    from ml.tune.signal import search_of, tune_signal

    days = inputs.settings.ml.study.sample_days
    search = search_of(signal_task(inputs), trading_rules(inputs.settings), sample_days=days)
    task, outcome = tune_signal(search, plan, ledger, heard)
    return replace(inputs, params=task.params), outcome


def _tune_position(
    inputs: TrainInputs,
    plan: StudyPlan,
    ledger: TrialLedger,
    heard: Callable[[Outcome], None],
) -> tuple[TrainInputs, Outcome]:
    """Parameters alone: the winner's EXIT rule is the daemon's setting, for a person to change."""
    from ml.tune.position import search_of
    from ml.tune.position_search import proposed
    from ml.tune.study import run_study

    settings = inputs.settings
    search = search_of(inputs, settings.ml.study.sample_rows)
    outcome = run_study(search, plan, ledger, heard)
    if not outcome.improves or outcome.params is None:
        return inputs, outcome
    found = proposed(search.task, outcome.params)["ml_config"]["position_training"]
    today = settings.ml.position_training
    position = type(today).model_validate({**today.model_dump(), **found})
    ml = settings.ml.model_copy(update={"position_training": position})
    return replace(inputs, settings=settings.model_copy(update={"ml": ml})), outcome


TUNERS: dict[str, Tuner] = {"signal": _tune_signal, "position": _tune_position}
