"""History in, forecasts and decisions out, as often as a check asks, as the backtester does it."""

from dataclasses import dataclass, replace

import numpy as np

from backtest.columns import decided_bars
from backtest.driver import BacktestRun, run_backtest
from backtest.forecasts import history_forecasts
from backtest.rules import Rules
from market.bars import Bars
from ml.predictors.ensemble import EnsemblePredictor
from trading.forecasts import ForecastColumns
from trading.outside import NOTHING_OUTSIDE, Outside


@dataclass(frozen=True, slots=True, eq=False)
class Pipeline:
    """Everything but the bars. Nothing is cached: each history is computed anew."""

    signal: EnsemblePredictor
    groups: tuple[str, ...]
    rules: Rules
    outside: Outside = NOTHING_OUTSIDE
    m1: Bars | None = None

    def forecasts(self, history: Bars, from_row: int) -> ForecastColumns:
        """Features and forecasts of rows `from_row` … last."""
        return history_forecasts(
            history, self.signal, from_row=from_row, groups=self.groups,
            round_step=self.rules.instrument.round_step, cache=None, outside=self.outside,
        )  # fmt: skip

    def run(self, history: Bars, *, from_ms: int, to_ms: int) -> BacktestRun:
        """Decides the bars that open in [from_ms, to_ms), on a fresh account."""
        quantile = self.rules.decision.prediction.quantile
        from_row = int(np.searchsorted(history.open_ms, from_ms - quantile.lookback_ms))
        bars = decided_bars(
            history, self.forecasts(history, from_row), quantile,
            from_ms=from_ms, to_ms=to_ms, m1=self.m1,
        )  # fmt: skip
        return run_backtest(bars, self.rules)

    def known_at(self, close_ms: int) -> "Pipeline":
        """Without the M1 bars that closed later."""
        if self.m1 is None:
            return self
        return replace(self, m1=self.m1.rows(0, int((self.m1.close_ms <= close_ms).sum())))
