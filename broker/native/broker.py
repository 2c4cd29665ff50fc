"""`NativeBroker`: the `Broker` port over one terminal."""

from collections.abc import Callable, Mapping
from typing import Any

from broker.contract.errors import BrokerError, OutcomeUnknown, WrongAccount
from broker.contract.marks import bears_mark, comment_of, mark_of
from broker.contract.messages import (
    Deal,
    Expect,
    IntentReport,
    Order,
    OrderRequest,
    Position,
    Tick,
    TradeResult,
)
from broker.contract.retcodes import (
    INVALID_EXPIRATION,
    ORDER_CHANGED,
    POSITION_CLOSED,
    PRICE_CHANGED,
)
from broker.native import face, trade
from broker.native.intents import KEPT_MS, IntentMemory, IntentStore, SentIntents
from broker.native.reading import DAY_MS, TerminalReader, one_at_a_time
from market.server_clock import ServerClock
from market.sessions import Sessions


class NativeBroker(TerminalReader):
    """One account at a terminal.

    `mt5`: the MetaTrader5 package or the simulated terminal's native face. `now_ms`: the venue's
    clock, epoch ms UTC. `sessions`: when symbols trade, since the package does not tell; a symbol
    that is left out counts as always open. `mode`: live or paper, for `health`. `intents`: where
    sent intents are remembered, in memory if nothing is given.
    """

    def __init__(
        self,
        mt5: face.Mt5,
        server_clock: ServerClock,
        *,
        now_ms: Callable[[], int],
        mode: str,
        sessions: Mapping[str, Sessions] | None = None,
        intents: IntentStore | None = None,
    ) -> None:
        super().__init__(mt5, server_clock, now_ms=now_ms, mode=mode, sessions=sessions)
        self._store = intents or IntentMemory()
        self._intents = self._sent_intents()

    @one_at_a_time
    def send(self, request: OrderRequest) -> TradeResult:
        return self._intents.once(request.client_id, request, lambda: self._send(request))

    @one_at_a_time
    def check(self, request: OrderRequest) -> TradeResult:
        quote = self.tick(request.symbol)
        body = trade.order_body(request, quote, request.position)
        answer = self._asked("order_check", self._mt5.order_check(body))
        return trade.check_result(
            answer, request, quote, price=body.get("price", 0.0), now_ms=self._now_ms()
        )

    def modify(self, position: int, *, sl: float, tp: float, client_id: str) -> TradeResult:
        return self.set_levels(position, sl=sl, tp=tp, client_id=client_id)

    @one_at_a_time
    def set_levels(
        self, position: int, *, sl: float | None, tp: float | None, client_id: str
    ) -> TradeResult:
        """`modify` where a level that is left out (None) keeps its present value."""
        return self._intents.once(
            client_id, ("levels", position, sl, tp),
            lambda: self._set_levels(position, sl, tp, client_id), repeatable=True,
        )  # fmt: skip

    @one_at_a_time
    def close(
        self, position: int, *, client_id: str, volume: float | None = None,
        deviation: int | None = None, comment: str = "",
    ) -> TradeResult:  # fmt: skip
        """Closes (part of) a position at the market."""
        return self._intents.once(
            client_id, ("close", position, volume, deviation, comment),
            lambda: self._close(position, volume, deviation, client_id, comment),
        )  # fmt: skip

    @one_at_a_time
    def set_order(self, ticket: int, *, change: trade.OrderChange, client_id: str) -> TradeResult:
        """Changes a working order; what is left out (None) keeps its present value."""
        return self._intents.once(
            client_id, ("order", ticket, change),
            lambda: self._set_order(ticket, change, client_id), repeatable=True,
        )  # fmt: skip

    @one_at_a_time
    def cancel_order(self, ticket: int, *, client_id: str) -> TradeResult:
        """Removes a working order."""
        return self._intents.once(
            client_id, ("cancel", ticket), lambda: self._cancel(ticket, client_id), repeatable=True
        )

    @one_at_a_time
    def intent(self, client_id: str) -> IntentReport:
        result, deals = self._intents.result(client_id), self._deals_of(client_id)
        if deals and (result is None or result.outcome == "placed"):
            result = trade.result_from_deals(deals, client_id)
        position = deals[0].position_id if deals else result.position if result else 0
        state = trade.intent_state(result) if result else self._open_state(client_id)
        return IntentReport(client_id, state, result, position, tuple(deals))

    def has_answer(self, client_id: str) -> bool:
        """Whether this intent's answer is known, so that sending it again replays it."""
        return self._intents.result(client_id) is not None

    @one_at_a_time
    def restarted(self) -> None:
        """As a new process over the same store of intents would be."""
        super().restarted()
        self._intents = self._sent_intents()

    def _sent_intents(self) -> SentIntents:
        return SentIntents(self._store, self._now_ms, self._found_result, self._marks_at_the_venue)

    def answered(self, client_id: str, body: object) -> TradeResult | None:
        """The known answer to a request, without the terminal. `body`: the `OrderRequest`, or
        the tuple that `set_levels`, `close`, `set_order` or `cancel_order` names it by."""
        return self._intents.answered(client_id, body)

    def was_sent(self, client_id: str) -> bool:
        """Whether this intent may have been sent, by this process or one before."""
        return self._intents.was_sent(client_id)

    def keep_answers(self) -> None:
        """Makes the answers given so far as durable as their store is."""
        self._store.flush()

    def _send(self, request: OrderRequest) -> TradeResult:
        if request.expect is not None:
            self._require_account(request.expect)
        now_ms, quote = self._now_ms(), self.tick(request.symbol)
        if request.valid_until_msc is not None and now_ms > request.valid_until_msc:
            late = f"not sent: {now_ms - request.valid_until_msc} ms too late"
            return trade.unsent(
                request, quote, code=INVALID_EXPIRATION, comment=late, now_ms=now_ms
            )
        if self._is_too_wide(request, quote):
            wide = f"not sent: the spread is above {request.max_spread_points} points"
            return trade.unsent(request, quote, code=PRICE_CHANGED, comment=wide, now_ms=now_ms)
        ticket = None
        if request.position is not None:
            found = self.position(request.position)
            if found is None:
                return self._gone(request.position, request.client_id)
            ticket = found.ticket
        answer = self._order_send(trade.order_body(request, quote, ticket))
        return self._result(answer, request.client_id, request.position, request.symbol)

    def _is_too_wide(self, request: OrderRequest, quote: Tick) -> bool:
        if request.max_spread_points is None:
            return False
        spread = trade.spread_points(quote, self.symbol(request.symbol))
        return spread > request.max_spread_points

    def _require_account(self, expect: Expect) -> None:
        there = self.account()
        if (there.login, there.server) != (expect.login, expect.server):
            raise WrongAccount(
                f"expect: {expect.login} at {expect.server} is expected, the terminal is logged in "
                f"as {there.login} at {there.server}"
            )

    def _set_levels(
        self, position: int, sl: float | None, tp: float | None, client_id: str
    ) -> TradeResult:
        found = self.position(position)
        if found is None:
            return self._gone(position, client_id)
        body = trade.levels_body(
            found, found.sl if sl is None else sl, found.tp if tp is None else tp
        )
        return self._result(self._order_send(body), client_id, found.identifier, found.symbol)

    def _close(
        self, position: int, volume: float | None, deviation: int | None, client_id: str,
        comment: str,
    ) -> TradeResult:  # fmt: skip
        found = self.position(position)
        if found is None:
            return self._gone(position, client_id)
        return self._send(trade.close_request(
            found, self.symbol(found.symbol), volume=volume, deviation=deviation,
            client_id=client_id, comment=comment,
        ))  # fmt: skip

    def _set_order(self, ticket: int, change: trade.OrderChange, client_id: str) -> TradeResult:
        found = self.order(ticket)
        if found is None:
            return self._gone(0, client_id, code=ORDER_CHANGED)
        body = trade.order_change_body(found, change)
        return self._result(self._order_send(body), client_id, found.position_id, found.symbol)

    def _cancel(self, ticket: int, client_id: str) -> TradeResult:
        found = self.order(ticket)
        if found is None:
            return self._gone(0, client_id, code=ORDER_CHANGED)
        answer = self._order_send(trade.remove_body(found))
        return self._result(answer, client_id, found.position_id, found.symbol)

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
        except OutcomeUnknown:
            raise
        except (BrokerError, AttributeError) as error:
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

    def _gone(self, position: int, client_id: str, *, code: int = POSITION_CLOSED) -> TradeResult:
        return trade.rejected_here(position, code=code, client_id=client_id, now_ms=self._now_ms())

    def _deals_of(self, client_id: str) -> list[Deal]:
        """The intent's own deals; stops and targets carry the entry's magic too."""
        comment = comment_of(client_id)
        return [
            deal
            for deal in self._recent_deals()
            if (bears_mark(deal.magic, client_id) or deal.comment == comment)
            and trade.of_an_intent(deal)
        ]

    def _open_state(self, client_id: str) -> str:
        working = any(bears_mark(order.magic, client_id) for order in self.orders())
        return "in_flight" if working or self._intents.is_under_way(client_id) else "unknown"

    def _found_result(self, client_id: str) -> TradeResult | None:
        return self.intent(client_id).result

    def _marks_at_the_venue(self) -> set[int]:
        """Marks of all intents that left deals, orders or positions there."""
        there: tuple[Deal | Order | Position, ...] = (
            *self._recent_deals(), *self.orders(), *self.positions(),
        )  # fmt: skip
        marks = {mark_of(each.magic) for each in there}
        return {mark for mark in marks if mark is not None}

    def _recent_deals(self) -> tuple[Deal, ...]:
        now_ms = self._now_ms()
        return self.deals(from_ms=now_ms - KEPT_MS, to_ms=now_ms + DAY_MS)
