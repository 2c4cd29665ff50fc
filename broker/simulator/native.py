"""The simulated terminal with the MetaTrader5 package's functions.

Names, signatures, named tuples, dtypes and constants are the package's; instants are the server's
wall clock in seconds, read by the terminal's `ServerClock`. As in the package a failure is `None`
and `last_error()` says why. Whoever speaks to the package can be handed this object instead.
"""

import fnmatch
import math
from collections.abc import Callable
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from broker.contract.constants import OrderType, TradeAction
from broker.contract.messages import Deal, Position
from broker.simulator.native_constants import Constants
from broker.simulator.native_legacy import LegacyFunctions
from broker.simulator.native_rates import NativeRates
from broker.simulator.native_symbol import symbol_info
from broker.simulator.native_words import (
    AccountInfo,
    OrderCheckResult,
    OrderSendResult,
    TerminalInfo,
    Tick,
    TradeDeal,
    TradeOrder,
    TradePosition,
)
from broker.simulator.native_words import TradeRequest as TradeRequestTuple
from broker.simulator.records import DealRow, OrderRow, TradeRequest
from broker.simulator.terminal import SimulatedTerminal

BUILD = 5602
_VERSION = (500, BUILD, "01 Aug 2026")
_Instant = datetime | int | float
Answer = TypeVar("Answer")
Row = TypeVar("Row", DealRow, OrderRow)
_REQUEST_FIELDS = frozenset(each.name for each in fields(TradeRequest))
_LONGEST_TEXT = 31
_SLOT_MS = 900_000  # clocks change on quarter hours at the finest
_END_OF_TIME_S = 1 << 40
_WIDEST_OFFSET_MS = 24 * 3_600_000


class NativeTerminal(LegacyFunctions, Constants):
    """`MetaTrader5` over a `SimulatedTerminal`."""

    def __init__(self, terminal: SimulatedTerminal) -> None:
        self.terminal = terminal
        self._clock = terminal.server_clock
        self._rates = NativeRates(terminal)
        self._offset_ms: dict[int, int] = {}
        self._error: tuple[int, str] = (self.RES_S_OK, "Success")

    def initialize(self, path: str = "", **_: Any) -> bool:
        """Always connected: there is no process to start."""
        return self._ok(True)

    def shutdown(self) -> None:
        """Nothing to stop."""
        self._ok(None)

    def version(self) -> tuple[int, int, str]:
        return self._ok(_VERSION)

    def last_error(self) -> tuple[int, str]:
        return self._error

    def login(self, login: int, **_: Any) -> bool:
        """Only the account of the terminal logs in; another is (-6)."""
        if int(login) != self.terminal.account_terms.login:
            self._fail(self.RES_E_AUTH_FAILED, "Terminal: Authorization failed")
            return False
        return self._ok(True)

    def account_info(self) -> AccountInfo:
        a = self.terminal.account()
        return self._ok(AccountInfo(
            a.login, a.trade_mode, a.leverage, a.limit_orders, a.margin_so_mode, a.trade_allowed,
            a.trade_expert, a.margin_mode, a.currency_digits, False, a.balance, a.credit, a.profit,
            a.equity, a.margin, a.margin_free, a.margin_level, a.margin_so_call, a.margin_so_so,
            0.0, 0.0, 0.0, 0.0, 0.0, a.name, a.server, a.currency, a.company,
        ))  # fmt: skip

    def terminal_info(self) -> TerminalInfo:
        company = self.terminal.account_terms.company
        allowed = self.terminal.desk.client_allows
        return self._ok(TerminalInfo(
            False, False, True, False, allowed, False, False, False, False, False, BUILD, 100_000,
            0, 0, 0.0, 0.0, company, "Simulated terminal", "English", "", "", "",
        ))  # fmt: skip

    def symbols_total(self) -> int:
        return self._ok(len(self.terminal.instruments))

    def symbols_get(self, group: str = "*") -> tuple[Any, ...]:
        return self._ok(tuple(
            symbol_info(self.terminal, name)
            for name in self.terminal.instruments if _in_group(name, group)
        ))  # fmt: skip

    def symbol_info(self, symbol: str) -> Any:
        if not self._knows(symbol):
            return None
        return self._ok(symbol_info(self.terminal, symbol))

    def symbol_select(self, symbol: str, enable: bool = True) -> bool:
        return self._ok(True) if self._knows(symbol) else False

    def symbol_info_tick(self, symbol: str) -> Tick | None:
        if not self._knows(symbol):
            return None
        tick = self.terminal.tick(symbol)
        if tick is None:
            return self._ok(Tick(0, 0.0, 0.0, 0.0, 0, 0, 0, 0.0))
        msc = self._server_msc(tick.time_msc)
        return self._ok(Tick(
            msc // 1000, tick.bid, tick.ask, tick.last, tick.volume, msc, tick.flags, 0.0
        ))  # fmt: skip

    def copy_rates_from(
        self, symbol: str, timeframe: int, date_from: _Instant, count: int
    ) -> NDArray[np.void] | None:
        """`count` bars that open at or before `date_from`, the forming one included."""
        return self._read(
            symbol, lambda: self._rates.from_date(symbol, timeframe, _seconds(date_from), count)
        )

    def copy_rates_from_pos(
        self, symbol: str, timeframe: int, start_pos: int, count: int
    ) -> NDArray[np.void] | None:
        """`count` bars ending at position `start_pos`; 0 is the newest, forming or not (B25)."""
        return self._read(
            symbol, lambda: self._rates.from_position(symbol, timeframe, start_pos, count)
        )

    def copy_rates_range(
        self, symbol: str, timeframe: int, date_from: _Instant, date_to: _Instant
    ) -> NDArray[np.void] | None:
        """Bars that open in [date_from, date_to], both ends included."""
        return self._read(
            symbol,
            lambda: self._rates.between(symbol, timeframe, _seconds(date_from), _seconds(date_to)),
        )

    def copy_ticks_from(
        self, symbol: str, date_from: _Instant, count: int, flags: int
    ) -> NDArray[np.void] | None:
        """First ticks of bars from an instant on: bars hold no others."""
        return self._read(
            symbol, lambda: self._rates.ticks(symbol, _seconds(date_from), None)[:count]
        )

    def copy_ticks_range(
        self, symbol: str, date_from: _Instant, date_to: _Instant, flags: int
    ) -> NDArray[np.void] | None:
        return self._read(
            symbol, lambda: self._rates.ticks(symbol, _seconds(date_from), _seconds(date_to))
        )

    def orders_total(self) -> int:
        return self._ok(len(self.terminal.book.orders))

    def orders_get(
        self, *, symbol: str | None = None, ticket: int | None = None, group: str | None = None
    ) -> tuple[TradeOrder, ...]:
        rows = [working.row for working in self.terminal.book.orders.values()]
        return self._ok(tuple(
            self._order(row) for row in rows
            if _matches(row.symbol, symbol, group) and ticket in (None, row.ticket)
        ))  # fmt: skip

    def positions_total(self) -> int:
        return self._ok(len(self.terminal.book.positions))

    def positions_get(
        self, *, symbol: str | None = None, ticket: int | None = None, group: str | None = None
    ) -> tuple[TradePosition, ...]:
        return self._ok(tuple(
            self._position(p) for p in self.terminal.positions()
            if _matches(p.symbol, symbol, group) and ticket in (None, p.ticket)
        ))  # fmt: skip

    def history_orders_total(self, date_from: _Instant, date_to: _Instant) -> int:
        return len(self.history_orders_get(date_from, date_to))

    def history_orders_get(
        self, date_from: _Instant | None = None, date_to: _Instant | None = None, *,
        group: str | None = None, ticket: int | None = None, position: int | None = None,
    ) -> tuple[TradeOrder, ...]:  # fmt: skip
        """By instants (both included), by order ticket or by position identifier."""
        ledger = self.terminal.ledger
        if ticket is not None:
            rows = [row for row in ledger.orders if row.ticket == ticket]
        elif position is not None:
            rows = [row for row in ledger.orders if row.position_id == position]
        else:
            rows = ledger.orders_between(*_utc_bounds(date_from, date_to))
            rows = self._shown_between(rows, [r.time_done_ms for r in rows], date_from, date_to)
        return self._ok(
            tuple(self._order(row) for row in rows if _matches(row.symbol, None, group))
        )

    def history_deals_total(self, date_from: _Instant, date_to: _Instant) -> int:
        return len(self.history_deals_get(date_from, date_to))

    def history_deals_get(
        self, date_from: _Instant | None = None, date_to: _Instant | None = None, *,
        group: str | None = None, ticket: int | None = None, position: int | None = None,
    ) -> tuple[TradeDeal, ...]:  # fmt: skip
        """By instants (both included), by the ticket of the deals' order, or by position."""
        ledger = self.terminal.ledger
        if ticket is not None:
            rows = [row for row in ledger.deals if row.order == ticket]
        elif position is not None:
            rows = [row for row in ledger.deals if row.position_id == position]
        else:
            rows = ledger.deals_between(*_utc_bounds(date_from, date_to))
            rows = self._shown_between(rows, [r.time_ms for r in rows], date_from, date_to)
        rows = [row for row in rows if _matches(row.symbol, None, group)]
        server_s = self._server_s([row.time_ms for row in rows])
        return self._ok(
            tuple(
                self._deal(self.terminal.deal(row), shown_s)
                for row, shown_s in zip(rows, server_s, strict=True)
            )
        )

    def order_calc_margin(
        self, action: int, symbol: str, volume: float, price: float
    ) -> float | None:
        """Margin of a market order in the deposit currency."""
        if not self._knows(symbol):
            return None
        units = self.terminal.units[symbol]
        margin = units.margin(units.steps(volume), units.ticks(price))
        return self._ok(margin / self.terminal.scale)

    def order_calc_profit(
        self, action: int, symbol: str, volume: float, price_open: float, price_close: float
    ) -> float | None:
        """Profit of a trade in the deposit currency, costs left out."""
        if not self._knows(symbol):
            return None
        units = self.terminal.units[symbol]
        side = 1 if action == OrderType.BUY else -1
        profit = units.profit(
            side, units.ticks(price_open), units.ticks(price_close), units.steps(volume)
        )
        return self._ok(profit / self.terminal.scale)

    def order_check(self, request: dict[str, Any]) -> OrderCheckResult | None:
        """retcode 0: it would pass. Figures are the account's, margin that of the trade added."""
        asked = self._request(request)
        if asked is None:
            return None
        result, account = self.terminal.order_check(asked), self.terminal.account()
        margin = account.margin + self._added_margin(asked, result.bid, result.ask)
        return self._ok(OrderCheckResult(
            result.retcode, account.balance, account.equity, account.profit, margin,
            account.equity - margin, account.equity / margin * 100 if margin else 0.0,
            result.comment, self._echo(asked),
        ))  # fmt: skip

    def order_send(self, request: dict[str, Any]) -> OrderSendResult | None:
        asked = self._request(request)
        if asked is None:
            return None
        result = self.terminal.order_send(asked)
        return self._ok(OrderSendResult(
            result.retcode, result.deal, result.order, result.volume, result.price, result.bid,
            result.ask, result.comment, result.request_id, 0, self._echo(asked),
        ))  # fmt: skip

    def _request(self, request: dict[str, Any]) -> TradeRequest | None:
        unknown = [name for name in request if name not in _REQUEST_FIELDS]
        if unknown or "action" not in request:
            name = unknown[0] if unknown else "action"
            self._fail(self.RES_E_INVALID_PARAMS, f'Invalid "{name}" argument')
            return None
        wrong = [name for name, value in request.items() if not _is_kind_of(name, value)]
        if wrong:
            self._fail(self.RES_E_INVALID_PARAMS, f'Invalid "{wrong[0]}" argument')
            return None
        given = dict(request)
        if given.get("expiration"):
            given["expiration"] = self._clock.to_utc_ms(_seconds(given["expiration"]))
        return TradeRequest(**given)

    def _echo(self, asked: TradeRequest) -> TradeRequestTuple:
        echoed = asdict(asked)
        if asked.expiration:
            echoed["expiration"] = self._clock.to_server_s(asked.expiration)
        return TradeRequestTuple(**echoed)

    def _added_margin(self, asked: TradeRequest, bid: float, ask: float) -> float:
        if (
            asked.action != TradeAction.DEAL
            or asked.position
            or asked.symbol not in self.terminal.units
        ):
            return 0.0
        price = ask if asked.type == OrderType.BUY else bid
        return self.order_calc_margin(asked.type, asked.symbol, asked.volume, price) or 0.0

    def _position(self, p: Position) -> TradePosition:
        opened, updated = self._server_msc(p.time_msc), self._server_msc(p.time_update_msc)
        return TradePosition(
            p.ticket, opened // 1000, opened, updated // 1000, updated, int(p.type), p.magic,
            p.identifier, int(p.reason), p.volume, p.price_open, p.sl, p.tp, p.price_current,
            p.swap, p.profit, p.symbol, p.comment, "",
        )  # fmt: skip

    def _order(self, row: OrderRow) -> TradeOrder:
        units, tick = self.terminal.units[row.symbol], self.terminal.tick(row.symbol)
        setup, done = self._server_msc(row.time_setup_ms), 0
        if row.time_done_ms:
            done = self._server_msc(row.time_done_ms)
        expires = self._clock.to_server_s(row.time_expiration_ms) if row.time_expiration_ms else 0
        return TradeOrder(
            row.ticket, setup // 1000, setup, done // 1000, done, expires, int(row.type),
            int(row.type_time), int(row.type_filling), row.state, row.magic, row.position_id, 0,
            int(row.reason), units.lots(row.steps_initial), units.lots(row.steps_current),
            units.price(row.price_ticks), units.price(row.sl_ticks), units.price(row.tp_ticks),
            tick.bid if tick else 0.0, 0.0, row.symbol, row.comment, "",
        )  # fmt: skip

    def _deal(self, d: Deal, server_s: int) -> TradeDeal:
        msc = server_s * 1000 + d.time_msc % 1000
        return TradeDeal(
            d.ticket, d.order, server_s, msc, int(d.type), int(d.entry), d.magic, d.position_id,
            int(d.reason), d.volume, d.price, d.commission, d.swap, d.profit, d.fee, d.symbol,
            d.comment, "",
        )  # fmt: skip

    def _shown_between(
        self, rows: list[Row], times_ms: list[int], date_from: _Instant | None,
        date_to: _Instant | None,
    ) -> list[Row]:  # fmt: skip
        """Rows whose server second lies in [from, to]; judged on the server's clock face."""
        first = 0 if date_from is None else _seconds(date_from)
        last = _END_OF_TIME_S if date_to is None else _seconds(date_to)
        shown = self._server_s(times_ms)
        return [row for row, at_s in zip(rows, shown, strict=True) if first <= at_s <= last]

    def _server_s(self, times_ms: list[int]) -> list[int]:
        column = self._clock.to_server_s_sequence(np.array(times_ms, dtype=np.int64))
        return [int(second) for second in column]

    def _server_msc(self, utc_ms: int) -> int:
        slot = utc_ms // _SLOT_MS
        if slot not in self._offset_ms:
            self._offset_ms = {slot: self._clock.offset_s(utc_ms) * 1000}
        return utc_ms + self._offset_ms[slot]

    def _knows(self, symbol: str) -> bool:
        if symbol in self.terminal.instruments:
            return True
        self._fail(self.RES_E_NOT_FOUND, "Terminal: Not found")
        return False

    def _read(self, symbol: str, read: Callable[[], NDArray[np.void]]) -> NDArray[np.void] | None:
        if not self._knows(symbol):
            return None
        try:
            return self._ok(read())
        except ValueError as error:
            self._fail(self.RES_E_INVALID_PARAMS, f"Terminal: Invalid params: {error}")
            return None

    def _ok(self, answer: Answer) -> Answer:
        self._error = (self.RES_S_OK, "Success")
        return answer

    def _fail(self, code: int, text: str) -> None:
        self._error = (code, text)


def _utc_bounds(date_from: _Instant | None, date_to: _Instant | None) -> tuple[int, int]:
    """UTC milliseconds that surely hold [from, to] of any server clock."""
    first = 0 if date_from is None else _seconds(date_from) * 1000 - _WIDEST_OFFSET_MS
    last = _END_OF_TIME_S if date_to is None else _seconds(date_to)
    return first, last * 1000 + _WIDEST_OFFSET_MS


def _is_kind_of(name: str, value: object) -> bool:
    """Texts are texts, volumes and prices are numbers, the rest whole numbers."""
    if name in ("symbol", "comment"):
        return isinstance(value, str) and len(value) <= _LONGEST_TEXT
    if name in ("volume", "price", "stoplimit", "sl", "tp"):
        return isinstance(value, int | float) and math.isfinite(value)
    return isinstance(value, int) or (name == "expiration" and isinstance(value, datetime))


def _seconds(instant: _Instant) -> int:
    """Seconds on the server's clock: the package, too, reads only a datetime's timestamp."""
    if isinstance(instant, datetime):
        return int(instant.timestamp())
    return int(instant)


def _in_group(symbol: str, group: str) -> bool:
    """The package's filter: comma-separated masks, `!` excludes."""
    masks = [mask.strip() for mask in group.split(",")]
    wanted = [mask for mask in masks if not mask.startswith("!")]
    refused = [mask[1:] for mask in masks if mask.startswith("!")]
    return any(fnmatch.fnmatchcase(symbol, m) for m in wanted) and not any(
        fnmatch.fnmatchcase(symbol, m) for m in refused
    )


def _matches(symbol: str, wanted: str | None, group: str | None) -> bool:
    if wanted is not None:
        return symbol == wanted
    return group is None or _in_group(symbol, group)
