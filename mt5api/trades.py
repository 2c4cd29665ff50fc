"""What the bridge changes: orders, levels, closes. One client id acts at most once."""

from collections.abc import Callable

from fastapi import APIRouter, Request
from starlette.responses import Response

from broker.contract.errors import BrokerError, BrokerUnavailable, IntentInFlight
from broker.contract.messages import OrderRequest, TradeResult
from broker.contract.wire import (
    CancelBody,
    CloseBody,
    LevelsBody,
    OrderBody,
    WireError,
    decode,
)
from broker.native import NativeBroker
from broker.native.trade import OrderChange
from mt5api.calls import Calls
from mt5api.errors import refused_trade, too_many, trade_answer
from mt5api.limits import RateLimit

_EXECUTED = ("filled", "partial", "placed")


class Trades:
    """Answers trade requests, and has what was executed saved before it is told.

    `opening_limit`: how often positions may be asked for; exits are never held up.
    """

    def __init__(
        self, broker: NativeBroker, calls: Calls, save: Callable[[], None] | None,
        opening_limit: RateLimit | None = None,
    ) -> None:  # fmt: skip
        self._broker = broker
        self._calls = calls
        self._save = save
        self._opening_limit = opening_limit
        self._under_way: set[str] = set()

    async def answer(
        self, client_id: str, body: object, act: Callable[[], TradeResult]
    ) -> Response:
        """`body` tells one request from another under the same client id."""
        try:
            known = self._broker.answered(client_id, body)
            if known is not None:
                return trade_answer(known, replayed=True)
            was_sent = bool(client_id) and self._broker.was_sent(client_id)
            result = await self._once(client_id, act)
        except BrokerError as error:
            return refused_trade(error)
        if self._save and result.outcome in _EXECUTED:
            self._save()
        self._broker.keep_answers()
        return trade_answer(result, replayed=was_sent)

    async def _once(self, client_id: str, act: Callable[[], TradeResult]) -> TradeResult:
        """The terminal's answer. A request that waits or hangs there is not queued again."""
        if client_id in self._under_way:
            raise IntentInFlight(f"client_id {client_id}: under way")
        if client_id:
            self._under_way.add(client_id)
        try:
            return await self._calls.trade(act)
        except BrokerUnavailable as error:
            if client_id and self._broker.was_sent(client_id):
                raise IntentInFlight(f"client_id {client_id}: sent earlier, and {error}") from error
            raise
        finally:
            self._under_way.discard(client_id)

    async def order(self, request: Request) -> Response:
        order = decode(OrderRequest, await request.body())
        _check_key(request, order.client_id)
        limit = self._opening_limit
        if limit and order.position is None and not self._broker.was_sent(order.client_id):
            wait_s = limit.wait_s()
            if wait_s:
                return too_many(wait_s)
        return await self.answer(order.client_id, order, lambda: self._broker.send(order))

    async def levels(self, request: Request, ticket: int) -> Response:
        body = decode(LevelsBody, await request.body())
        _check_key(request, body.client_id)
        return await self.answer(
            body.client_id, ("levels", ticket, body.sl, body.tp),
            lambda: self._broker.set_levels(
                ticket, sl=body.sl, tp=body.tp, client_id=body.client_id
            ),
        )  # fmt: skip

    async def close(self, request: Request, ticket: int) -> Response:
        body = decode(CloseBody, await request.body() or b"{}")
        _check_key(request, body.client_id)
        return await self.answer(
            body.client_id, ("close", ticket, body.volume, body.deviation, body.comment),
            lambda: self._broker.close(
                ticket, client_id=body.client_id, volume=body.volume, deviation=body.deviation,
                comment=body.comment,
            ),
        )  # fmt: skip

    async def change_order(self, request: Request, ticket: int) -> Response:
        body = decode(OrderBody, await request.body())
        _check_key(request, body.client_id)
        change = OrderChange(body.price, body.sl, body.tp)
        return await self.answer(
            body.client_id, ("order", ticket, change),
            lambda: self._broker.set_order(ticket, change=change, client_id=body.client_id),
        )  # fmt: skip

    async def cancel_order(self, request: Request, ticket: int) -> Response:
        body = decode(CancelBody, await request.body() or b"{}")
        _check_key(request, body.client_id)
        return await self.answer(
            body.client_id, ("cancel", ticket),
            lambda: self._broker.cancel_order(ticket, client_id=body.client_id),
        )  # fmt: skip


def trade_routes(trades: Trades) -> APIRouter:
    router = APIRouter()

    @router.post("/orders")
    async def post_order(request: Request) -> Response:
        return await trades.order(request)

    @router.put("/orders/{ticket}")
    async def put_order(request: Request, ticket: int) -> Response:
        return await trades.change_order(request, ticket)

    @router.delete("/orders/{ticket}")
    async def delete_order(request: Request, ticket: int) -> Response:
        return await trades.cancel_order(request, ticket)

    @router.put("/positions/{ticket}")
    async def put_position(request: Request, ticket: int) -> Response:
        return await trades.levels(request, ticket)

    @router.delete("/positions/{ticket}")
    async def delete_position(request: Request, ticket: int) -> Response:
        return await trades.close(request, ticket)

    return router


def _check_key(request: Request, client_id: str) -> None:
    key = request.headers.get("idempotency-key", client_id)
    if key != client_id:
        raise WireError(f"Idempotency-Key: the body's client_id {client_id!r} is allowed, "
                        f"{key!r} came")  # fmt: skip
