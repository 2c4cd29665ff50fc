"""Sending to a terminal, each time it is told to: that nothing is sent twice is `broker`'s part."""

from typing import Any

from broker.contract.errors import BrokerError, OutcomeUnknown, WrongAccount
from broker.contract.messages import Expect, OrderRequest, Tick, TradeResult
from broker.contract.retcodes import (
    INVALID_EXPIRATION,
    ORDER_CHANGED,
    POSITION_CLOSED,
    PRICE_CHANGED,
)
from broker.native import face, trade
from broker.native.reading import TerminalReader


class TerminalSender(TerminalReader):
    """The sending half of `NativeBroker`. Its callers hold the lock."""

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
