"""`HttpApiBroker`: the `Broker` port over a bridge of the `mt5-httpapi` dialect."""

import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Self, TypeVar

from tenacity.wait import wait_base

from broker.client.connection import Connection
from broker.client.httpapi.terminal import HttpApiTerminal
from broker.client.httpapi.traces import report_of_traces
from broker.client.settings import BridgeSettings
from broker.contract.errors import BadAnswer, BridgeUnreachable, BrokerUnavailable
from broker.contract.messages import (
    Account,
    Deal,
    Health,
    IntentReport,
    MarketHealth,
    Order,
    OrderRequest,
    Position,
    Snapshot,
    SymbolSpec,
    Tick,
    TradeResult,
)
from broker.native import NativeBroker
from broker.native.health import health_of
from market.bars import Bars
from market.instruments import INSTRUMENTS
from market.server_clock import ServerClock
from market.sessions import ALWAYS_OPEN
from market.timeframe import Timeframe

Answer = TypeVar("Answer")

DIALECT = "mt5-httpapi"
_SNAPSHOTS = 4
_SETTLED_MS = 5_000


class HttpApiBroker:
    """One account behind a bridge of that dialect.

    The bridge tells neither its clock nor its sessions, and keeps no intents: the clock is this
    host's (on a paper bridge the simulated one), sessions are those of the instruments, and what
    was sent is remembered here and found again by magic and comment. `host_now_ms` may be
    replaced, so that tests need no clock.
    """

    def __init__(
        self, settings: BridgeSettings, token: str = "", *, back_off: wait_base | None = None,
        host_now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:  # fmt: skip
        self._host_now_ms = host_now_ms
        given = {} if back_off is None else {"back_off": back_off}
        self.connection = Connection(settings, token, **given)
        self._terminal = HttpApiTerminal(self.connection)
        self._clock = ServerClock(settings.server_timezone or "UTC")
        self._native = NativeBroker(
            self._terminal, self._clock, now_ms=self._now_ms, mode="live",
            sessions={name: each.sessions for name, each in INSTRUMENTS.items()},
        )  # fmt: skip
        self._watched: dict[str, None] = {}
        self._boot_id, self._since_s = str(uuid.uuid4()), time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.connection.close()

    def health(self) -> Health:
        """Composed of `/ping`, `/terminal`, `/account` and the quotes of the symbols asked for.

        `boot_id` is ours: a new one after every lost connection, since the bridge may have been
        restarted meanwhile. `clock_skew_ms`: how far a quote lies in our future.
        """
        self._ping()
        terminal = _if_answered(self._terminal.terminal_info)
        account = _if_answered(self._terminal.account_info)
        market = tuple(self._market(symbol) for symbol in self._watched)
        now_ms = self._now_ms()
        composed = health_of(
            terminal, account, mode="live" if self.connection.paper_now_ms is None else "paper",
            boot_id=self._boot_id, uptime_s=round(time.monotonic() - self._since_s, 3),
            market=market, utc_msc=now_ms, utc_offset_s=self._clock.offset_s(now_ms),
        )  # fmt: skip
        ahead_ms = max((each.tick_time_msc - now_ms for each in market), default=0)
        return replace(composed, dialect=DIALECT, clock_skew_ms=max(0, ahead_ms))

    def account(self) -> Account:
        return self._native.account()

    def symbol(self, symbol: str) -> SymbolSpec:
        spec = self._native.symbol(symbol)
        self._watched[symbol] = None
        return spec

    def tick(self, symbol: str) -> Tick:
        return self._native.tick(symbol)

    def rates(self, symbol: str, timeframe: Timeframe, *, from_ms: int, to_ms: int) -> Bars:
        """A live bar that ended within the last 5 s by this host's clock also needs a quote from
        after its end: were that clock ahead, the forming bar would pass for a closed one."""
        bars = self._native.rates(symbol, timeframe, from_ms=from_ms, to_ms=to_ms)
        if self.connection.paper_now_ms is not None or len(bars) == 0:
            return bars
        close_ms = int(bars.close_ms[-1])
        settled = self._now_ms() - close_ms >= _SETTLED_MS
        if settled or self._native.tick(symbol).time_msc >= close_ms:
            return bars
        return bars.rows(0, len(bars) - 1)

    def positions(self, symbol: str | None = None) -> tuple[Position, ...]:
        return self._native.positions(symbol)

    def orders(self, symbol: str | None = None) -> tuple[Order, ...]:
        return self._native.orders(symbol)

    def snapshot(self, symbol: str) -> Snapshot:
        """Read in parts, again until no trade happened in between."""
        for _ in range(_SNAPSHOTS):
            before = self._native.account()
            positions, tick = self._native.positions(), self._native.tick(symbol)
            after = self._native.account()
            if _is_one_state(before, after, positions):
                return Snapshot(self._now_ms(), after, positions, tick)
        raise BrokerUnavailable(
            f"snapshot: the account changed during each of {_SNAPSHOTS} looks; ask again"
        )

    def deals(self, *, from_ms: int, to_ms: int) -> tuple[Deal, ...]:
        return self._native.deals(from_ms=from_ms, to_ms=to_ms)

    def send(self, request: OrderRequest) -> TradeResult:
        return self._native.send(request)

    def check(self, request: OrderRequest) -> TradeResult:
        """By the symbol's specification alone; this dialect cannot ask the trade server."""
        return self._native.check(request)

    def modify(self, position: int, *, sl: float, tp: float, client_id: str) -> TradeResult:
        return self._native.modify(position, sl=sl, tp=tp, client_id=client_id)

    def intent(self, client_id: str) -> IntentReport:
        return report_of_traces(self._native, client_id)

    def _now_ms(self) -> int:
        self._terminal.start()
        paper_ms = self.connection.paper_now_ms
        return self._host_now_ms() if paper_ms is None else paper_ms

    def _ping(self) -> None:
        try:
            self._terminal.ping()
        except BridgeUnreachable:
            self._boot_id, self._since_s = str(uuid.uuid4()), time.monotonic()
            raise

    def _market(self, symbol: str) -> MarketHealth:
        now_ms, tick_ms = self._now_ms(), 0
        quote = _if_answered(lambda: self._native.tick(symbol))
        if quote is not None:
            tick_ms = quote.time_msc
        sessions = INSTRUMENTS[symbol].sessions if symbol in INSTRUMENTS else ALWAYS_OPEN
        return MarketHealth(symbol, tick_ms, now_ms - tick_ms, sessions.is_open(now_ms))


def _if_answered(call: Callable[[], Answer]) -> Answer | None:
    """None where the bridge is there and the terminal behind it is not."""
    try:
        return call()
    except BridgeUnreachable:
        raise
    except (BrokerUnavailable, BadAnswer):
        return None


def _is_one_state(before: Account, after: Account, positions: tuple[Position, ...]) -> bool:
    """Whether no deal fell between two readings. Equity and margin move with prices anyway."""
    same = ("login", "server", "balance", "credit")
    if any(getattr(before, name) != getattr(after, name) for name in same):
        return False
    return (before.margin > 0) == (after.margin > 0) and (after.margin == 0 or bool(positions))
