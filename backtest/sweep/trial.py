"""One trial: a backtest of today's settings with other values, and what it came to."""

import hashlib
import json
import math
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from backtest.columns import DecidedBars, decided_bars
from backtest.driver import BacktestRun, Rules, run_backtest
from backtest.memory import Memory
from backtest.report.trades import r_multiples, trades_with_levels
from backtest.statistics import (
    daily_returns,
    max_drawdown,
    profit_factor,
    score,
    sharpe_daily,
    wilson,
)
from backtest.sweep.base import SweepBase, code_sha256
from backtest.sweep.errors import SweepError
from backtest.sweep.settings import Overrides, TradedSettings, with_overrides
from market.bars import Float64s
from ml.predictors.model_set import load_models
from trading.advice import NO_MODELS, BesideModels
from trading.decision.settings import QuantileGate
from trading.implausible import implausible
from trading.risk_state import net_profits

_SEED = 0  # of the bootstrap: the same for all that are compared
_NOTHING = 1e-6  # what lost everything is left with: a return needs equity above 0


@dataclass(frozen=True, slots=True)
class Trial:
    """Overrides, and bars that open in [from_ms, to_ms)."""

    overrides: Overrides
    from_ms: int
    to_ms: int

    def key(self, identity: str, base: TradedSettings) -> str:
        """By what its result is stored: data, models, code, settings in force and span."""
        text = with_overrides(base, self.overrides).text()
        whole = json.dumps([identity, text, self.from_ms, self.to_ms])
        return hashlib.sha256(whole.encode()).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """`figures`: flat, ready for JSON, None where a figure does not exist. `daily`: returns of
    marked-to-market equity, a UTC day each."""

    figures: Mapping[str, Any]
    daily: Float64s


class Bench:
    """Runs trials of one base, one after the other; models are loaded and asked once.

    Not for several threads at once.
    """

    def __init__(self, base: SweepBase) -> None:
        if base.code != code_sha256():
            raise SweepError(
                "sweep: the same program version as the sweep's own is allowed on a worker, "
                "another came; install the same one there, or begin again if source was edited"
            )
        self._base = base
        self._decided = lru_cache(maxsize=8)(self._decided_anew)
        with tempfile.TemporaryDirectory() as folder:
            self._models = self._beside(Path(folder))

    def run(self, trial: Trial) -> Result:
        return result_of(self.backtest(trial))

    def backtest(self, trial: Trial) -> BacktestRun:
        """The trial's run. Raises `WarmUpError`, `SweepError`."""
        base = self._base
        settings = with_overrides(base.settings, trial.overrides)
        if settings.paper.m1_inside_bars and base.minutes is None:
            raise SweepError("paper.m1_inside_bars: M1 bars are needed, none came; give --m1 FILE")
        bars = self._decided(settings.decision.prediction.quantile, trial.from_ms, trial.to_ms)
        rules = Rules(
            base.instrument, settings.decision, settings.paper, base.orders.strategy_id,
            base.orders.valid_for_ms, base.orders.magic_bits, self._models, base.news,
            base.slippage, base.minutes,
        )  # fmt: skip
        return run_backtest(bars, rules)

    def _beside(self, folder: Path) -> BesideModels:
        """The models beside the signal model; what they answered before is not asked again."""
        base = self._base
        if not base.models:
            return NO_MODELS
        for name, data in {**base.models, **base.answers}.items():
            (folder / name).write_bytes(data)
        return Memory(folder).of(load_models(base.paths.in_folder(folder), base.features))

    def _decided_anew(self, quantile: QuantileGate, from_ms: int, to_ms: int) -> DecidedBars:
        base = self._base
        made = decided_bars(base.history, base.forecasts, quantile, from_ms=from_ms, to_ms=to_ms)
        if base.m1 is None:
            return made
        first = made.first - (len(base.history) - len(base.m1))
        return replace(made, m1=base.m1[first : first + len(made)])


def result_of(run: BacktestRun) -> Result:
    """The figures that trials are compared by: one definition each, `backtest.statistics`."""
    curve = run.curve
    net = net_profits(run.trades)
    drawdown = max_drawdown(curve)
    solvent = bool((curve.close > 0).all())
    left = replace(curve, close=np.maximum(curve.close, _NOTHING * run.initial_balance))
    daily = daily_returns(left, run.initial_balance)
    found, rated = score(net, drawdown, seed=_SEED), sharpe_daily(daily)
    won, factor = wilson(int((net > 0).sum()), len(net)), profit_factor(net)
    multiples = r_multiples(trades_with_levels(run), run.terms)
    figures = {
        "score": found.value if solvent else None,
        "why_not": found.why_not if solvent else "equity fell to 0",
        "trades": len(net),
        "profit_factor": factor,
        "profit_factor_p5": found.profit_factor_p5,
        "max_drawdown": drawdown,
        "win_rate": won.share,
        "win_rate_low": won.low,
        "win_rate_high": won.high,
        "r_mean": float(np.nanmean(multiples)) if np.isfinite(multiples).any() else math.nan,
        "r_sum": float(np.nansum(multiples)),
        "net_profit": float(net.sum()),
        "return": float(curve.close[-1]) / run.initial_balance - 1 if len(curve.close) else 0.0,
        "sharpe": rated.annual,
        "sharpe_error": rated.standard_error,
        "days": rated.days,
    }
    alarms = _alarms(figures)
    return Result(
        {key: _known(value) for key, value in figures.items()} | {"alarms": alarms}, daily
    )


def _alarms(figures: Mapping[str, Any]) -> list[str]:
    return implausible(
        sharpe=figures["sharpe"], profit_factor=figures["profit_factor"],
        win_rate=figures["win_rate"], trades=figures["trades"],
    )  # fmt: skip


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


_here = threading.local()


def hold(identity: str, base: SweepBase) -> None:
    """Keeps a base in this process for `run_here`."""
    _held[:] = [(identity, base)]


def run_here(trial: Trial) -> Result:
    """A trial of the base that this process holds."""
    return run_with(*_held[0], trial)


def run_with(identity: str, base: SweepBase, trial: Trial) -> Result:
    """A trial of a base, whose bench is made where this thread has another one."""
    if getattr(_here, "identity", None) != identity:
        _here.bench, _here.identity = Bench(base), identity
    result: Result = _here.bench.run(trial)
    return result


_held: list[tuple[str, SweepBase]] = []
