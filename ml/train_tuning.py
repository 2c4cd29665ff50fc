"""`--trials N`: tunes the asked models before they are trained."""

import os
from typing import Any

from ml.train_inputs import TrainInputs, signal_task, trading_rules, with_params
from ml.training.trials import TrialLedger


def tuned(inputs: TrainInputs, console: Any) -> TrainInputs:
    """The inputs with the best parameters found, where they beat today's by enough."""
    if "signal" not in inputs.options.kinds:
        return inputs
    from ml.tune.command import STORAGE_VARIABLE, words
    from ml.tune.signal import search_of
    from ml.tune.space import with_values
    from ml.tune.study import StudyPlan, run_study, sqlite_url

    settings = inputs.settings
    study = settings.ml.study
    search = search_of(signal_task(inputs), trading_rules(settings), sample_days=study.sample_days)
    url = os.environ.get(STORAGE_VARIABLE) or sqlite_url(study.storage_path)
    plan = StudyPlan(url, inputs.options.trials, settings.ml.training.seed)
    with console.status("tuning the signal model") as status:
        outcome = run_study(
            search, plan, TrialLedger(study.ledger_path),
            lambda so_far: status.update(f"tuning: {so_far.trials} trials of {plan.trials}"),
        )  # fmt: skip
    for line in words(outcome):
        console.print(line)
    if outcome.params is None or not outcome.improves:
        return with_params(inputs, inputs.params, f"{outcome.study}: today's parameters kept")
    return with_params(
        inputs,
        with_values(inputs.params, outcome.params),
        f"{outcome.study}: best of {outcome.trials} trials on a sample before the cutoff; the "
        "folds' scores are therefore chosen among that many tries",
    )
