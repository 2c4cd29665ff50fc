"""Phase tune: better parameters for the signal and the position model, from bars before the cutoff.

Each study goes on where it stopped, because its name is a hash of all that its score depends on;
it lies where `study.storage` or OPTUNA_STORAGE says. The position model is tuned on the trades of
the signal model, which is trained for that; phase retrain does not train it again.
"""

from dataclasses import replace

from ml.train_inputs import TrainInputs
from ml.train_tuning import tuned
from ml.training.models import TrainingError
from ml.training.splits import SplitError
from retrain.candidate import inputs_of, kinds_of, trained
from retrain.phase import PhaseResult, Run

QUICK_TRIALS = 3


def tune(run: Run) -> PhaseResult:
    """`params` of the signal model and `position` (settings `position_training`) that phase
    retrain trains with, today's where none is better by enough; `studies` by kind of model."""
    trials = trials_of(run)
    if trials == 0:
        return PhaseResult(words=("weekly.trials is 0",), state="skipped")
    words, before = list[str](), inputs_of(run)
    found = _tuned(run, before, "signal", trials, words)
    if "position" in kinds_of(run):
        trained(found, "signal", run)
        try:
            found = _tuned(run, found, "position", trials, words)
        except (TrainingError, SplitError) as error:
            words.append(f"position: not tuned: {error}")
    params = found.params.by_name
    position = found.settings.ml.position_training
    figures = {
        "params": params,
        "position": position.model_dump(mode="json"),
        "studies": dict(found.tuning),
        "changed": (params, position)
        != (before.params.by_name, before.settings.ml.position_training),
    }
    return PhaseResult(figures, tuple(words))


def trials_of(run: Run) -> int:
    """`weekly.trials`, few in the quick profile."""
    trials = run.settings.weekly.trials
    return trials if run.options.profile == "full" else min(trials, QUICK_TRIALS)


def _tuned(
    run: Run, inputs: TrainInputs, kind: str, trials: int, words: list[str]
) -> TrainInputs:  # fmt: skip
    """The inputs with what is better for that model; their options do not ask to tune again."""
    asked = replace(inputs, options=replace(inputs.options, trials=trials))
    found = tuned(
        asked, kind, lambda step, done, total: run.say(f"{kind}: {step} of {total}"),
        lambda line: words.append(f"{kind}: {line}"),
        alone=True,  # the pipeline's lock is held
    )  # fmt: skip
    return replace(found, options=inputs.options)
