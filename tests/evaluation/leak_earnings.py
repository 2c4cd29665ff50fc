"""What a leak seems to earn where nothing stops it: audits off, then the backtest on real bars."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from backtest import forecasts
from backtest.checks.lookahead import FullRun, cut_rows, lookahead
from backtest.checks.pipeline import Pipeline
from backtest.driver import BacktestRun
from backtest.gates import Verdict, verdict
from backtest.gates.go_live import GoLiveFigures
from backtest.rules import Rules
from backtest.statistics import TrialSharpes, profit_factor
from broker.simulator.settings import PaperSettings
from market.bars import Bars
from ml.features.settings import FeatureSettings
from ml.predictors.model_set import load_models
from ml.predictors.settings import ModelPaths
from ml.training import signal, signal_folds, table
from ml.training.models import EnsembleParams
from ml.training.settings import LabelSettings, TrainingSettings
from ml.training.signal import train_signal
from tests.evaluation.planted_leaks import BTC, GROUPS, Features, honest
from tests.evaluation.planted_runs import GATE, measured, net_of
from tests.training.tables import make_task
from trading.decision.settings import DecisionSettings

FEATURES = FeatureSettings(groups=GROUPS)
# Deep enough to learn bars by heart, as the seeds' own models could.
DEEP = EnsembleParams(
    rf={"n_estimators": 100, "max_leaf_nodes": 256, "min_samples_leaf": 5},
    xgb={"n_estimators": 100, "max_depth": 8, "learning_rate": 0.15, "min_child_weight": 1.0},
    lgb={"n_estimators": 100, "num_leaves": 127, "learning_rate": 0.15, "min_child_samples": 5},
)
# Leaves of a size that honest features cannot fill with noise.
PLAIN = EnsembleParams(
    rf={"n_estimators": 90}, xgb={"n_estimators": 90, "learning_rate": 0.08},
    lgb={"n_estimators": 90, "learning_rate": 0.08},
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Earned:
    """What the report would say (`alarms`) of the first window, what the lookahead check names
    first, and what the gate says of every window (`said`)."""

    trades_a_day: float
    win_rate: float
    profit_factor: float
    alarms: tuple[str, ...]
    named: str
    said: Counter[str]

    @property
    def too_good(self) -> tuple[str, ...]:
        """The alarms, but for that of too few trades."""
        return tuple(each for each in self.alarms if "fewer than" not in each)

    @property
    def line(self) -> str:
        by = [*(["alarm"] if self.too_good else []), *([self.named] if self.named else [])]
        return (
            f"{self.trades_a_day:5.2f} a day, won {self.win_rate:6.1%}, "
            f"PF {self.profit_factor:7.2f}, caught by {' and '.join(by) or 'nothing'}; "
            f"windows: {', '.join(f'{many} {what}' for what, many in self.said.most_common())}"
        )


@contextmanager
def leaking(
    bars: Bars, folder: Path, *, cutoff_ms: int,
    features: Features = honest, params: EnsembleParams = PLAIN,
    final_split: Callable[..., Any] | None = None, tp: float = 1.0,
) -> Iterator[Pipeline]:  # fmt: skip
    """A pipeline trained before `cutoff_ms` that decides at confidence 0.65 and gap 0.08.

    Features leak as long as the context is open.
    """
    paths = ModelPaths().in_folder(folder)
    task = make_task(
        bars, features=FEATURES, params=params, cutoff_ms=cutoff_ms,
        labels=LabelSettings(atr_tp_mult=tp),
        training=TrainingSettings(n_splits=1, calibration_days=60),
    )  # fmt: skip
    with _unwatched(features, final_split):
        train_signal(task, paths)
        models = load_models(paths, FEATURES)
        yield Pipeline(models.signal, GROUPS, Rules(BTC, _decision(tp), PaperSettings(), 7719))


def earned(bars: Bars, folder: Path, *, windows: Sequence[tuple[int, int]], **how: Any) -> Earned:
    """Decides each window [from, to), every time on a fresh account; `how` is for `leaking`."""
    with leaking(bars, folder, **how) as pipeline:
        runs = [pipeline.run(bars, from_ms=from_ms, to_ms=to_ms) for from_ms, to_ms in windows]
        lines = tuple(runs[0].lines())
        full = FullRun(bars, runs[0].bars.first, runs[0].bars.forecasts, lines)
        rows = cut_rows(full, count=3, seed=2)
        named = next((each.name for each in lookahead(pipeline, full, rows)), "")
    return _earned(runs, windows[0], named)


def _earned(runs: Sequence[BacktestRun], first: tuple[int, int], named: str) -> Earned:
    figures = [measured(run, TrialSharpes.of([], count=1)) for run in runs]
    net, days = net_of(runs[0]), (first[1] - first[0]) / 86_400_000
    return Earned(
        len(net) / days, float((net > 0).mean()) if len(net) else np.nan, profit_factor(net),
        figures[0].alarms, named, Counter(_said(each) for each in figures),
    )  # fmt: skip


def _said(figures: GoLiveFigures) -> str:
    """The verdict; too few trades are told apart from what is too good."""
    found = verdict(figures, GATE)
    few_alone = all("fewer than" in each for each in figures.alarms)
    return "too few trades" if found is Verdict.ALARM and few_alone else found.value


def _decision(tp: float) -> DecisionSettings:
    return DecisionSettings.model_validate(
        {"risk_percent": 0.25, "max_daily_loss_pct": 0, "max_weekly_drawdown_pct": 0,
         "circuit_breaker": {"enabled": False},
         "dynamic_sltp": {"sl_atr_multiplier": 1.0, "tp_atr_multiplier": tp},
         "prediction": {"gate": "fixed", "quantile": {"lookback_days": 5}}}
    )  # fmt: skip


@contextmanager
def _unwatched(features: Features, final_split: Callable[..., Any] | None) -> Iterator[None]:
    nothing = lambda *values, **words: None  # noqa: E731
    with (
        patch.object(table, "feature_matrix", features),
        patch.object(forecasts, "feature_matrix", features),
        patch.object(signal, "require_known", nothing),
        patch.object(signal, "_require_blind", nothing),
        patch.object(signal, "require_apart", nothing),
        patch.object(signal_folds, "require_apart", nothing),
        patch.object(signal, "final_split", final_split or signal.final_split),
    ):
        yield
