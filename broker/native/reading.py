"""Reading a terminal: what it answers, in the contract's messages and in UTC."""

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from broker.contract.errors import BrokerRefused, BrokerUnavailable
from broker.contract.messages import (
    Account,
    Deal,
    Health,
    MarketHealth,
    Order,
    Position,
    Snapshot,
    SymbolSpec,
    Tick,
)
from broker.native import face, records
from broker.native.health import health_of
from market.bars import Bars
from market.server_clock import ServerClock
from market.sessions import ALWAYS_OPEN, Sessions
from market.timeframe import Timeframe

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

Reader = TypeVar("Reader", bound="TerminalReader")
Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def one_at_a_time(
    method: Callable[Concatenate[Reader, Given], Answer],
) -> Callable[Concatenate[Reader, Given], Answer]:
    """The package is not thread-safe and its last_error is global: one call at a time."""

    @wraps(method)
    def locked(self: Reader, /, *args: Given.args, **kwargs: Given.kwargs) -> Answer:
        with self._lock:
            return method(self, *args, **kwargs)

    return locked


class TerminalReader:
    """The reading half of `NativeBroker`, whose docstring says what it is given."""

    def __init__(
        self,
        mt5: face.Mt5,
        server_clock: ServerClock,
        *,
        now_ms: Callable[[], int],
        mode: str,
        sessions: Mapping[str, Sessions] | None = None,
    ) -> None:
        self.mode = mode
        self._mt5 = mt5
        self._now_ms = now_ms
        self._time = records.ServerTime(server_clock, now_ms)
        self._sessions = {} if sessions is None else sessions
        self._lock = threading.RLock()
        self._selected: dict[str, None] = {}
        self.boot_id = str(uuid.uuid4())
        self._started_s = time.monotonic()

    @one_at_a_time
    def restarted(self) -> None:
        """As a new process would be: another boot id, and nothing learned from the terminal."""
        self.boot_id = str(uuid.uuid4())
        self._started_s = time.monotonic()
        self._selected.clear()

    def now_ms(self) -> int:
        """The venue's clock, epoch ms UTC."""
        return self._now_ms()

    @one_at_a_time
    def health(self) -> Health:
        """Answers in any state of the terminal; `status` tells which."""
        now_ms, offset_s = self._now_ms(), self._time.offset_s()
        return health_of(
            self._mt5.terminal_info(), self._mt5.account_info(), mode=self.mode,
            boot_id=self.boot_id, uptime_s=round(time.monotonic() - self._started_s, 3),
            market=tuple(self._market_health(symbol, now_ms) for symbol in self._selected),
            utc_msc=now_ms, utc_offset_s=offset_s,
        )  # fmt: skip

    @one_at_a_time
    def account(self) -> Account:
        return records.account(self._asked("account_info", self._mt5.account_info()))

    @one_at_a_time
    def symbols(self) -> tuple[str, ...]:
        """Names of all symbols of the terminal."""
        return tuple(each.name for each in self._asked("symbols_get", self._mt5.symbols_get()))

    @one_at_a_time
    def symbol(self, symbol: str) -> SymbolSpec:
        self._select(symbol)
        return records.symbol_spec(self._asked("symbol_info", self._mt5.symbol_info(symbol)))

    @one_at_a_time
    def tick(self, symbol: str) -> Tick:
        self._select(symbol)
        asked = self._asked("symbol_info_tick", self._mt5.symbol_info_tick(symbol))
        quote = records.tick(asked, self._time)
        if quote.bid <= 0 or quote.ask < quote.bid:
            raise BrokerUnavailable(
                f"{symbol}: no quote yet (bid {quote.bid}, ask {quote.ask}); ask again shortly"
            )
        return quote

    @one_at_a_time
    def ticks(self, symbol: str, *, from_ms: int, to_ms: int, flags: int) -> tuple[Tick, ...]:
        """Ticks with from_ms ≤ time < to_ms, oldest first. `flags`: the package's COPY_TICKS_*."""
        self._select(symbol)
        rows = self._asked(
            "copy_ticks_range",
            self._mt5.copy_ticks_range(
                symbol,
                self._time.server_s(from_ms - 2 * HOUR_MS),
                self._time.server_s(to_ms + 2 * HOUR_MS),
                flags,
            ),
        )
        found = records.ticks(rows, self._time)
        return tuple(each for each in found if from_ms <= each.time_msc < to_ms)

    @one_at_a_time
    def terminal(self) -> dict[str, Any]:
        """`terminal_info` as it is, and the seconds the server's clock is ahead of UTC."""
        found: dict[str, Any] = self._asked("terminal_info", self._mt5.terminal_info())._asdict()
        return found | {"broker_utc_offset_seconds": self._time.offset_s()}

    @one_at_a_time
    def rates(self, symbol: str, timeframe: Timeframe, *, from_ms: int, to_ms: int) -> Bars:
        self._select(symbol)
        # Two hours more on both sides: a range that began or ended inside the hour that autumn
        # repeats would name it by a server time that came twice.
        rows = self._asked(
            "copy_rates_range",
            self._mt5.copy_rates_range(
                symbol,
                timeframe.mt5,
                self._time.server_s(from_ms - 2 * HOUR_MS),
                self._time.server_s(to_ms + 2 * HOUR_MS),
            ),
        )
        bars = records.bars(symbol, timeframe, rows, self._time).between(from_ms, to_ms)
        return bars.rows(0, int(np.searchsorted(bars.close_ms, self._now_ms(), side="right")))

    @one_at_a_time
    def positions(self, symbol: str | None = None) -> tuple[Position, ...]:
        found = self._mt5.positions_get() if symbol is None else self._positions_of(symbol)
        return tuple(
            records.position(each, self._time) for each in self._asked("positions_get", found)
        )

    @one_at_a_time
    def position(self, position: int) -> Position | None:
        """The open position with this identifier or ticket, if there is one."""
        for each in self.positions():
            if position in (each.identifier, each.ticket):
                return each
        return None

    @one_at_a_time
    def orders(self, symbol: str | None = None) -> tuple[Order, ...]:
        if symbol is None:
            found = self._mt5.orders_get()
        else:
            self._select(symbol)
            found = self._mt5.orders_get(symbol=symbol)
        return tuple(records.order(each, self._time) for each in self._asked("orders_get", found))

    @one_at_a_time
    def order(self, ticket: int) -> Order | None:
        """The working order with this ticket, if there is one."""
        return next((each for each in self.orders() if each.ticket == ticket), None)

    @one_at_a_time
    def snapshot(self, symbol: str) -> Snapshot:
        return Snapshot(self._now_ms(), self.account(), self.positions(), self.tick(symbol))

    @one_at_a_time
    def deals(self, *, from_ms: int, to_ms: int) -> tuple[Deal, ...]:
        found = self._history("history_deals_get", self._mt5.history_deals_get, from_ms)
        return tuple(
            deal for deal in records.deals(found, self._time) if from_ms <= deal.time_msc < to_ms
        )

    @one_at_a_time
    def history_orders(self, *, from_ms: int, to_ms: int) -> tuple[Order, ...]:
        """Finished orders with from_ms ≤ done < to_ms, in (done, ticket) order."""
        found = self._history("history_orders_get", self._mt5.history_orders_get, from_ms)
        finished = [records.order(each, self._time) for each in found]
        finished.sort(key=lambda each: (each.time_done_msc, each.ticket))
        return tuple(each for each in finished if from_ms <= each.time_done_msc < to_ms)

    def sessions(self, symbol: str) -> Sessions:
        """When a symbol trades, as far as it is known."""
        self._select(symbol)
        return self._sessions.get(symbol, ALWAYS_OPEN)

    @one_at_a_time
    def last_error(self) -> tuple[int, str]:
        """The terminal's latest error, for people only: any other call overwrites it."""
        return face.last_error(self._mt5)

    def _asked(self, call: str, answer: Any) -> Any:
        """The answer, or the error for the None that stands for a failure."""
        if answer is None:
            raise face.read_failure(call, face.last_error(self._mt5))
        return answer

    def _select(self, symbol: str) -> None:
        """Puts a symbol into Market Watch once; `BrokerRefused` where there is none."""
        if symbol in self._selected:
            return
        if self._mt5.symbol_info(symbol) is None:
            error = face.last_error(self._mt5)
            if face.symbol_is_unknown(error):
                raise BrokerRefused(f"symbol {symbol!r}: the terminal has no such symbol")
            raise face.read_failure("symbol_info", error)
        if not self._mt5.symbol_select(symbol, True):
            raise face.read_failure("symbol_select", face.last_error(self._mt5))
        self._selected[symbol] = None

    def _positions_of(self, symbol: str) -> Any:
        self._select(symbol)
        return self._mt5.positions_get(symbol=symbol)

    def _history(self, name: str, call: Callable[[int, int], Any], from_ms: int) -> Any:
        """History until tomorrow: a server clock ahead of UTC would cut the latest records."""
        from_s = self._time.server_s(max(0, from_ms - HOUR_MS))
        return self._asked(name, call(from_s, self._time.server_s(self._now_ms() + DAY_MS)))

    def _market_health(self, symbol: str, now_ms: int) -> MarketHealth:
        quote = self._mt5.symbol_info_tick(symbol)
        tick_ms = self._time.utc_ms(quote.time_msc) if quote else 0
        is_open = self._sessions.get(symbol, ALWAYS_OPEN).is_open(now_ms)
        return MarketHealth(symbol, tick_ms, now_ms - tick_ms, is_open)
