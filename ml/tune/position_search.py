"""The position model as a search: parameters and EXIT rule in, traded folds out.

Trades are opened by the signal model's out-of-fold forecasts through the gate, and managed by each
walk-forward fold's own position model on that fold's test part. So no forecast has seen the bar it
is asked about. The sample is the trainer's own: trades spread over the whole time before the
cutoff, at most `max_rows` rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from backtest.columns import decided_bars
from backtest.driver import BacktestRun, Rules, run_backtest
from market.bars import Float64s, Int64s, utc_text
from ml.features.catalogue import names
from ml.features.matrix import feature_matrix
from ml.features.position import position_names
from ml.predictors.position import PositionPredictions
from ml.predictors.session import open_session, run_rows
from ml.training.after_signal import SignalEvidence
from ml.training.classes import POSITION
from ml.training.fitting import fit_ensemble
from ml.training.models import EnsembleParams, model_params, require_constraints
from ml.training.position_table import PositionTable
from ml.training.position_trainer import PositionTraining, fold_rows, training_rows
from ml.training.splits import Fold
from ml.tune.judge import Judged, forecasts_of, judge
from ml.tune.space import VERSION, Span, Suggests, present, suggested, with_values
from trading.advice import BesideModels
from trading.decision.management_settings import PositionOptimization
from trading.decision.settings import DecisionSettings
from trading.forecasts import ForecastColumns

# When the model's EXIT is believed: `position_optimization` of config.json.
RULE = {
    "exit_threshold": Span(0.4, 0.95),
    "min_prob_diff": Span(0.0, 0.5),
    "min_bars_held": Span(1, 24, whole=True),
}


class FoldModel:
    """One fold's graph, asked as the daemon asks the installed model."""

    def __init__(self, graph: bytes) -> None:
        self._session = open_session(graph)

    def predict(self, rows: Float64s) -> PositionPredictions:
        """Rows (n, k) of `position_names`."""
        return PositionPredictions(*run_rows(self._session, rows.astype(np.float32)))


@dataclass(frozen=True)
class PositionSearch:
    """`evidence`: what the installed signal model said out of fold; `rules`: account and costs."""

    task: PositionTraining
    evidence: SignalEvidence
    rules: Rules

    @property
    def kind(self) -> str:
        return "position"

    @property
    def symbol(self) -> str:
        return self.evidence.bars.symbol

    @property
    def n_folds(self) -> int:
        return self.task.signal.n_splits

    @property
    def data_sha256(self) -> str:
        return self.evidence.bars.sha256()

    @cached_property
    def table(self) -> PositionTable:
        return training_rows(self.task, self.evidence)

    @cached_property
    def folds(self) -> list[Fold]:
        return fold_rows(self.task, self.table)

    @cached_property
    def spans_ms(self) -> list[tuple[int, int]]:
        """Each fold's test part, from its first decision to the next one's; the last one's to the
        last forecast."""
        open_ms, of = self.evidence.bars.open_ms, self.table.of
        first = [int(of.bar[fold.test[0]] - of.bars_held[fold.test[0]]) for fold in self.folds]
        edges = [*(int(open_ms[row]) for row in first), int(self.evidence.oof.open_ms[-1])]
        return list(pairwise(edges))

    @cached_property
    def columns(self) -> ForecastColumns:
        """The signal's forecasts with the features of every bar from the first of them on."""
        bars, oof, signal = self.evidence.bars, self.evidence.oof, self.task.signal
        rows: Int64s = np.searchsorted(bars.open_ms, oof.open_ms)
        features = feature_matrix(
            bars, groups=signal.features.groups, round_step=signal.instrument.round_step,
            calendar=signal.calendar, onchain=signal.onchain, first_row=int(rows[0]),
        )  # fmt: skip
        return forecasts_of(
            bars, rows, oof.probabilities, oof.votes, names(signal.features.groups), features
        )

    def identity(self) -> dict[str, Any]:
        task, bars = self.task, self.evidence.bars
        return {
            "sample": {
                "from": utc_text(int(bars.open_ms[0])),
                "to": utc_text(task.signal.cutoff_ms),
                "data_sha256": self.data_sha256,
                "rows": len(self.table),
                "trades": self.table.trades,
                "m1_sha256": None if task.m1 is None else task.m1.sha256(),
            },
            "signal_graph_sha256": self.evidence.entry.graph.sha256,
            "labeling": task.settings.model_dump(mode="json"),
            "training": task.signal.training.model_dump(mode="json"),
            "profile": task.signal.profile,
            "rules": self._decision(PositionOptimization()).model_dump(mode="json"),
            "costs": self.rules.paper.model_dump(mode="json"),
            "space": VERSION,
        }

    def present(self) -> dict[str, float]:
        signal = self.task.signal
        today = present(self.task.settings.params, signal.profile, signal.training.seed)
        rule = self.task.decision.position_optimization
        return today | {
            f"rule.{name}": span.clip(getattr(rule, name)) for name, span in RULE.items()
        }

    def trial(self, trial: Suggests) -> Iterator[Judged]:
        """Figures of all folds so far, after each fold."""
        chosen = suggested(trial, self.task.settings.params)
        asked = {name: span.suggest(trial, f"rule.{name}") for name, span in RULE.items()}
        decision = self._decision(PositionOptimization.model_validate(asked))
        runs: list[BacktestRun] = []
        for fold, span_ms in zip(self.folds, self.spans_ms, strict=True):
            runs.append(self._run(decision, FoldModel(self._graph(fold, chosen)), span_ms))
            yield judge(runs, seed=self.task.signal.training.seed)

    def without_model(self) -> Judged:
        """The same trades with no position model at all: what the model must beat."""
        decision = self._decision(self.task.decision.position_optimization)
        runs = [self._run(decision, None, span_ms) for span_ms in self.spans_ms]
        return judge(runs, seed=self.task.signal.training.seed)

    def _graph(self, fold: Fold, chosen: EnsembleParams) -> bytes:
        signal = self.task.signal
        made = model_params(chosen, signal.profile, signal.training.seed)
        require_constraints(made, position_names(signal.features.groups))
        return fit_ensemble(
            self.table, fold.base, fold.calibration, signal.devices.applied(made),
            signal.training.recency_half_life_days, classes=POSITION,
        ).graph  # fmt: skip

    def _decision(self, rule: PositionOptimization) -> DecisionSettings:
        """The settings that trade, with exits by the position model and no other model."""
        today = self.task.decision
        managed = today.ml_active_management.model_copy(update={"enabled": True})
        return today.model_copy(
            update={
                "position_optimization": rule,
                "ml_active_management": managed,
                "dynamic_sltp": today.dynamic_sltp.model_copy(update={"use_model": False}),
            }
        )

    def _run(
        self, decision: DecisionSettings, model: FoldModel | None, span_ms: tuple[int, int]
    ) -> BacktestRun:
        bars = decided_bars(
            self.evidence.bars, self.columns, decision.prediction.quantile,
            from_ms=span_ms[0], to_ms=span_ms[1], m1=self.task.m1,
        )  # fmt: skip
        models = BesideModels(position=model, minutes=self.task.m1 is not None)
        return run_backtest(bars, replace(self.rules, decision=decision, models=models))


def proposed(task: PositionTraining, values: dict[str, float]) -> dict[str, Any]:
    """Sections of ml_config.json and config.json that hold a trial's values."""
    rule = {name: values[f"rule.{name}"] for name in RULE}
    params = {key: value for key, value in values.items() if not key.startswith("rule.")}
    by_model = with_values(task.settings.params, params).by_name
    return {
        "ml_config": {
            "position_training": {f"{model}_params": given for model, given in by_model.items()}
        },
        "config": {"position_optimization": rule},
    }
