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


def tuned(inputs: TrainInputs, kind: str, progress: Progress, said: Said) -> TrainInputs:
    """The inputs with the best parameters found for this model, where they beat today's by enough.

    The trials are walk-forward folds on a sample before the cutoff, each in the trial ledger.
    """
    if kind not in TUNERS:
        return inputs
    settings = inputs.settings
    study = settings.ml.study
    url = os.environ.get(STORAGE_VARIABLE) or sqlite_url(study.storage_path)
    plan = StudyPlan(url, inputs.options.trials, settings.ml.training.seed)
    made, outcome = TUNERS[kind](
        inputs, plan, TrialLedger(study.ledger_path),
        lambda so_far: progress(f"tuning, {so_far.trials} trials", so_far.trials, plan.trials),
    )  # fmt: skip
    for line in words(outcome):
        said(line)
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


TUNERS: dict[str, Tuner] = {"signal": _tune_signal}
