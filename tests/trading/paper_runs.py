"""One run of the same rules on paper, over HTTP or in one process, and in the backtest."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from backtest.columns import DecidedBars, decided_bars
from backtest.driver import BacktestRun, Rules, run_backtest
from backtest.memory import Memory
from broker.client.connect import connect
from broker.client.paper_control import PaperControl
from broker.client.settings import BridgeSettings, Dialect
from broker.contract.port import Broker
from broker.native import NativeBroker
from broker.simulator.native import NativeTerminal
from broker.simulator.settings import PaperSettings
from broker.simulator.terminal import SimulatedTerminal
from market.bars import Bars
from market.instruments import instrument
from market.server_clock import ServerClock
from market.store import BarStore
from market.timeframe import Timeframe
from ml.features.catalogue import names
from ml.features.matrix import feature_matrix
from ml.features.settings import FeatureSettings
from ml.predictors.model_set import ModelSet, load_models
from settings.prop import read_prop_profile
from tests.tiny_models import GROUPS, write_models
from tests.trading.doubles import Recorder, StepClock
from trading.assemble import Trade, assemble
from trading.bot import Bot
from trading.bridge_process import PROJECT_ROOT, BridgeProcess
from trading.clock import Clock, PaperClock, StopFlag
from trading.decision.settings import DecisionSettings
from trading.forecasts import forecast_columns
from trading.journal import Journal
from trading.model import beside
from trading.outside import Outside, read_outside
from trading.paper import PaperOptions, PaperPlan, plan_run
from trading.settings import DaemonSettings
from trading.state_folder import StateFolder
from trading.summary import run_summary

BTC = instrument("BTCUSD")
BAR_MS = Timeframe.M15.ms
GATE: dict[str, Any] = {"quantile": {"lookback_days": 2, "top_share": 0.3}}


def settings_of(**sections: Any) -> DecisionSettings:
    """Decision settings with a short look-back; `prop` brings its profile."""
    tree: dict[str, Any] = {"prediction": GATE} | sections
    profile = read_prop_profile(PROJECT_ROOT, tree, [])
    return DecisionSettings.model_validate(tree | ({"prop_rules": profile} if profile else {}))


@dataclass(frozen=True)
class Case:
    """What a run is made of. `models` lie in a folder; None for `minutes` and `calendar`: none."""

    decision: DecisionSettings
    models: ModelSet
    plan: PaperPlan
    outside: Outside
    paper: PaperSettings = field(default_factory=PaperSettings)
    dialect: Dialect = "native"

    @property
    def trade(self) -> Trade:
        return Trade(BTC, self.decision, DaemonSettings(), GROUPS)

    @property
    def first_row(self) -> int:
        """Where the gate's look-back begins in the market."""
        lookback_ms = self.decision.prediction.quantile.lookback_ms
        return int(self.plan.bars.open_ms.searchsorted(self.plan.limits.from_ms - lookback_ms))


def make_case(
    folder: Path, decision: DecisionSettings, *, bars: int, paper: PaperSettings | None = None,
    dialect: Dialect = "native", kinds: Sequence[Any] = ("signal", "position", "sltp", "risk"),
) -> Case:  # fmt: skip
    """All files of a case under `folder`: tiny models, M1 bars and a calendar."""
    paper = paper or PaperSettings()
    trade = Trade(BTC, decision, DaemonSettings(), GROUPS)
    spanned = paper.model_copy(update={"m1_inside_bars": False})
    plan = plan_run(PaperOptions(None, None, None, bars, "max"), trade, spanned)
    from_ms = plan.limits.from_ms
    minutes = write_minutes(
        folder / "m1.parquet", plan.bars.between(from_ms - BAR_MS * 8, _end(plan))
    )
    plan = plan_run(PaperOptions(None, None, None, bars, "max", minutes), trade, paper)
    calendar = write_calendar(folder / "calendar.csv", from_ms, _end(plan))
    models = load_models(write_models(folder / "models", kinds), FeatureSettings())
    outside = read_outside(FeatureSettings(), BTC, calendar=calendar)
    return Case(decision, models, plan, outside, paper, dialect)


def _end(plan: PaperPlan) -> int:
    return plan.limits.from_ms + ((plan.limits.bars or 0) + 4) * BAR_MS


def write_minutes(path: Path, bars: Bars) -> Path:
    """M1 bars along the way from each bar's open to its close; every 50th minute is missing."""
    opens = (bars.open_ms[:, None] + np.arange(15) * 60_000).ravel()
    at = (np.arange(15) / 15)[None, :]
    price = (bars.open[:, None] * (1 - at) + bars.close[:, None] * at).ravel()
    rng = np.random.default_rng(11)
    open_ = np.round(price + rng.normal(0, 5, len(price)), 2)
    close = np.round(price + rng.normal(0, 5, len(price)), 2)
    kept = np.arange(len(opens)) % 50 != 7
    columns = {
        "time": pa.array(opens[kept], pa.timestamp("ms", "UTC")),
        "open": open_[kept],
        "high": np.maximum(open_, close)[kept] + 3.0,
        "low": np.minimum(open_, close)[kept] - 3.0,
        "close": close[kept],
        "tick_volume": rng.integers(1, 90, len(opens))[kept],
        "spread": np.full(len(opens), 1459)[kept],
    }
    pq.write_table(pa.table(columns), path)
    return path


def write_calendar(path: Path, from_ms: int, to_ms: int) -> Path:
    """High-impact releases every five hours and a few minutes, before the run and beyond it."""
    times = np.arange(from_ms - 20 * 3_600_000, to_ms + 20 * 3_600_000, 18_300_000)
    lines = [
        f"{np.datetime64(int(each), 'ms')}Z,USD,HIGH,release {place}"
        for place, each in enumerate(times)
    ]
    path.write_text("\n".join(["time,currency,impact,event", *lines]) + "\n")
    return path


def decided_of(case: Case) -> DecidedBars:
    plan, predict = case.plan, case.models.signal.predict
    matrix = feature_matrix(
        plan.bars, groups=GROUPS, round_step=BTC.round_step, first_row=case.first_row
    )
    forecasts = forecast_columns(
        matrix, names(GROUPS), plan.bars.open_ms[case.first_row :], predict
    )
    return decided_bars(
        plan.bars, forecasts, case.decision.prediction.quantile, from_ms=plan.limits.from_ms,
        to_ms=plan.limits.from_ms + (plan.limits.bars or 0) * BAR_MS, m1=plan.m1,
    )  # fmt: skip


def rules_of(case: Case, memory: Memory | None = None) -> Rules:
    models = beside(case.models) if memory is None else memory.of(case.models)
    return Rules(
        BTC, case.decision, case.paper, DaemonSettings().strategy_id, models=models,
        news=case.outside.news,
    )  # fmt: skip


def backtest_of(case: Case, *, skip_idle: bool = True) -> BacktestRun:
    return run_backtest(decided_of(case), rules_of(case), skip_idle=skip_idle)


def bot_of(
    case: Case, broker: Broker, clock: Clock, folder: StateFolder, journal: Journal,
    store: BarStore, stop_after: int | None,
) -> Bot:  # fmt: skip
    stop = StopFlag()
    return assemble(
        case.trade, broker=broker, clock=clock, stop=stop, reporter=Recorder(stop, stop_after),
        journal=journal, store=store, predictor=case.models.signal, limits=case.plan.limits,
        beside=beside(case.models), outside=case.outside,
    )  # fmt: skip


def run_over_http(case: Case, path: Path, *, stop_after: int | None = None) -> None:
    """To the end, or until the daemon is stopped and its bridge killed after so many bars."""
    with ExitStack() as held:
        folder = held.enter_context(StateFolder(path))
        spec = case.plan.spec("BTCUSD", case.paper, "max", folder.terminal, case.dialect)
        bridge = held.enter_context(BridgeProcess(spec.model_dump_json(), path))
        bridge.wait_until_ready(lambda: False)
        settings = BridgeSettings(
            api_base_url=f"http://127.0.0.1:{bridge.port}", dialect=case.dialect,
            server_timezone=case.paper.server_timezone,
        )  # fmt: skip
        broker = connect(settings, bridge.token)
        journal, store = Journal(folder.journal), BarStore(folder.bars)
        stop = StopFlag()
        clock = PaperClock(PaperControl(broker.connection), stop, speed=None)
        bot = bot_of(case, broker, clock, folder, journal, store, stop_after)
        bot.run()
        if bot.finished:
            summary = run_summary(
                journal, store, broker, case.trade,
                now_ms=clock.now_ms(), data_sha256=case.plan.data_sha256,
            )  # fmt: skip
            journal.set_meta(hashes=f"{summary['decisions_sha256']} {summary['deals_sha256']}")
        if stop_after:
            bridge.kill()
        for each in (journal, store, broker):
            each.close()


def run_in_process(case: Case, path: Path) -> tuple[list[str], SimulatedTerminal]:
    """The daemon over the terminal itself: its decision lines, and the terminal after it."""
    plan = case.plan
    terminal = SimulatedTerminal(
        bars={"BTCUSD": plan.bars}, instruments={"BTCUSD": BTC},
        account=case.paper.account_terms(), start_ms=plan.limits.from_ms, seed=case.paper.seed,
        slippage_points=case.paper.slippage_points, server_zone=case.paper.server_timezone,
        minutes={"BTCUSD": plan.m1} if plan.m1 is not None else None,
        inside_bars=case.paper.m1_inside_bars,
    )  # fmt: skip
    broker = NativeBroker(
        NativeTerminal(terminal), ServerClock(case.paper.server_timezone),
        now_ms=lambda: terminal.now_ms, mode="paper",
    )  # fmt: skip
    with StateFolder(path) as folder:
        journal, store = Journal(folder.journal), BarStore(folder.bars)
        bot_of(case, broker, StepClock(terminal), folder, journal, store, None).run()
        lines = list(journal.decision_lines("BTCUSD"))
        journal.close()
        store.close()
    return lines, terminal


def intents_of(lines: Sequence[str]) -> dict[str, int]:
    """How often each intent was decided."""
    found: dict[str, int] = {}
    for line in lines:
        for intent in json.loads(line)["intents"]:
            for name in intent:
                found[name] = found.get(name, 0) + 1
    return found


def without_models(case: Case) -> Case:
    return replace(case, models=ModelSet(case.models.signal))
