"""Fakes through the real pipeline: decided, planned, filled, settled, counted and judged.

Forecasts are given as columns; everything after them is the backtest's own: the shipped rules of
decision, the simulated terminal with its costs, the trial ledger, the statistics and the gate. Only
risk and the largest lot are other than shipped, so that the account's size cuts no trade.
"""

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from backtest.columns import decided_bars
from backtest.driver import BacktestRun, Rules, run_backtest
from backtest.gate_settings import GoLiveSettings
from backtest.gates import Verdict, verdict
from backtest.gates.go_live import GoLiveFigures
from backtest.gates.measure import measure
from backtest.statistics import (
    Overfitting,
    TrialSharpes,
    daily_returns,
    overfitting,
    profit_factor,
    sharpe_daily,
)
from broker.simulator.settings import PaperSettings
from market.bars import Bars, Float64s
from ml.training.trial_sharpes import record_look, trial_sharpes
from ml.training.trials import TrialLedger
from tests.backtest.markets import STRATEGY
from tests.evaluation.planted_forecasters import Forecaster, coin, one_bar_early, surges
from tests.evaluation.planted_market import BTC, SLOT_BARS, planted_market
from trading.decision.settings import DecisionSettings

SLOTS = 600  # 1,000 days
LUCKY_SLOTS = 320  # 533 days: more than the 300 trades that the gate asks for
# The gate looks 90 days back, the moving averages up to two blocks of 2,560 bars.
WARM_UP_SLOTS = 64

DECISION = DecisionSettings.model_validate({"risk_percent": 0.5, "max_lot": 100.0})
SHIPPED = Rules(BTC, DECISION, PaperSettings(), STRATEGY)
# On bars without a spread a fair coin: no swap and no slippage either. The guards of day and week,
# which so small a risk never reaches, are off: twice as fast, and the same deals.
FREE = replace(
    SHIPPED,
    instrument=replace(BTC, swap_long=0.0, swap_short=0.0),
    decision=DECISION.model_copy(
        update={"max_daily_loss_pct": 0.0, "max_weekly_drawdown_pct": 0.0}
    ),
    paper=PaperSettings(slippage_points=0),
)
GATE = GoLiveSettings()
_WEEK_MS = 7 * 86_400_000
_ONE_TRIAL = TrialSharpes.of([], count=1)


def decide_all(
    bars: Bars, forecaster: Forecaster, rules: Rules = SHIPPED, *, from_ms: int | None = None,
    to_ms: int | None = None,
) -> BacktestRun:  # fmt: skip
    """Decides the bars that open in [from, to): by default all after the warm-up but the last."""
    from_ms = from_ms or int(bars.open_ms[WARM_UP_SLOTS * SLOT_BARS])
    to_ms = to_ms or int(bars.open_ms[-1])
    quantile = rules.decision.prediction.quantile
    decided = decided_bars(bars, forecaster(bars), quantile, from_ms=from_ms, to_ms=to_ms)
    return run_backtest(decided, rules)


def daily_of(run: BacktestRun) -> Float64s:
    """Returns of marked-to-market equity, a UTC day each."""
    return daily_returns(run.curve, run.initial_balance)


def look(ledger: TrialLedger, run: BacktestRun, *, data_sha256: str) -> Float64s:
    """Writes the run into the ledger, as the backtest's door does; its daily returns."""
    bars, daily = run.bars.bars, daily_of(run)
    said = hashlib.sha256(run.bars.forecasts.probabilities.tobytes()).hexdigest()
    from_ms, sharpe = int(bars.open_ms[0]), sharpe_daily(daily).annual
    record_look(
        ledger, symbol=bars.symbol, graphs={"signal": said}, settings_sha256="",
        train_cutoff_ms=from_ms, from_ms=from_ms, to_ms=int(bars.close_ms[-1]),
        data_sha256=data_sha256,
        result={"trades": len(run.trades), "sharpe": None if math.isnan(sharpe) else sharpe},
    )  # fmt: skip
    return daily


def net_of(run: BacktestRun) -> Float64s:
    """Trades after all costs, in order of closing."""
    return np.array([trade.net_profit for trade in run.trades], dtype=np.float64)


def measured(
    run: BacktestRun, trials: TrialSharpes, sweep: Overfitting | None = None
) -> GoLiveFigures:
    """What the trades of a run prove."""
    bars = run.bars.bars
    weeks = (int(bars.close_ms[-1]) - int(bars.open_ms[0])) / _WEEK_MS
    return measure(net_of(run), daily_of(run), weeks=weeks, trials=trials, sweep=sweep)


@dataclass(frozen=True, slots=True)
class Found:
    """What the pipeline says of one fake. `uncounted`: what it would say of the same trades if
    nobody had counted the trials."""

    verdict: Verdict
    uncounted: Verdict
    win_rate: float
    profit_factor: float
    sharpe: float
    figures: GoLiveFigures

    @staticmethod
    def of(run: BacktestRun, ledger: TrialLedger, sweep: Overfitting | None = None) -> "Found":
        """Judged by all trials that the ledger knows of the symbol."""
        figures = measured(run, trial_sharpes(ledger, symbol=run.bars.history.symbol), sweep)
        net = net_of(run)
        return Found(
            verdict(figures, GATE), verdict(measured(run, _ONE_TRIAL), GATE),
            float((net > 0).mean()) if len(net) else math.nan, profit_factor(net),
            sharpe_daily(daily_of(run)).annual, figures,
        )  # fmt: skip


def looked_at(
    folder: Path, bars: Bars, forecaster: Forecaster, *, before: tuple[Forecaster, ...] = ()
) -> Found:
    """A forecaster that is looked at once, after others on the same bars."""
    ledger, data = TrialLedger(folder / "trials.sqlite"), bars.sha256()
    for other in before:
        look(ledger, decide_all(bars, other), data_sha256=data)
    run = decide_all(bars, forecaster)
    look(ledger, run, data_sha256=data)
    return Found.of(run, ledger)


def good(folder: Path, seed: int, *, edge: float = 0.60, coins_before: int = 0) -> Found:
    """A true 60 % at 1:1 over 600 trades."""
    market = planted_market(seed, slots=WARM_UP_SLOTS + SLOTS, edge=edge)
    coins = tuple(coin(1000 * seed + each) for each in range(coins_before))
    return looked_at(folder, market.bars, surges, before=coins)


def dead(folder: Path, seed: int) -> Found:
    """The same forecaster where nothing follows a surge: it pays its costs."""
    market = planted_market(seed, slots=WARM_UP_SLOTS + SLOTS, edge=None)
    return looked_at(folder, market.bars, surges)


def leak(folder: Path, seed: int) -> Found:
    """The same forecaster on the same bars, and it sees each surge a bar before it is there."""
    market = planted_market(seed, slots=WARM_UP_SLOTS + SLOTS, edge=None)
    return looked_at(folder, market.bars, one_bar_early(surges))


def lucky(folder: Path, seed: int, *, many: int = 1000) -> Found:
    """The best by Sharpe ratio of `many` coins without costs, each traded and looked at."""
    market = planted_market(seed, slots=WARM_UP_SLOTS + LUCKY_SLOTS, edge=None, costs=False)
    bars, data = market.bars, market.bars.sha256()
    ledger, daily = TrialLedger(folder / "trials.sqlite"), []
    for each in range(many):
        run = decide_all(bars, coin(10_000 * seed + each), FREE)
        daily.append(look(ledger, run, data_sha256=data))
    returns = np.column_stack(daily)
    best = int(np.argmax(returns.mean(axis=0) / returns.std(axis=0, ddof=1)))
    run = decide_all(bars, coin(10_000 * seed + best), FREE)
    return Found.of(run, ledger, overfitting(returns))


Fake = Callable[[Path, int], Found]
FAKES: Mapping[str, tuple[Fake, Verdict]] = {
    "leak": (leak, Verdict.ALARM),
    "lucky": (lucky, Verdict.NOT_PROVEN),
    "good": (good, Verdict.PROVEN),
    "dead": (dead, Verdict.NOT_PROVEN),
}


def found_in(fake: Fake, folder: Path, seed: int) -> Found:
    """With a ledger of its own, so that seeds do not count each other's trials."""
    own = folder / f"{seed}"
    own.mkdir(parents=True)
    return fake(own, seed)


def few(many: int) -> Fake:
    """`lucky` out of fewer coins."""
    return partial(lucky, many=many)
