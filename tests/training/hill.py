"""A search of a second's fraction, with a known best place, for tests of studies."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backtest.statistics import Interval, Score, Sharpe
from ml.training.models import TrainingError
from ml.training.trials import TrialLedger
from ml.tune.judge import Judged
from ml.tune.study import StudyPlan, run_study


def figures(value: float | None, trades: int = 150) -> Judged:
    why = "" if value is not None else f"{trades} trades; fewer than 100 are not comparable"
    provisional = None if value is None else value
    return Judged(
        Score(value, 1.1, 0.05, trades, why), provisional, Sharpe(1.0, 0.5, 90),
        Interval(0.5, 0.4, 0.6), 1.1, 10.0,
    )  # fmt: skip


@dataclass
class Hill:
    """The score is highest at x = 0.7; each fold sees a little more of it.

    `no_trades_below`: an x from which on trades are too few to compare; `fails_above`: one whose
    training fails; `stop_at`: the trial that a person stops.
    """

    no_trades_below: float = -1.0
    fails_above: float = 2.0
    stop_at: int = -1
    extra: str = ""
    kind: str = "signal"
    symbol: str = "BTCUSD"
    data_sha256: str = "d" * 64
    n_folds: int = 3

    def identity(self) -> dict[str, Any]:
        return {"sample": {"days": 100}, "extra": self.extra}

    def present(self) -> dict[str, float]:
        return {"rf.x": 0.2}

    def trial(self, trial: Any) -> Iterator[Judged]:
        x = trial.suggest_float("rf.x", 0.0, 1.0)
        if x > self.fails_above:
            raise TrainingError(f"rf_params: {x:.2f} is too large")
        for fold in range(self.n_folds):
            if trial.number == self.stop_at and fold == 1:
                raise KeyboardInterrupt
            value = 10 - 100 * (x - 0.7) ** 2 - 0.1 * (self.n_folds - fold)
            yield figures(None if x < self.no_trades_below else value)


if __name__ == "__main__":
    url, folder, trials = sys.argv[1:]
    made = run_study(
        Hill(), StudyPlan(url, int(trials), 7), TrialLedger(Path(folder) / "trials.sqlite")
    )
    print(made.trials)
