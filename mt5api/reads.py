"""What the bridge tells and never changes. Paths: docs/bridge.md."""

from typing import Annotated, TypeVar

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from broker.contract.errors import BrokerRefused
from broker.contract.messages import OrderRequest
from broker.contract.wire import Items, WireError, decode, rates_page
from broker.native import NativeBroker
from market.timeframe import Timeframe
from mt5api.calls import Calls
from mt5api.errors import answer

Item = TypeVar("Item")
FromMs = Annotated[int, Query(alias="from", ge=0)]
ToMs = Annotated[int, Query(alias="to", ge=0)]


def read_routes(broker: NativeBroker, calls: Calls) -> APIRouter:
    """Every GET, and the check of an order, which sends nothing."""
    router = APIRouter()
    add = router.get

    @add("/health")
    async def health() -> Response:
        return answer(await calls.do(broker.health))

    @add("/account")
    async def account() -> Response:
        return answer(await calls.do(broker.account))

    @add("/symbols")
    async def symbols() -> Response:
        return answer(await calls.do(broker.symbols))

    @add("/symbols/{symbol}")
    async def symbol_spec(symbol: str) -> Response:
        return answer(await calls.do(lambda: broker.symbol(symbol)))

    @add("/symbols/{symbol}/tick")
    async def tick(symbol: str) -> Response:
        return answer(await calls.do(lambda: broker.tick(symbol)))

    @add("/symbols/{symbol}/rates")
    async def rates(symbol: str, timeframe: str, from_ms: FromMs, to_ms: ToMs) -> Response:
        wanted = _timeframe(timeframe)
        bars = await calls.do(lambda: broker.rates(symbol, wanted, from_ms=from_ms, to_ms=to_ms))
        return answer(rates_page(bars))

    @add("/symbols/{symbol}/sessions")
    async def sessions(symbol: str) -> Response:
        return answer(await calls.do(lambda: broker.sessions(symbol)))

    @add("/snapshot/{symbol}")
    async def snapshot(symbol: str) -> Response:
        return answer(await calls.do(lambda: broker.snapshot(symbol)))

    @add("/positions")
    async def positions(symbol: str | None = None) -> Response:
        return answer(await calls.do(lambda: _now(broker, broker.positions(symbol))))

    @add("/positions/{ticket}")
    async def position(ticket: int) -> Response:
        found = await calls.do(lambda: broker.position(ticket))
        if found is None:
            raise BrokerRefused(f"position {ticket}: not open")
        return answer(found)

    @add("/orders")
    async def orders(symbol: str | None = None) -> Response:
        return answer(await calls.do(lambda: _now(broker, broker.orders(symbol))))

    @add("/intents/{client_id:path}")
    async def intent(client_id: str) -> Response:
        return answer(await calls.do(lambda: broker.intent(client_id)))

    @add("/history/deals")
    async def deals(from_ms: FromMs, to_ms: ToMs) -> Response:
        return answer(
            await calls.do(lambda: _now(broker, broker.deals(from_ms=from_ms, to_ms=to_ms)))
        )

    @add("/history/orders")
    async def history_orders(from_ms: FromMs, to_ms: ToMs) -> Response:
        return answer(
            await calls.do(
                lambda: _now(broker, broker.history_orders(from_ms=from_ms, to_ms=to_ms))
            )
        )

    @add("/error")
    async def last_error() -> Response:
        code, message = await calls.do(broker.last_error)
        return answer({"code": code, "message": message})

    @router.post("/orders/check")
    async def check(request: Request) -> Response:
        order = decode(OrderRequest, await request.body())
        return answer(await calls.do(lambda: broker.check(order)))

    return router


def _timeframe(name: str) -> Timeframe:
    if name not in Timeframe.__members__:
        raise WireError(f"timeframe: one of {', '.join(Timeframe.__members__)} is allowed, "
                        f"{name!r} came")  # fmt: skip
    return Timeframe[name]


def _now(broker: NativeBroker, items: tuple[Item, ...]) -> Items[Item]:
    return Items(broker.now_ms(), items)
