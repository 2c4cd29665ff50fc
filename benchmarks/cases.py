"""What is measured. Each case returns value, unit, limit (from docs/architecture.md) and peer."""

import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from backtest.columns import DecidedBars, decided_bars
from backtest.driver import BacktestRun, Rules, run_backtest
from backtest.forecasts import history_forecasts
from backtest.memory import Memory
from benchmarks.peer import STOP, TARGET, Given, Trades, timed
from benchmarks.peer import line as line_of
from broker.contract.constants import OrderType, TradeAction
from broker.native import NativeBroker
from broker.simulator.native import NativeTerminal
from broker.simulator.records import TradeRequest
from broker.simulator.terminal import SimulatedTerminal
from market.bars import Bars
from market.calendar import EconomicCalendar
from market.instruments import instrument
from market.rounding import ceil_ticks
from market.server_clock import ServerClock
from market.sources.generated import generated_bars
from ml.features.catalogue import LOOKBACK_MS, names
from ml.features.matrix import feature_matrix
from ml.predictors.model_set import ModelSet, load_models
from ml.predictors.settings import ModelPaths
from settings import load_settings
from settings.prop import read_prop_profile
from trading.advice import Adviser
from trading.decision.decide import decide
from trading.decision.settings import DecisionSettings
from trading.decision_inputs import DecisionInputs, Sources
from trading.execution.plan import plan
from trading.forecaster import Forecaster
from trading.forecasts import columns_of
from trading.market_window import gate_means
from trading.model import beside
from trading.observer import Seen
from trading.releases import NO_CALENDAR
from trading.trade_book import TradeBook

BTC = instrument("BTCUSD")
BARS = 70_000
FROM_MS = 1_672_531_200_000
ROOT = Path(__file__).resolve().parents[1]
SETTINGS = load_settings(ROOT)
GROUPS = SETTINGS.ml.features.groups
STRATEGY = SETTINGS.daemon.strategy_id


def _market(count: int = BARS) -> Bars:
    to_ms = FROM_MS + count * 900_000
    return generated_bars(BTC, seed=7, from_ms=FROM_MS, to_ms=to_ms)


def _median_s(run: Callable[[], object], repeats: int = 5) -> float:
    run()
    times = []
    for _ in range(repeats):
        started_s = time.perf_counter()
        run()
        times.append(time.perf_counter() - started_s)
    return statistics.median(times)


def _result(value: float, unit: str, limit: float | None, **more: Any) -> dict[str, Any]:
    return {"value": round(value, 4), "unit": unit, "limit": limit, "peer": None} | more


def features_batch() -> dict[str, Any]:
    """All 62 columns over 70,000 bars, beside the pandas reference of the tests."""
    sys.path.insert(0, str(ROOT / "tests" / "features"))
    import reference

    bars = _market()
    value = _median_s(lambda: feature_matrix(bars, groups=GROUPS, round_step=BTC.round_step))
    few = bars.rows(0, 20_000)
    started_s = time.perf_counter()
    reference.reference(few, BTC.round_step, EconomicCalendar.none())
    peer_s = (time.perf_counter() - started_s) * len(bars) / len(few)
    peer = {
        "name": "the tests' pandas reference, scaled from 20,000 bars",
        "value": round(peer_s, 2),
    }
    return _result(value, "s", 0.1, peer=peer)


def features_with_structure() -> dict[str, Any]:
    """All 76 columns, smart-money structure among them, over 70,000 bars."""
    bars, groups = _market(), ("base", "regime", "smc")
    value = _median_s(lambda: feature_matrix(bars, groups=groups, round_step=BTC.round_step))
    return _result(value, "s", 1.0)


def features_live() -> dict[str, Any]:
    """One row on its full look-back."""
    bars = _market(2 * LOOKBACK_MS // 900_000)
    last = len(bars) - 1
    run = lambda: feature_matrix(bars, groups=GROUPS, round_step=BTC.round_step, first_row=last)  # noqa: E731
    return _result(_median_s(run, 200) * 1000, "ms", 1.0)


def _rules() -> Rules:
    return Rules(BTC, SETTINGS.decision, SETTINGS.paper, SETTINGS.daemon.strategy_id)


def _rules_of_the_peers() -> Rules:
    """Without circuit breaker, account guards and slippage, which the peers do not have, and of
    one lot a trade on an account that random entries do not ruin."""
    breaker = SETTINGS.decision.circuit_breaker.model_copy(update={"enabled": False})
    changes = {
        "circuit_breaker": breaker, "risk_percent": 2.0, "max_lot": 1.0,
        "max_daily_loss_pct": 0.0, "max_weekly_drawdown_pct": 0.0,
    }  # fmt: skip
    decision = SETTINGS.decision.model_copy(update=changes)
    paper = SETTINGS.paper.model_copy(update={"slippage_points": 0, "balance": 1e6})
    return Rules(BTC, decision, paper, SETTINGS.daemon.strategy_id)


def _random_signals(bars: Bars, share: float) -> DecidedBars:
    """Random votes on a share of the bars: the loop's cost, with no model in it."""
    draw = np.random.default_rng(7)
    count = len(bars)
    side = np.where(draw.random(count) < share, draw.choice([-1, 1], count), 0).astype(np.int8)
    toward = np.where(side == 0, 0.0, 0.3) * side
    probabilities = np.column_stack([0.4 + toward / 2, 0.4 - toward / 2, np.full(count, 0.2)])
    votes = np.repeat(side[:, None], 3, axis=1)
    forecasts = columns_of(
        bars.open_ms, probabilities, votes, np.full(count, -1, dtype=np.int16), names(GROUPS)
    )
    ranges, means = gate_means(bars)
    return DecidedBars(bars, 0, count, forecasts, np.zeros(count), ranges, means)


def rules_backtest() -> tuple[dict[str, Any], Given, Trades]:
    """The loop over 70,000 bars; load, compile, hash and report are not in it.

    Also what the peers are given, and the trades to compare theirs with. Process seconds: like
    the peers', they do not count what else the machine does.
    """
    decided, rules = _random_signals(_market(), 0.09), _rules_of_the_peers()
    seconds, run = timed(lambda: decided, lambda ready: run_backtest(ready, rules))
    trades = _trades_of(run)
    line = line_of("", seconds, trades)
    line.pop("name")
    value, swap = line.pop("value"), round(sum(deal.swap for deal in run.deals), 2)
    return _result(value, "process s", 0.2, swap=swap, **line), _given(run), trades


def _given(run: BacktestRun) -> Given:
    """Bars, signals that the gate lets pass, and distances of this run."""
    bars, verdicts, tick = run.bars.history, run.verdicts, BTC.tick_size
    side = np.where(verdicts.denied == 0, verdicts.side, 0)
    side[-1] = 0  # nothing opens after the last bar
    distance = [ceil_ticks(atr, tick) * tick if atr > 0 else 0.0 for atr in run.bars.atr.tolist()]
    return Given(
        bars.open_ms, bars.open, bars.high, bars.low, bars.close, side, np.array(distance),
        bars.spread_points * BTC.point,
    )  # fmt: skip


def _trades_of(run: BacktestRun) -> Trades:
    """The ended trades, by rows of the run's bars. Each is of one lot, as the peers' are."""
    closed, bars = run.trades, run.bars.history
    if any(trade.volume_lots != 1.0 for trade in closed):
        raise ValueError("benchmark: each trade must be of 1 lot; look at _rules_of_the_peers")
    row = lambda times_ms: np.searchsorted(bars.open_ms, times_ms, side="right") - 1  # noqa: E731
    kinds = {"SL_HIT": STOP, "TP_HIT": TARGET}
    return Trades(
        entry_row=row([trade.opened_ms for trade in closed]),
        side=np.array([int(trade.side) for trade in closed]),
        exit_row=row([trade.closed_ms for trade in closed]),
        kind=np.array([kinds[trade.close_type] for trade in closed]),
        entry_price=np.array([trade.price_open for trade in closed]),
        exit_price=np.array([trade.price_close for trade in closed]),
    )


def _guarded() -> DecisionSettings:
    """Every model asked and every guard of the account on, with limits that stop nothing for long:
    a run that is halted early would measure nothing."""
    tree: dict[str, Any] = {
        "risk_percent": 0.05,
        "max_trades_per_day": 50,
        "dynamic_sltp": {"use_model": True},
        "equity_curve_filter": {"enabled": True, "max_drawdown_pct": 90.0},
        "rollover_filter": {"enabled": True},
        "prop": {"profile": "ftmo_2step", "initial_balance": SETTINGS.paper.balance},
    }
    profile = read_prop_profile(ROOT, tree, [])
    return DecisionSettings.model_validate(tree | {"prop_rules": profile})


def backtest_whole(models: Path, *, fresh: bool) -> dict[str, Any]:
    """Features, forecasts and the other models' answers (computed or from the cache), and the loop
    over 70,000 bars, with all guards of the account on."""
    history = _market(BARS + (LOOKBACK_MS + 90 * 86_400_000) // 900_000 + 96)
    loaded = load_models(ModelPaths().in_folder(models), SETTINGS.ml.features)
    decision = _guarded()
    quantile = decision.prediction.quantile
    to_ms = int(history.close_ms[-1])
    from_ms = to_ms - BARS * 900_000
    from_row = int(np.searchsorted(history.open_ms, from_ms - quantile.lookback_ms))
    trades = 0

    def run(folder: Path) -> None:
        nonlocal trades
        forecasts = history_forecasts(
            history, loaded.signal, from_row=from_row, groups=GROUPS, round_step=BTC.round_step,
            cache=folder,
        )  # fmt: skip
        bars = decided_bars(history, forecasts, quantile, from_ms=from_ms, to_ms=to_ms)
        memory = Memory(folder)
        rules = Rules(
            BTC, decision, SETTINGS.paper, SETTINGS.daemon.strategy_id, models=memory.of(loaded)
        )
        trades = len(run_backtest(bars, rules).venue.book.closed)
        memory.keep()

    more = {"models": len(loaded.all)}
    with tempfile.TemporaryDirectory() as folder:
        if not fresh:
            value = _median_s(lambda: run(Path(folder)), 3)
            return _result(value, "s", 1.0, trades=trades, **more)
        times = []
        for number in range(2):
            started_s = time.perf_counter()
            run(Path(folder) / str(number))
            times.append(time.perf_counter() - started_s)
        return _result(min(times), "s", 8.0, trades=trades, **more)


def decision_latency(models: Path) -> dict[str, Any]:
    """Bars received to order body ready, one bar after another: features, every model, decide,
    plan, beside one open trade. p99 over 2,000 bars.

    The gate is opened for every bar, so that each one is sized and planned.
    """
    loaded = load_models(ModelPaths().in_folder(models), SETTINGS.ml.features)
    history = _market(2 * LOOKBACK_MS // 900_000)
    terminal = SimulatedTerminal(
        bars={"BTCUSD": history}, instruments={"BTCUSD": BTC},
        account=SETTINGS.paper.account_terms(), start_ms=int(history.open_ms[-2100]), seed=7,
    )  # fmt: skip
    broker = NativeBroker(
        NativeTerminal(terminal), ServerClock("UTC"), now_ms=lambda: terminal.now_ms, mode="paper"
    )
    open_gate = SETTINGS.decision.prediction.model_copy(
        update={"gate": "fixed", "confidence_threshold": 0.0, "min_probability_diff": 0.0}
    )
    settings = _guarded().model_copy(update={"prediction": open_gate, "max_open_positions": 2})
    forecaster = Forecaster(
        loaded.signal, groups=GROUPS, quantile=settings.prediction.quantile,
        round_step=BTC.round_step, calendar=NO_CALENDAR,
    )  # fmt: skip
    first = len(history) - 2000
    forecaster.start(history, int(history.open_ms[first]))
    inputs = _inputs(broker, loaded, settings)
    spec = broker.symbol("BTCUSD")
    _open_one(terminal)
    keep = LOOKBACK_MS // 900_000 + 2
    times = []
    for row in range(first, len(history)):
        window = history.rows(row + 1 - keep, row + 1)
        terminal.advance(int(window.close_ms[-1]))
        seen = Seen(broker.snapshot("BTCUSD"), spec, (), ())
        started_s = time.perf_counter()
        now, verdict = inputs.at_close(window, forecaster.forecast(window), seen)
        plan(
            decide(now, settings, verdict), now.quote, spec, strategy_id=STRATEGY,
            valid_for_ms=300_000, open_trades=now.open_trades,
        )  # fmt: skip
        times.append((time.perf_counter() - started_s) * 1000)
        inputs.decided(now)
    p50, p99 = np.percentile(times, [50, 99])
    return _result(
        float(p99), "ms", 5.0, p50=round(float(p50), 3), models=len(loaded.all),
        asked_of_a_trade=bool(now.held and now.held[0].forecast),
    )  # fmt: skip


def _inputs(broker: NativeBroker, loaded: ModelSet, settings: DecisionSettings) -> DecisionInputs:
    """Inputs over books that know no deals."""
    books: Any = SimpleNamespace(
        book=TradeBook(STRATEGY), tell_deals=lambda listener: None, all_deals=tuple
    )
    sources = Sources(books, Adviser(beside(loaded), settings, names(GROUPS)), NO_CALENDAR)
    return DecisionInputs(sources, BTC, settings)


def _open_one(terminal: SimulatedTerminal) -> None:
    """A long of ours without levels, so that it stays open."""
    mark = STRATEGY << 32
    done = terminal.order_send(
        TradeRequest(TradeAction.DEAL, "BTCUSD", 0.01, OrderType.BUY, magic=mark)
    )
    assert done.position, done.comment


def sweep(models: Path) -> dict[str, Any]:
    """`scripts/sweep.py --target pos`: 200 settings over 38 days of the generated market, the
    whole command on all cores, in a folder that is thrown away: nothing is stored before, and no
    ledger or cache of the project is written."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("config.json", "ml_config.json"):
            shutil.copy(ROOT / name, folder)
        ledger = Path(folder) / "trials.sqlite"
        command = [sys.executable, ROOT / "scripts" / "sweep.py", "--target", "pos", "--days", "38",
                   "--models", models, "--ledger", ledger, "--out", "sweep"]  # fmt: skip
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started_s = time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        value = time.perf_counter() - started_s
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        table = json.loads((Path(folder) / "sweep.json").read_text())
    process_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return _result(value, "s", 20, process_s=round(process_s, 2), settings=len(table["rows"]))


def help_time() -> dict[str, Any]:
    """`python trading.py --help`, whole process."""
    command = [sys.executable, "trading.py", "--help"]
    run = lambda: subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)  # noqa: E731
    return _result(_median_s(run), "s", 0.5)
