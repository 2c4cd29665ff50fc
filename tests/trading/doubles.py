"""Doubles for the daemon's parts: a scripted forecaster, a clock over a terminal, a rude broker."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from broker.contract.errors import BrokerUnavailable
from broker.contract.messages import OrderRequest, Position, Snapshot, TradeResult
from broker.contract.port import Broker
from broker.native import NativeBroker
from broker.simulator.faults.plan import FaultPlan
from broker.simulator.faults.terminal import FaultyTerminal, bridge_clock
from broker.simulator.native import NativeTerminal
from broker.simulator.settings import AccountTerms
from broker.simulator.terminal import SimulatedTerminal
from market.bars import Bars, Float64s
from market.indicators import BLOCK_MS
from market.instruments import instrument
from market.server_clock import ServerClock
from market.store import BarStore
from market.timeframe import Timeframe
from tests.broker.paper_bridge import httpapi_app, httpapi_client_of, running
from tests.builders import MONDAY_MS, make_bars
from trading.advice import NO_MODELS, Adviser
from trading.bookkeeper import Bookkeeper
from trading.bot import Bot, Parts
from trading.clock import StopFlag
from trading.commands import CommandQueue
from trading.decision.records import Forecast
from trading.decision.settings import DecisionSettings
from trading.decision_inputs import DecisionInputs, Sources
from trading.execution.dispatch import Dispatcher
from trading.execution.resolve import Resolver
from trading.feed import BarFeed
from trading.forecaster import BarForecast
from trading.journal import Journal
from trading.missed import MissedBars
from trading.obey import Steward
from trading.observer import Observer
from trading.outage import Outage
from trading.pager import JournalPager
from trading.pins import Accepted
from trading.releases import NO_CALENDAR
from trading.report import BarReport, Silent
from trading.schedule import RunLimits, Schedule
from trading.settings import DaemonSettings
from trading.status_board import BoardReporter, Status, StatusBoard
from trading.watch import HealthWatch

BAR_MS = Timeframe.M15.ms
FIRST_ROW = 5300  # ATR and EMA need two whole blocks of 2,560 bars before it
FROM_MS = MONDAY_MS + FIRST_ROW * BAR_MS
DAEMON = DaemonSettings()
BTC = instrument("BTCUSD")


def walk(count: int = FIRST_ROW + 120) -> Bars:
    """Bars of a seeded walk around 60,000 with an ATR near 65 and a spread of 3.00."""
    random = np.random.default_rng(5)
    closes = np.round(60_000 + np.cumsum(random.normal(0, 40, count)), 2)
    opens = np.r_[60_000.0, closes[:-1]]
    high = np.round(np.maximum(opens, closes) + random.uniform(0, 30, count), 2)
    low = np.round(np.minimum(opens, closes) - random.uniform(0, 30, count), 2)
    return make_bars(list(zip(opens, high, low, closes, strict=True)), spread_points=300)


def make_terminal(bars: Bars | None = None) -> SimulatedTerminal:
    """A terminal whose clock stands at the open of `FIRST_ROW`."""
    return SimulatedTerminal(
        bars={"BTCUSD": bars or walk()},
        instruments={"BTCUSD": BTC},
        account=AccountTerms(balance=10_000.0),
        start_ms=FROM_MS,
        seed=7,
        slippage_points=50,
    )


class ScriptedForecaster:
    """Wants to buy or sell on every third bar. Stands in for features and model."""

    lookback_ms = 2 * BLOCK_MS + BAR_MS
    history_ms = lookback_ms

    def __init__(self) -> None:
        self.skipped: list[int] = []

    def start(self, history: Bars, first_open_ms: int) -> None: ...

    def skip(self, window: Bars, first: int) -> None:
        self.skipped += window.open_ms[first:].tolist()

    def forecast(self, window: Bars) -> BarForecast:
        slot = int(window.open_ms[-1]) // BAR_MS
        features = np.array([slot, float(window.close[-1])])
        if slot % 3:
            return BarForecast(features, Forecast(0.2, 0.2, 0.6, (0, 0, 0)), "", 0.0, 0.3)
        buy = slot % 2 == 0
        words = (0.6, 0.2, 0.2, (1, 1, 0)) if buy else (0.2, 0.6, 0.2, (-1, -1, 0))
        return BarForecast(features, Forecast(*words), "", 0.4, 0.3)


class StepClock:
    """A clock over a terminal: it moves only while it is waited on."""

    lock_step = True
    beats = False

    def __init__(self, terminal: SimulatedTerminal) -> None:
        self._terminal = terminal
        self.paused_s: list[float] = []

    @property
    def end_ms(self) -> int | None:
        return self._terminal.end_ms

    def now_ms(self) -> int:
        return self._terminal.now_ms

    def wait_until(self, instant_ms: int) -> int:
        if instant_ms > self._terminal.now_ms:
            self._terminal.advance(min(instant_ms, self._terminal.end_ms))
        return self._terminal.now_ms

    def pause(self, seconds: float) -> None:
        self.paused_s.append(seconds)


class RudeBroker:
    """A broker that fails where a test says so, and counts what was sent."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._failures: dict[str, list[Exception]] = {}
        self.after_send: Callable[[], None] = lambda: None
        self.before_send: Callable[[], None] = lambda: None
        self.sent: list[str] = []

    def fail(self, method: str, error: Exception, times: int = 1) -> None:
        """The next `times` calls of a method raise."""
        self._failures[method] = [error] * times

    def send(self, request: OrderRequest) -> TradeResult:
        self.before_send()
        self.sent.append(request.client_id)
        self._raise_if_told("send")
        result = self._broker.send(request)
        self.after_send()
        return result

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            self._raise_if_told(name)
            return getattr(self._broker, name)(*args, **kwargs)

        return call

    def _raise_if_told(self, method: str) -> None:
        if self._failures.get(method):
            raise self._failures[method].pop()


class Recorder(Silent):
    """Keeps the reports; may ask for a stop after a bar."""

    def __init__(self, stop: StopFlag, stop_after: int | None = None) -> None:
        self._stop = stop
        self._stop_after = stop_after
        self.on_bar: Callable[[int], None] = lambda count: None
        self.bars: list[BarReport] = []
        self.beats: list[Snapshot] = []
        self.troubles: list[str] = []
        self.pages: list[str] = []
        self.notes: list[str] = []

    def bar(self, report: BarReport) -> None:
        self.bars.append(report)
        self.on_bar(len(self.bars))
        if len(self.bars) == self._stop_after:
            self._stop.requested = True

    def beat(self, snapshot: Snapshot) -> None:
        self.beats.append(snapshot)

    def trouble(self, text: str) -> None:
        self.troubles.append(text)

    def page(self, text: str) -> None:
        self.pages.append(text)

    def note(self, text: str) -> None:
        self.notes.append(text)


@dataclass
class Desk:
    """A bot over an in-process terminal, with everything that a test may want to look at."""

    folder: Path
    terminal: SimulatedTerminal = field(default_factory=make_terminal)
    bars: int | None = 40
    dry: bool = False
    stop_after: int | None = None
    clock: Any = None
    decision: DecisionSettings = field(default_factory=DecisionSettings)
    faults: FaultPlan | None = None
    accepted: Accepted = Accepted()  # noqa: RUF009
    dialect: str = "native"

    def __post_init__(self) -> None:
        face, now_ms = NativeTerminal(self.terminal), lambda: self.terminal.now_ms
        if self.faults is not None:
            face, now_ms = FaultyTerminal(face, self.faults), bridge_clock(self.faults)
        self.native = NativeBroker(face, ServerClock("UTC"), now_ms=now_ms, mode="paper")
        self._held = ExitStack()
        self.broker = RudeBroker(self.native if self.dialect == "native" else self._served(face))
        self.clock = self.clock or StepClock(self.terminal)
        self.stop = StopFlag()
        self.reporter = Recorder(self.stop, self.stop_after)
        self.queue = CommandQueue()
        self.board = StatusBoard(Status(symbol="BTCUSD", settings=self.decision))
        self.journal = Journal(self.folder / "journal.sqlite")
        self.store = BarStore(self.folder / "bars.sqlite")
        self.forecaster = ScriptedForecaster()
        self.bot = self._bot()

    def _bot(self) -> Bot:
        pager = JournalPager(self.journal, self.reporter, self.clock)
        dispatcher = Dispatcher(self.broker, self.journal, dry=self.dry, pager=pager)
        resolver = Resolver(self.broker, self.journal, dispatcher)
        watch = HealthWatch(
            self.broker, self.clock, self.journal, pager, limits=DAEMON.health_limits,
            sessions=BTC.sessions, strategy_id=DAEMON.strategy_id,
        )  # fmt: skip
        self.books = books = Bookkeeper(
            self.journal, pager, strategy_id=DAEMON.strategy_id, symbol="BTCUSD",
            reprotect=dispatcher.reprotect,
        )  # fmt: skip
        observer = Observer(
            self.broker, resolver, dispatcher, watch, books, BTC, day_zone="Asia/Jakarta"
        )
        parts: Mapping[str, Any] = {
            "broker": self.broker, "clock": self.clock, "journal": self.journal,
            "reporter": BoardReporter(self.board, self.reporter), "stop": self.stop,
            "dispatcher": dispatcher,
            "resolver": resolver, "forecaster": self.forecaster,
            "schedule": Schedule(
                Timeframe.M15, BTC.sessions, self.clock, RunLimits(FROM_MS, bars=self.bars), DAEMON
            ),
            "feed": BarFeed(
                self.store, self.broker, BTC, Timeframe.M15,
                lookback_ms=self.forecaster.lookback_ms,
            ),
            "watch": watch, "accepted": self.accepted,
            "observer": observer,
            "steward": Steward(
                self.queue, self.board, journal=self.journal, pager=pager, dispatcher=dispatcher,
                watch=watch, observer=observer, stop=self.stop, symbol="BTCUSD",
                strategy_id=DAEMON.strategy_id,
            ),
            "inputs": DecisionInputs(
                Sources(books, Adviser(NO_MODELS, self.decision, ()), NO_CALENDAR), BTC,
                self.decision,
            ),
            "outage": Outage(
                self.clock, self.journal, self.reporter, pager,
                holds=lambda: bool(books.book.held),
            ),
        }  # fmt: skip
        parts = {
            **parts,
            "missed": MissedBars(self.journal, parts["schedule"], self.forecaster, "BTCUSD"),
        }
        return Bot(Parts(**parts), "BTCUSD", Timeframe.M15, self.decision, DAEMON)

    def _served(self, face: Any) -> Broker:
        """The mt5-httpapi dialect over real HTTP, instead of the port in process."""
        url = self._held.enter_context(running(httpapi_app(self.terminal, face)))
        return self._held.enter_context(httpapi_client_of(url, server_timezone="UTC"))

    def run(self) -> "Desk":
        self.bot.run()
        return self

    def own_positions(self) -> list[Position]:
        """The terminal's positions that bear the bot's mark."""
        found = self.terminal.positions("BTCUSD")
        return [each for each in found if each.magic >> 32 == DAEMON.strategy_id]

    @property
    def lines(self) -> list[str]:
        return list(self.journal.decision_lines("BTCUSD"))

    def close(self) -> None:
        self._held.close()
        self.journal.close()
        self.store.close()


class TinyPredictor:
    """A predictor without a model: votes and probabilities from three features."""

    def predict(self, features: Float64s) -> Any:
        pull = np.tanh(features[:, :3]).sum(axis=1) / 3
        buy = 0.45 + 0.4 * pull
        probabilities = np.stack([buy, 0.9 - buy, np.full(len(buy), 0.1)], axis=1)
        votes = np.where(np.tanh(features[:, :3]) > 0, 1, -1).astype(np.int8)
        return SimpleNamespace(probabilities=probabilities, votes=votes)


AWAY = BrokerUnavailable("the bridge is away")
