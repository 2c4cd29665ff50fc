"""One Optuna study: seeded, resumable, pruned over folds, every trial in the trial ledger.

A study's name ends in a hash of what its objective depends on (data, sample, labels, features,
gate, costs, folds, space), so trials of another objective never mix. The sampler is seeded by the
study's seed and the trial's place among those that were not stopped: a study that was stopped, or
killed (`StudyPlan.alone`), and resumed makes the trials that an uninterrupted one makes.

A trial is written to the ledger before Optuna hears its value; a crash between the two leaves a
row too many, never one too few.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from ml.training.models import TrainingError
from ml.training.trials import TrialLedger
from ml.tune.judge import Judged
from ml.tune.storage import opened, sqlite_url

__all__ = [
    "Outcome",
    "Progress",
    "Search",
    "StudyPlan",
    "outcome",
    "run_study",
    "sqlite_url",
    "study_name",
]

Pruner = Literal["median", "hyperband", "none"]
_PRESENT, _STOPPED, _WHY = "present", "stopped", "why_failed"


class Search(Protocol):
    """What is tuned. `identity`: everything the objective depends on, ready for JSON."""

    @property
    def kind(self) -> str: ...

    @property
    def symbol(self) -> str: ...

    @property
    def data_sha256(self) -> str: ...

    @property
    def n_folds(self) -> int: ...

    def identity(self) -> dict[str, Any]: ...

    def present(self) -> dict[str, float]:
        """Today's parameters: the first trial, which the others must beat."""

    def trial(self, trial: Any) -> Iterator[Judged]:
        """Asks the trial for parameters; after each fold, the figures of all folds so far."""


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """`storage`: a database URL. `trials`: how many the study shall have in all. `alone`: no other
    process works on the study, so trials that still run were left by one that was killed."""

    storage: str
    trials: int
    seed: int
    pruner: Pruner = "median"
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """A study so far. `value` and `params` of the best comparable trial, None without one.

    `trials` finished: complete, `pruned` (those not comparable too) and `failed`.
    `present_value`: the score of today's parameters, None where they were not comparable.
    """

    study: str
    trials: int
    pruned: int
    failed: int
    value: float | None
    params: dict[str, float] | None
    present_value: float | None
    why_failed: str = ""

    @property
    def gain(self) -> float:
        """Of the best over today's parameters; 0 where one of them has no score."""
        both = self.value is not None and self.present_value is not None
        return (self.value or 0.0) - (self.present_value or 0.0) if both else 0.0

    @property
    def improves(self) -> bool:
        """Whether the gain is max(1, 2 % of today's score) at least, as in the retrain gate."""
        return self.gain >= max(1.0, 0.02 * abs(self.present_value or 0.0))


Progress = Callable[[Outcome], None]


def run_study(
    search: Search, plan: StudyPlan, ledger: TrialLedger, progress: Progress = lambda so_far: None
) -> Outcome:
    """Runs trials until the study has `plan.trials` finished ones; goes on where it stopped.

    `progress` hears of every trial. Raises `TrainingError` where the storage cannot be used, or
    where no trial could be made at all.
    """
    import optuna

    # How a trial ended is in the ledger; Optuna would print the traceback of one that was stopped.
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with opened(plan.storage) as storage:
        study = optuna.create_study(
            storage=storage, study_name=study_name(search), direction="maximize",
            load_if_exists=True, pruner=_pruner(plan.pruner, search.n_folds),
        )  # fmt: skip
        study.set_user_attr("identity", search.identity())
        if plan.alone:
            _stop_killed(study)
        if not any(_is_present(each) for each in _trials(study)):
            study.enqueue_trial(search.present(), user_attrs={_PRESENT: True})
        objective = _Objective(search, ledger, study, plan.seed)
        objective.tell_others()
        while (so_far := outcome(study)).trials < plan.trials:
            progress(so_far)
            study.optimize(objective, n_trials=1, catch=(TrainingError,))
        objective.tell_others()
        progress(so_far)
    if so_far.failed == so_far.trials:
        raise TrainingError(f"tuning: all {so_far.trials} trials failed: {so_far.why_failed}")
    return so_far


def study_name(search: Search) -> str:
    text = json.dumps(search.identity(), sort_keys=True, default=str)
    return f"{search.kind}-{search.symbol.lower()}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def outcome(study: Any) -> Outcome:
    """What a study has come to so far. Trials that were stopped do not count."""
    trials = [each for each in _trials(study) if _counts(each)]
    complete = [each for each in trials if each.state.name == "COMPLETE"]
    best = max(complete, key=lambda each: float(each.value), default=None)
    first = next((each for each in complete if _PRESENT in each.user_attrs), None)
    failed = [each for each in trials if each.state.name == "FAIL"]
    return Outcome(
        study=study.study_name,
        trials=len(trials),
        pruned=len(trials) - len(complete) - len(failed),
        failed=len(failed),
        value=None if best is None else best.value,
        params=None if best is None else dict(best.params),
        present_value=None if first is None else first.value,
        why_failed=failed[-1].user_attrs.get(_WHY, "") if failed else "",
    )


class _Objective:
    """Runs one trial, prunes it over folds, and writes it to the ledger however it ends."""

    def __init__(self, search: Search, ledger: TrialLedger, study: Any, seed: int) -> None:
        self._search, self._ledger, self._study, self._seed = search, ledger, study, seed

    def __call__(self, trial: Any) -> float:
        from optuna.samplers import TPESampler

        self._study.sampler = TPESampler(seed=_seed(self._seed, _place(self._study, trial)))
        result: dict[str, Any] = {"state": "stopped"}
        try:
            value = self._value(trial, result)
            result["state"] = "complete"
            return value
        except TrainingError as error:
            result |= {"state": "failed", "why_not": str(error)}
            trial.set_user_attr(_WHY, str(error))
            raise
        except KeyboardInterrupt:
            trial.set_user_attr(_STOPPED, True)
            raise
        finally:
            self._record(trial, result)

    def _value(self, trial: Any, result: dict[str, Any]) -> float:
        """The score after the last fold; `result` holds the figures of the last fold reached."""
        from optuna import TrialPruned

        judged = None
        for fold, judged in enumerate(self._search.trial(trial)):
            result |= {"folds": fold + 1, **judged.as_dict()}
            if judged.provisional is None or fold + 1 == self._search.n_folds:
                continue
            trial.report(judged.provisional, fold)
            if _PRESENT not in trial.user_attrs and trial.should_prune():
                result["state"] = "pruned"
                raise TrialPruned
        if judged is None or judged.score.value is None:
            result["state"] = "not comparable"
            raise TrialPruned
        return judged.score.value

    def tell_others(self) -> None:
        """Writes finished trials that this ledger does not know: other hosts made them, or it is
        another ledger now."""
        # first the trials: each has its row before it is finished
        finished = [each for each in _trials(self._study) if _counts(each)]
        rows = (row.what for row in self._ledger.rows("tune_trial"))
        known = {what.get("trial") for what in rows if what.get("study") == self._study.study_name}
        for trial in finished:
            if trial.number not in known:
                self._record(trial, {"state": "stored", "score": trial.value, "sharpe": None})

    def _record(self, trial: Any, result: dict[str, Any]) -> None:
        search = self._search
        what = {
            "symbol": search.symbol, "model": search.kind, "study": self._study.study_name,
            "trial": trial.number, "seed": self._seed, "params": dict(trial.params),
            "sample": search.identity()["sample"],
        }  # fmt: skip
        self._ledger.record("tune_trial", what=what, data_sha256=search.data_sha256, result=result)


def _trials(study: Any) -> list[Any]:
    return list(study.get_trials(deepcopy=False))


def _counts(trial: Any) -> bool:
    return bool(trial.state.is_finished()) and not _was_stopped(trial)


def _was_stopped(trial: Any) -> bool:
    """By a person, or killed: a trial that failed by itself says why."""
    has_failed = trial.state.name == "FAIL"
    return _STOPPED in trial.user_attrs or (has_failed and _WHY not in trial.user_attrs)


def _is_present(trial: Any) -> bool:
    """Today's parameters, tried or waiting to be."""
    return _PRESENT in trial.user_attrs and (_counts(trial) or trial.state.name == "WAITING")


def _stop_killed(study: Any) -> None:
    """Ends trials that still run: they do not count and are made again."""
    from optuna.trial import TrialState

    for each in _trials(study):
        if each.state == TrialState.RUNNING:
            study.tell(each.number, state=TrialState.FAIL)


def _place(study: Any, trial: Any) -> int:
    """How many trials came before this one, stopped ones aside."""
    before = (each for each in _trials(study) if each.number < trial.number)
    return sum(not _was_stopped(each) for each in before)


def _seed(seed: int, number: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed} {number}".encode()).digest()[:4], "big")


def _pruner(name: Pruner, n_folds: int) -> Any:
    from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner

    if name == "hyperband":
        return HyperbandPruner(min_resource=1, max_resource=n_folds)
    return MedianPruner(n_startup_trials=5) if name == "median" else NopPruner()
