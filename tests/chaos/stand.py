"""A small paper run that trades often, as two real processes that can be killed and started again.

The processes are forked from one that has everything loaded, so that a start costs little.
"""

import os
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenacity import wait_fixed

import mt5api.__main__ as bridge_door
from broker.client.paper_control import PaperControl
from broker.client.rest import RestBroker
from broker.client.settings import BridgeSettings
from broker.contract.errors import BrokerError
from broker.native import NativeBroker
from broker.simulator.settings import PaperSettings
from broker.simulator.terminal import SimulatedTerminal
from market.instruments import instrument
from market.sources.generated import generated_bars
from market.store import BarStore
from mt5api.paper import PaperSpec
from tests.builders import MONDAY_MS, write_market
from tests.chaos.strike import Strike
from tests.ports import free_ports
from tests.trading.doubles import Recorder, TinyPredictor
from trading.assemble import Trade, assemble
from trading.clock import PaperClock, StopFlag
from trading.decision.settings import DecisionSettings
from trading.journal import Journal
from trading.paper import PaperOptions, PaperPlan, plan_run
from trading.settings import DaemonSettings
from trading.state_folder import StateFolder
from trading.summary import run_summary

DAY_MS = 86_400_000
HISTORY_DAYS = 206  # the features' look-back and the gate's, and closures
PAPER = PaperSettings()
TRADE = Trade(
    instrument("BTCUSD"),
    DecisionSettings.model_validate(
        {
            "prediction": {"quantile": {"lookback_days": 2, "top_share": 0.4}},
            "circuit_breaker": {"enabled": False},
        }
    ),
    DaemonSettings(),
    ("base", "regime"),
)
FINISHED, BRIDGE_AWAY, BROKEN = 0, 3, 4


def generated_market(path: Path, *, days: int, seed: int) -> Path:
    """A file of the generated market with room for `days` traded days after the warm-up."""
    to_ms = MONDAY_MS + (HISTORY_DAYS + days + 1) * DAY_MS
    bars = generated_bars(TRADE.instrument, seed=seed, from_ms=MONDAY_MS, to_ms=to_ms)
    return write_market(path, bars)


def plan_of(market: Path, *, bars: int | None) -> PaperPlan:
    return plan_run(PaperOptions(market, None, None, bars, "max"), TRADE, PAPER)


@dataclass(frozen=True, slots=True)
class Stand:
    """One run's folder, market and port. `start_*` return process ids of children."""

    folder: Path
    plan: PaperPlan
    port: int

    @property
    def strike(self) -> Strike:
        return Strike(self.folder)

    @property
    def ready_file(self) -> Path:
        return self.folder / "bridge.ready"

    def spec(self) -> PaperSpec:
        return self.plan.spec("BTCUSD", PAPER, "max", self.folder / "terminal")

    def start_bridge(self) -> int:
        """A bridge that listens when this returns."""
        self.ready_file.unlink(missing_ok=True)
        pid = _fork(self._bridge, self.folder / "bridge.log")
        while not self.ready_file.exists():
            if os.waitpid(pid, os.WNOHANG)[0]:
                raise RuntimeError(f"no bridge: {(self.folder / 'bridge.log').read_text()}")
            time.sleep(0.002)
        return pid

    def start_daemon(self) -> int:
        return _fork(self._daemon, self.folder / "daemon.log")

    def _bridge(self) -> int:
        path = self.folder / "bridge.json"
        path.write_text(self.spec().model_dump_json(), encoding="utf-8")
        _reach_in_the_bridge(self.strike)
        return bridge_door.main(
            ["--paper", str(path), "--port", str(self.port), "--ready-file", str(self.ready_file)]
        )

    def _daemon(self) -> int:
        try:
            self._trade()
        except BrokerError:
            traceback.print_exc()
            return BRIDGE_AWAY
        return FINISHED

    def _trade(self) -> None:
        stop = StopFlag()
        with (
            StateFolder(self.folder) as folder,
            RestBroker(_settings(self.port), back_off=wait_fixed(0.01)) as broker,
        ):
            clock = StruckClock(PaperControl(broker.connection), stop, self.strike)
            journal, store = StruckJournal(folder.journal, self.strike), BarStore(folder.bars)
            struck: Any = StruckBroker(broker, self.strike)
            bot = assemble(
                TRADE, broker=struck, clock=clock, stop=stop, reporter=Recorder(stop),
                journal=journal, store=store, predictor=TinyPredictor(), limits=self.plan.limits,
            )  # fmt: skip
            bot.run()
            run_summary(
                journal, store, broker, TRADE,
                now_ms=clock.now_ms(), data_sha256=self.plan.data_sha256,
            )  # fmt: skip


def stand_in(folder: Path, plan: PaperPlan) -> Stand:
    folder.mkdir(parents=True, exist_ok=True)
    return Stand(folder, plan, free_ports(1)[0])


class StruckJournal(Journal):
    """A journal whose process may die before, inside and after each commit."""

    def __init__(self, path: Path, strike: Strike) -> None:
        self._strike = strike
        super().__init__(path)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._strike.reach("begin")
        with super()._transaction():
            yield
            self._strike.reach("commit")
        self._strike.reach("committed")


class StruckBroker:
    """A broker whose process may die before and after each call."""

    def __init__(self, broker: RestBroker, strike: Strike) -> None:
        self._broker = broker
        self._strike = strike

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._broker, name)
        trades = name in ("send", "modify", "close")

        def call(*args: Any, **kwargs: Any) -> Any:
            self._strike.reach("send" if trades else "read")
            answer = method(*args, **kwargs)
            self._strike.reach("sent" if trades else "answered")
            return answer

        return call


class StruckClock(PaperClock):
    """A lock-step clock whose process may die before it waits. It pauses for no real time."""

    def __init__(self, control: PaperControl, stop: StopFlag, strike: Strike) -> None:
        self._strike = strike
        super().__init__(control, stop, speed=None)

    def wait_until(self, instant_ms: int) -> int:
        self._strike.reach("wait")
        return super().wait_until(instant_ms)

    def pause(self, seconds: float) -> None:
        time.sleep(0.01)  # no simulated time: an unbroken run would not pass it


def _reach_in_the_bridge(strike: Strike) -> None:
    """Wraps what the bridge does with an order; only ever in a forked child."""
    send, save = NativeBroker._send, SimulatedTerminal.save

    def struck_send(self: NativeBroker, request: Any) -> Any:
        strike.reach("request")
        result = send(self, request)
        strike.reach("executed")
        return result

    def struck_save(self: SimulatedTerminal, path: Path) -> None:
        save(self, path)
        strike.reach("saved")

    NativeBroker._send = struck_send  # type: ignore[method-assign]
    SimulatedTerminal.save = struck_save  # type: ignore[method-assign]


def _settings(port: int) -> BridgeSettings:
    return BridgeSettings(api_base_url=f"http://127.0.0.1:{port}")


def _fork(work: Callable[[], int], log: Path) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = BROKEN
    try:
        with log.open("a", encoding="utf-8") as lines:
            for stream in (1, 2):
                os.dup2(lines.fileno(), stream)
            status = work()
    except BaseException:  # noqa: BLE001 - a child ends here, whatever happened
        with log.open("a", encoding="utf-8") as lines:
            traceback.print_exc(file=lines)
    os._exit(status)
