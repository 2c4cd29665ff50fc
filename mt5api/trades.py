"""What the bridge changes: orders, levels, closes. One client id acts at most once."""

from collections.abc import Callable

from fastapi import APIRouter, Request
from starlette.responses import Response

from broker.contract.errors import BrokerError
from broker.contract.messages import OrderRequest, TradeResult
from broker.contract.wire import CloseBody, LevelsBody, WireError, decode
from broker.native import NativeBroker
from mt5api.calls import Calls
from mt5api.errors import refused_trade, trade_answer

_EXECUTED = ("filled", "partial", "placed")


class Trades:
    """Answers trade requests, and has what was executed saved before it is told."""

    def __init__(self, broker: NativeBroker, calls: Calls, save: Callable[[], None] | None) -> None:
        self._broker = broker
        self._calls = calls
        self._save = save

    async def answer(self, client_id: str, act: Callable[[], TradeResult]) -> Response:
        replayed = self._broker.has_answer(client_id)
        try:
            result = await self._calls.do(act)
        except BrokerError as error:
            return refused_trade(error)
        if self._save and not replayed and result.outcome in _EXECUTED:
            self._save()
        return trade_answer(result, replayed=replayed)

    async def order(self, request: Request) -> Response:
        order = decode(OrderRequest, await request.body())
        _check_key(request, order.client_id)
        return await self.answer(order.client_id, lambda: self._broker.send(order))

    async def levels(self, request: Request, ticket: int) -> Response:
        body = decode(LevelsBody, await request.body())
        _check_key(request, body.client_id)
        return await self.answer(body.client_id, lambda: self._set_levels(ticket, body))

    async def close(self, request: Request, ticket: int) -> Response:
        body = decode(CloseBody, await request.body() or b"{}")
        _check_key(request, body.client_id)
        return await self.answer(
            body.client_id,
            lambda: self._broker.close(
                ticket, client_id=body.client_id, volume=body.volume, deviation=body.deviation,
                comment=body.comment,
            ),
        )  # fmt: skip

    def _set_levels(self, ticket: int, body: LevelsBody) -> TradeResult:
        """A level that was left out keeps its present value."""
        sl, tp = body.sl, body.tp
        if sl is None or tp is None:
            there = self._broker.position(ticket)
            sl = sl if sl is not None else there.sl if there else 0.0
            tp = tp if tp is not None else there.tp if there else 0.0
        return self._broker.modify(ticket, sl=sl, tp=tp, client_id=body.client_id)


def trade_routes(trades: Trades) -> APIRouter:
    router = APIRouter()

    @router.post("/orders")
    async def post_order(request: Request) -> Response:
        return await trades.order(request)

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
