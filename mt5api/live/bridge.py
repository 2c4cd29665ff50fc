"""A live bridge put together: account, terminal's process, keys, health, write probe."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from broker.contract.constants import OrderType
from broker.contract.errors import BrokerError
from broker.contract.filling import filling_of
from broker.contract.messages import OrderRequest
from broker.native import NativeBroker
from broker.native.face import Mt5
from market.instruments import INSTRUMENTS
from market.server_clock import ServerClock
from market.sessions import Sessions
from mt5api.keys import IntentKeys
from mt5api.limits import RateLimit
from mt5api.live.calls import DEEPEST, QueuedCalls
from mt5api.live.link import Login, TerminalLink
from mt5api.live.parts import LiveParts
from mt5api.live.process import CALL_LIMIT_S, TerminalProcess
from mt5api.live.sidecar import Sidecar
from mt5api.live.watch import HealthWatch

_KEYS_FILE = "keys.sqlite"
_MINUTE_S = 60.0


class LiveError(ValueError):
    """A live bridge that cannot start as asked. Says what to do."""


@dataclass(frozen=True, slots=True)
class LiveSpec:
    """What a live bridge is for. `symbols`: warmed up at the start; the write probe takes the
    first. `openings_per_minute`: 0 is no limit. `module`: the package, by its name."""

    login: Login
    symbols: tuple[str, ...]
    state_dir: Path
    server_timezone: str = "UTC"
    sidecar_dir: Path | None = None
    openings_per_minute: int = 0
    call_limit_s: float = CALL_LIMIT_S
    deepest_queue: int = DEEPEST
    module: str = field(default="MetaTrader5")


class TradingHours(Mapping[str, Sessions]):
    """Sessions by symbol: the sidecar's, else those this project knows."""

    def __init__(self, sidecar: Sidecar) -> None:
        self._sidecar = sidecar

    def __getitem__(self, symbol: str) -> Sessions:
        return self._sidecar.sessions(symbol) or INSTRUMENTS[symbol].sessions

    def __iter__(self) -> Iterator[str]:
        return iter(INSTRUMENTS)

    def __len__(self) -> int:
        return len(INSTRUMENTS)


class WriteProbe:
    """Asks the terminal to check an order, once: wheels have been met that read
    and cannot send. Until it passed nothing is sent. Nothing is sent by it either."""

    def __init__(self, broker: NativeBroker, link: TerminalLink, symbols: tuple[str, ...]) -> None:
        self._broker = broker
        self._link = link
        self._symbols = symbols
        link.refusal = "the write probe has not passed yet"

    def run(self) -> None:
        """Warms the symbols up and probes, if that is still to be done."""
        if not self._link.refusal:
            return
        try:
            for symbol in self._symbols:
                self._broker.symbol(symbol)
            self._broker.check(self._order())
        except BrokerError as error:
            self._link.refusal = f"write probe: {error}"
            return
        self._link.refusal = ""

    def _order(self) -> OrderRequest:
        spec = self._broker.symbol(self._symbols[0])
        return OrderRequest(
            symbol=spec.symbol, type=OrderType.BUY, volume=spec.volume_min, client_id="", magic=0,
            comment="probe", type_filling=filling_of(spec.filling_mode),
        )  # fmt: skip


def open_live(spec: LiveSpec) -> tuple[NativeBroker, LiveParts]:
    """The broker and what the application needs besides. Connects in the background.

    Raises `LiveError` where the package is not installed, `KeysError` for an unusable state
    folder, `ValueError` for a server time zone that does not exist.
    """
    server_clock = ServerClock(spec.server_timezone)
    if find_spec(spec.module) is None:
        raise LiveError(
            f"--live: the {spec.module} package is not installed (it exists for Windows only); "
            "install deploy/requirements-bridge.txt there, or put the simulated one on PYTHONPATH"
        )
    if not spec.symbols:
        raise LiveError("--symbol: at least one is needed, for the write probe")
    spec.state_dir.mkdir(parents=True, exist_ok=True)
    link = TerminalLink(TerminalProcess(spec.module, limit_s=spec.call_limit_s), spec.login)
    sidecar = Sidecar(spec.sidecar_dir, spec.server_timezone)
    broker = NativeBroker(
        cast(Mt5, link), server_clock,
        now_ms=lambda: time.time_ns() // 1_000_000, mode="live", sessions=TradingHours(sidecar),
        intents=IntentKeys(spec.state_dir / _KEYS_FILE),
    )  # fmt: skip
    calls = QueuedCalls(link.require, deepest=spec.deepest_queue)
    probe = WriteProbe(broker, link, spec.symbols)
    watch = HealthWatch(broker, link, calls, sidecar, probe=probe.run)
    limit = RateLimit(spec.openings_per_minute, _MINUTE_S) if spec.openings_per_minute else None
    return broker, LiveParts(calls, watch.told, link, watch.running, limit)
