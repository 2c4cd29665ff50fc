"""The signal model as a search: parameters in, out-of-fold trades out.

The sample is the last days before the cutoff. Each fold trains behind purge and embargo as
training does, its graph forecasts the test part, and all forecasts so far are traded through the
gate with costs. Nothing at or after the cutoff is looked at.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from backtest.driver import Rules
from market.bars import Bars, utc_text
from ml.features.catalogue import LOOKBACK_MS, feature_hash
from ml.training.models import model_params
from ml.training.signal import signal_table
from ml.training.signal_folds import TestedFold, folds_of, tested_fold
from ml.training.signal_task import DAY_MS, SignalTraining
from ml.training.splits import Fold
from ml.training.table import TrainingTable
from ml.training.trials import TrialLedger
from ml.tune.judge import Judged, forecasts_of, judge, trade_forecasts
from ml.tune.space import VERSION, Suggests, present, suggested, with_values
from ml.tune.study import Outcome, Progress, StudyPlan, run_study


@dataclass(frozen=True)
class SignalSearch:
    """`rules`: account, costs and gate that the forecasts are traded by. `sample_days`: the days
    before the cutoff whose rows are used, 0 for all; the features' warm-up comes before them."""

    task: SignalTraining
    rules: Rules
    sample_days: int

    @property
    def kind(self) -> str:
        return "signal"

    @property
    def symbol(self) -> str:
        return self.task.bars.symbol

    @property
    def n_folds(self) -> int:
        return self.task.n_splits

    @property
    def from_ms(self) -> int:
        """Where the sample's rows begin."""
        whole_ms, days_ms = int(self.task.bars.open_ms[0]), self.sample_days * DAY_MS
        return whole_ms if self.sample_days == 0 else max(whole_ms, self.task.cutoff_ms - days_ms)

    @cached_property
    def bars(self) -> Bars:
        """The sample with its warm-up."""
        first_ms = int(self.task.bars.open_ms[0])
        return self.task.bars.between(
            max(first_ms, self.from_ms - LOOKBACK_MS), self.task.cutoff_ms
        )

    @cached_property
    def table(self) -> TrainingTable:
        made = signal_table(self.task, self.bars)
        return made.only(made.open_ms >= self.from_ms)

    @cached_property
    def data_sha256(self) -> str:
        return self.bars.sha256()

    @cached_property
    def folds(self) -> list[Fold]:
        return folds_of(self.task, self.table)

    def identity(self) -> dict[str, Any]:
        task = self.task
        return {
            "sample": {
                "from": utc_text(self.from_ms),
                "to": utc_text(task.cutoff_ms),
                "data_sha256": self.data_sha256,
                "files": task.files,
                "regime": task.regime,
            },
            "features": feature_hash(self.table.feature_names),
            "labeling": task.labels.model_dump(mode="json"),
            "training": task.training.model_dump(mode="json"),
            "fixed_params": task.params.by_name,
            "profile": task.profile,
            "rules": self.rules.decision.model_dump(mode="json"),
            "costs": self.rules.paper.model_dump(mode="json"),
            "space": VERSION,
        }

    def present(self) -> dict[str, float]:
        return present(self.task.params, self.task.profile, self.task.training.seed)

    def trial(self, trial: Suggests) -> Iterator[Judged]:
        """Figures of all folds so far, after each fold."""
        task = self.task
        made = model_params(suggested(trial, task.params), task.profile, task.training.seed)
        params = task.devices.applied(made)
        tested: list[TestedFold] = []
        for fold in self.folds:
            tested.append(tested_fold(task, self.table, fold, params))
            yield self._judged(tested)

    def _judged(self, tested: list[TestedFold]) -> Judged:
        """Trades of the folds so far; the last ones may run on for the label's horizon."""
        rows = self.table.bar[np.concatenate([each.test for each in tested])]
        last = min(int(rows[-1]) + self.task.labels.lookahead_candles + 1, len(self.bars))
        bars = self.bars.rows(0, last)
        forecasts = forecasts_of(
            bars,
            rows,
            np.concatenate([each.probabilities for each in tested]),
            np.concatenate([each.votes for each in tested]),
            self.table.feature_names,
        )
        run = trade_forecasts(bars, forecasts, self.rules)
        return judge([run], seed=self.task.training.seed)


def search_of(task: SignalTraining, rules: Rules, *, sample_days: int) -> SignalSearch:
    """A search over a training task."""
    return SignalSearch(task, rules, sample_days)


def tune_signal(
    search: SignalSearch, plan: StudyPlan, ledger: TrialLedger,
    progress: Progress = lambda so_far: None,
) -> tuple[SignalTraining, Outcome]:  # fmt: skip
    """Runs the study; the task with the best parameters where they improve enough, else the same
    task, and what the study came to."""
    made = run_study(search, plan, ledger, progress)
    if not made.improves or made.params is None:
        return search.task, made
    return replace(search.task, params=with_values(search.task.params, made.params)), made
