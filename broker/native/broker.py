"""`NativeBroker`: the `Broker` port over one terminal, one call at a time."""

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from functools import wraps
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from broker.contract.errors import (
    BadAnswer,
    BrokerRefused,
    BrokerUnavailable,
    IntentInFlight,
    IntentReused,
    OutcomeUnknown,
)
from broker.contract.marks import bears_mark, mark, mark_of
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
    TerminalHealth,
    Tick,
    TradeResult,
)
from broker.contract.retcodes import INVALID_EXPIRATION, POSITION_CLOSED, PRICE_CHANGED
from broker.native import face, records, trade
from broker.native.intents import KEPT_MS, SentIntents
from market.bars import Bars
from market.server_clock import ServerClock
from market.sessions import ALWAYS_OPEN, Sessions
from market.timeframe import Timeframe

CONTRACT_VERSION = "1.0"
_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def _one_at_a_time(
    method: Callable[Concatenate["NativeBroker", Given], Answer],
) -> Callable[Concatenate["NativeBroker", Given], Answer]:
    """The package is not thread-safe and its last_error is global: one call at a time."""

    @wraps(method)
    def locked(self: "NativeBroker", /, *args: Given.args, **kwargs: Given.kwargs) -> Answer:
        with self._lock:
            return method(self, *args, **kwargs)

    return locked


class NativeBroker:
    """One account at a terminal.

    `mt5`: the MetaTrader5 package or the simulated terminal's native face. `now_ms`: the venue's
    clock, epoch ms UTC. `sessions`: when symbols trade, since the package does not tell; a symbol
    that is left out counts as always open. `mode`: live or paper, for `health`.
    """

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
        self._sessions = sessions or {}
        self._lock = threading.RLock()
        self._selected: dict[str, None] = {}
        self._intents = SentIntents()
        self._marks_before_start: set[int] | None = None
        self._boot_id = str(uuid.uuid4())
        self._started_s = time.monotonic()

    def now_ms(self) -> int:
        """The venue's clock, epoch ms UTC."""
        return self._now_ms()

    @_one_at_a_time
    def health(self) -> Health:
        now_ms, offset_s = self._now_ms(), self._time.offset_s()
        terminal, account = self._mt5.terminal_info(), self._mt5.account_info()
        return Health(
            status=_status(terminal, account),
            contract_version=CONTRACT_VERSION,
            bridge_version=_own_version(),
            dialect="native",
            mode=self.mode,
            boot_id=self._boot_id,
            uptime_s=round(time.monotonic() - self._started_s, 3),
            terminal=_terminal_health(terminal),
            login=account.login if account else 0,
            server=account.server if account else "",
            account_trade_allowed=bool(account and account.trade_allowed),
            account_trade_expert=bool(account and account.trade_expert),
            margin_mode=account.margin_mode if account else 0,
            currency=account.currency if account else "",
            market=tuple(self._market_health(symbol, now_ms) for symbol in self._selected),
            utc_msc=now_ms,
            server_msc=now_ms + offset_s * 1000,
            utc_offset_s=offset_s,
            offset_source="tzrule",
            clock_skew_ms=0,
            queue_depth=0,
        )

    @_one_at_a_time
    def account(self) -> Account:
        return records.account(self._asked("account_info", self._mt5.account_info()))

    @_one_at_a_time
    def symbols(self) -> tuple[str, ...]:
        """Names of all symbols of the terminal."""
        return tuple(each.name for each in self._asked("symbols_get", self._mt5.symbols_get()))

    @_one_at_a_time
    def symbol(self, symbol: str) -> SymbolSpec:
        self._select(symbol)
        return records.symbol_spec(self._asked("symbol_info", self._mt5.symbol_info(symbol)))

    @_one_at_a_time
    def tick(self, symbol: str) -> Tick:
        self._select(symbol)
        asked = self._asked("symbol_info_tick", self._mt5.symbol_info_tick(symbol))
        quote = records.tick(asked, self._time)
        if quote.bid <= 0 or quote.ask < quote.bid:
            raise BrokerUnavailable(
                f"{symbol}: no quote yet (bid {quote.bid}, ask {quote.ask}); ask again shortly"
            )
        return quote

    @_one_at_a_time
    def rates(self, symbol: str, timeframe: Timeframe, *, from_ms: int, to_ms: int) -> Bars:
        self._select(symbol)
        # An hour more on both sides, so that the hour repeated in autumn is told by its order.
        rows = self._asked(
            "copy_rates_range",
            self._mt5.copy_rates_range(
                symbol,
                timeframe.mt5,
                self._time.server_s(from_ms - _HOUR_MS),
                self._time.server_s(to_ms + _HOUR_MS),
            ),
        )
        bars = records.bars(symbol, timeframe, rows, self._time).between(from_ms, to_ms)
        return bars.rows(0, int(np.searchsorted(bars.close_ms, self._now_ms(), side="right")))

    @_one_at_a_time
    def positions(self, symbol: str | None = None) -> tuple[Position, ...]:
        found = self._mt5.positions_get() if symbol is None else self._positions_of(symbol)
        return tuple(
            records.position(each, self._time) for each in self._asked("positions_get", found)
        )

    @_one_at_a_time
    def position(self, position: int) -> Position | None:
        """The open position with this identifier or ticket, if there is one."""
        for each in self.positions():
            if position in (each.identifier, each.ticket):
                return each
        return None

    @_one_at_a_time
    def orders(self, symbol: str | None = None) -> tuple[Order, ...]:
        if symbol is None:
            found = self._mt5.orders_get()
        else:
            self._select(symbol)
            found = self._mt5.orders_get(symbol=symbol)
        return tuple(records.order(each, self._time) for each in self._asked("orders_get", found))

    @_one_at_a_time
    def snapshot(self, symbol: str) -> Snapshot:
        return Snapshot(self._now_ms(), self.account(), self.positions(), self.tick(symbol))

    @_one_at_a_time
    def deals(self, *, from_ms: int, to_ms: int) -> tuple[Deal, ...]:
        found = self._history("history_deals_get", self._mt5.history_deals_get, from_ms)
        return tuple(
            deal for deal in records.deals(found, self._time) if from_ms <= deal.time_msc < to_ms
        )

    @_one_at_a_time
    def history_orders(self, *, from_ms: int, to_ms: int) -> tuple[Order, ...]:
        """Finished orders with from_ms ≤ done < to_ms, in (done, ticket) order."""
        found = self._history("history_orders_get", self._mt5.history_orders_get, from_ms)
        finished = [records.order(each, self._time) for each in found]
        finished.sort(key=lambda each: (each.time_done_msc, each.ticket))
        return tuple(each for each in finished if from_ms <= each.time_done_msc < to_ms)

    @_one_at_a_time
    def send(self, request: OrderRequest) -> TradeResult:
        return self._once(request.client_id, request, lambda: self._send(request))

    @_one_at_a_time
    def check(self, request: OrderRequest) -> TradeResult:
        quote = self.tick(request.symbol)
        body = trade.order_body(request, quote, request.position)
        answer = self._asked("order_check", self._mt5.order_check(body))
        return trade.check_result(
            answer, request, quote, price=body.get("price", 0.0), now_ms=self._now_ms()
        )

    @_one_at_a_time
    def modify(self, position: int, *, sl: float, tp: float, client_id: str) -> TradeResult:
        body = ("modify", position, sl, tp)
        return self._once(client_id, body, lambda: self._modify(position, sl, tp, client_id))

    @_one_at_a_time
    def close(
        self, position: int, *, client_id: str, volume: float | None = None,
        deviation: int | None = None, comment: str = "",
    ) -> TradeResult:  # fmt: skip
        """Closes (part of) a position at the market."""
        found = self.position(position)
        if found is None:
            return self._gone(position, client_id)
        request = trade.close_request(
            found, self.symbol(found.symbol), volume=volume, deviation=deviation,
            client_id=client_id, comment=comment,
        )  # fmt: skip
        return self.send(request)

    @_one_at_a_time
    def intent(self, client_id: str) -> IntentReport:
        known = self._intents.get(client_id)
        deals = [deal for deal in self._recent_deals() if bears_mark(deal.magic, client_id)]
        asked_for = [deal for deal in deals if trade.of_an_intent(deal)]
        result = known.result if known else None
        if result is None and asked_for:
            result = trade.result_from_deals(asked_for, client_id)
        position = asked_for[0].position_id if asked_for else result.position if result else 0
        state = self._state(client_id, result, was_sent=known is not None)
        return IntentReport(client_id, state, result, position, tuple(asked_for))

    def sessions(self, symbol: str) -> Sessions:
        """When a symbol trades, as far as it is known."""
        self._select(symbol)
        return self._sessions.get(symbol, ALWAYS_OPEN)

    @_one_at_a_time
    def last_error(self) -> tuple[int, str]:
        """The terminal's latest error, for people only: any other call overwrites it."""
        return face.last_error(self._mt5)

    def has_answer(self, client_id: str) -> bool:
        """Whether this intent's answer is known, so that sending it again replays it."""
        known = self._intents.get(client_id)
        return known is not None and known.result is not None

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
        from_s = self._time.server_s(max(0, from_ms - _HOUR_MS))
        return self._asked(name, call(from_s, self._time.server_s(self._now_ms() + _DAY_MS)))

    def _recent_deals(self) -> tuple[Deal, ...]:
        now_ms = self._now_ms()
        return self.deals(from_ms=now_ms - KEPT_MS, to_ms=now_ms + _DAY_MS)

    def _once(self, client_id: str, body: object, act: Callable[[], TradeResult]) -> TradeResult:
        """Acts at most once per client id: replays a known answer, never repeats a lost one."""
        if not client_id:
            return act()
        known = self._intents.get(client_id)
        if known is None and self._was_sent_before_start(client_id):
            known = self._intents.begin(client_id, body, self._now_ms())
        if known is None:
            return self._first_time(client_id, body, act)
        if known.body != body:
            raise IntentReused(
                f"client_id {client_id}: already used for another request; a new intent needs a "
                "new client_id"
            )
        if known.result is None:
            known.result = self.intent(client_id).result
        if known.result is None:
            raise IntentInFlight(f"client_id {client_id}: sent earlier, its outcome is not known")
        return known.result

    def _first_time(
        self, client_id: str, body: object, act: Callable[[], TradeResult]
    ) -> TradeResult:
        sent = self._intents.begin(client_id, body, self._now_ms())
        try:
            result = act()
        except (BrokerRefused, BrokerUnavailable, BadAnswer):
            self._intents.forget(client_id)
            raise
        if result.outcome == "not_sent":
            self._intents.forget(client_id)
        else:
            sent.result = result
        return result

    def _was_sent_before_start(self, client_id: str) -> bool:
        """Whether the venue holds deals, orders or positions with this intent's mark.

        Read once: whatever is sent later is remembered here.
        """
        if self._marks_before_start is None:
            there: tuple[Deal | Order | Position, ...] = (
                *self._recent_deals(), *self.orders(), *self.positions(),
            )  # fmt: skip
            marks = {mark_of(each.magic) for each in there}
            self._marks_before_start = {mark for mark in marks if mark is not None}
        return mark(client_id) in self._marks_before_start

    def _send(self, request: OrderRequest) -> TradeResult:
        now_ms, quote = self._now_ms(), self.tick(request.symbol)
        if request.valid_until_msc is not None and now_ms > request.valid_until_msc:
            late = f"not sent: {now_ms - request.valid_until_msc} ms too late"
            return trade.unsent(
                request, quote, code=INVALID_EXPIRATION, comment=late, now_ms=now_ms
            )
        spread = trade.spread_points(quote, self.symbol(request.symbol))
        if request.max_spread_points is not None and spread > request.max_spread_points:
            wide = f"not sent: spread {spread} > {request.max_spread_points} points"
            return trade.unsent(request, quote, code=PRICE_CHANGED, comment=wide, now_ms=now_ms)
        ticket = None
        if request.position is not None:
            found = self.position(request.position)
            if found is None:
                return self._gone(request.position, request.client_id)
            ticket = found.ticket
        answer = self._order_send(trade.order_body(request, quote, ticket))
        return self._result(answer, request.client_id, request.position, request.symbol)

    def _modify(self, position: int, sl: float, tp: float, client_id: str) -> TradeResult:
        found = self.position(position)
        if found is None:
            return self._gone(position, client_id)
        answer = self._order_send(trade.levels_body(found, sl, tp))
        return self._result(answer, client_id, found.identifier, found.symbol)

    def _order_send(self, body: dict[str, Any]) -> tuple[Any, int]:
        """The answer and when the request was sent."""
        sent_ms = self._now_ms()
        answer = self._mt5.order_send(body)
        if answer is None:
            raise face.trade_failure(face.last_error(self._mt5))
        return answer, sent_ms

    def _result(
        self, answered: tuple[Any, int], client_id: str, position: int | None, symbol: str
    ) -> TradeResult:
        answer, sent_ms = answered
        try:
            if position is None:
                position = self._opened_by(int(answer.order), symbol)
            return trade.result_of(
                answer, client_id=client_id, position=position, sent_ms=sent_ms,
                done_ms=self._now_ms(),
            )  # fmt: skip
        except (BadAnswer, BrokerUnavailable, AttributeError) as error:
            raise OutcomeUnknown(f"order_send: answered, but not readably: {error}") from None

    def _opened_by(self, order: int, symbol: str) -> int:
        """Identifier of the position an order opened: the order's own ticket where hedging, the
        symbol's only position where netting, 0 where there is none."""
        if order == 0:
            return 0
        there = self.positions(symbol)
        own = [each.identifier for each in there if each.identifier == order]
        netted = [each.identifier for each in there] if len(there) == 1 else []
        return (own or netted or [0])[0]

    def _gone(self, position: int, client_id: str) -> TradeResult:
        return trade.rejected_here(
            position, code=POSITION_CLOSED, client_id=client_id, now_ms=self._now_ms()
        )

    def _state(self, client_id: str, result: TradeResult | None, *, was_sent: bool) -> str:
        if result is not None:
            stands = {"placed": "in_flight"} if result.order else {"placed": "filled"}
            return stands.get(result.outcome, result.outcome)
        working = any(bears_mark(order.magic, client_id) for order in self.orders())
        return "in_flight" if was_sent or working else "unknown"

    def _market_health(self, symbol: str, now_ms: int) -> MarketHealth:
        tick_ms = self._time.utc_ms(self._mt5.symbol_info_tick(symbol).time_msc)
        is_open = self._sessions.get(symbol, ALWAYS_OPEN).is_open(now_ms)
        return MarketHealth(symbol, tick_ms, now_ms - tick_ms, is_open)


def _status(terminal: Any, account: Any) -> str:
    if terminal is None or account is None:
        return "down"
    may_trade = terminal.trade_allowed and account.trade_allowed and account.trade_expert
    return "ok" if terminal.connected and may_trade else "degraded"


def _terminal_health(terminal: Any) -> TerminalHealth:
    if terminal is None:
        return TerminalHealth(False, False, True, 0, 0, "")
    return TerminalHealth(
        connected=bool(terminal.connected),
        trade_allowed=bool(terminal.trade_allowed),
        tradeapi_disabled=bool(terminal.tradeapi_disabled),
        build=int(terminal.build),
        ping_last_us=int(terminal.ping_last),
        company=str(terminal.company),
    )


def _own_version() -> str:
    try:
        return version("novosky")
    except PackageNotFoundError:
        return "0.1.0"
