"""Phase tune: better parameters for the signal model, from bars before the cutoff alone.

The study goes on where it stopped, because its name is a hash of all that its score depends on;
it lies where `study.storage` or OPTUNA_STORAGE says.
"""

from ml.train_tuning import tuned
from retrain.candidate import inputs_of
from retrain.phase import PhaseResult, Run

QUICK_TRIALS = 3


def tune(run: Run) -> PhaseResult:
    """`params`: those that phase retrain trains with, today's where none is better by enough."""
    trials = trials_of(run)
    if trials == 0:
        return PhaseResult(words=("weekly.trials is 0",), state="skipped")
    inputs, words = inputs_of(run, trials=trials), list[str]()
    before = inputs.params.by_name
    found = tuned(
        inputs, "signal", lambda step, done, total: run.say(f"signal: {step}"), words.append,
        alone=True,  # the pipeline's lock is held
    )  # fmt: skip
    params = found.params.by_name
    figures = {"params": params, "study": found.tuning["signal"], "changed": params != before}
    return PhaseResult(figures, tuple(words))


def trials_of(run: Run) -> int:
    """`weekly.trials`, few in the quick profile."""
    trials = run.settings.weekly.trials
    return trials if run.options.profile == "full" else min(trials, QUICK_TRIALS)
