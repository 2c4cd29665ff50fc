"""What the bridge tells and never changes. Paths: docs/bridge.md."""

from collections.abc import Callable, Mapping
from typing import Annotated, TypeVar

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from broker.contract.errors import BrokerRefused
from broker.contract.messages import Health, OrderRequest
from broker.contract.wire import Items, WireError, decode, rates_page
from broker.native import NativeBroker
from market.timeframe import Timeframe
from mt5api.calls import Calls
from mt5api.errors import answer
from mt5api.pages import LONGEST_PAGE, page_of

Item = TypeVar("Item")
FromMs = Annotated[int, Query(alias="from", ge=0)]
ToMs = Annotated[int, Query(alias="to", ge=0)]
Limit = Annotated[int | None, Query(ge=1, le=LONGEST_PAGE)]
MOST_TICKS = 100_000
Count = Annotated[int, Query(ge=1, le=MOST_TICKS)]
TICK_KINDS = {"ALL": -1, "INFO": 1, "TRADE": 2}


def read_routes(
    broker: NativeBroker, calls: Calls, *, told_health: Callable[[], Health] | None = None
) -> APIRouter:
    """Every GET, and the check of an order, which sends nothing.

    `told_health`: health that is known without asking the terminal.
    """
    router = APIRouter()
    _add_account(router, broker, calls, told_health)
    _add_symbols(router, broker, calls)
    _add_open_trades(router, broker, calls)
    _add_history(router, broker, calls)

    @router.post("/orders/check")
    async def check(request: Request) -> Response:
        order = decode(OrderRequest, await request.body())
        return answer(await calls.do(lambda: broker.check(order)))

    return router


def _add_account(
    router: APIRouter, broker: NativeBroker, calls: Calls,
    told_health: Callable[[], Health] | None,
) -> None:  # fmt: skip
    """Bridge, terminal and account."""
    add = router.get

    @add("/health")
    async def health() -> Response:
        return answer(told_health() if told_health else await calls.do(broker.health))

    @add("/terminal")
    async def terminal() -> Response:
        return answer(await calls.do(broker.terminal))

    @add("/account")
    async def account() -> Response:
        return answer(await calls.do(broker.account))

    @add("/error")
    async def last_error() -> Response:
        code, message = await calls.do(broker.last_error)
        return answer({"code": code, "message": message})


def _add_symbols(router: APIRouter, broker: NativeBroker, calls: Calls) -> None:
    """Terms, quotes, bars and trading hours of a symbol."""
    add = router.get

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

    @add("/symbols/{symbol}/ticks")
    async def ticks(
        symbol: str, from_ms: FromMs, to_ms: ToMs, flags: str = "ALL", count: Count = MOST_TICKS
    ) -> Response:
        kinds = _one_of("flags", flags, TICK_KINDS)
        page = await calls.do(
            lambda: broker.ticks(symbol, from_ms=from_ms, to_ms=to_ms, flags=kinds)[:count]
        )
        return answer(_now(broker, page))

    @add("/symbols/{symbol}/sessions")
    async def sessions(symbol: str) -> Response:
        return answer(await calls.do(lambda: broker.sessions(symbol)))


def _add_open_trades(router: APIRouter, broker: NativeBroker, calls: Calls) -> None:
    """What is open: positions, working orders, and what became of an intent."""
    add = router.get

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

    @add("/orders/{ticket}")
    async def order(ticket: int) -> Response:
        found = await calls.do(lambda: broker.order(ticket))
        if found is None:
            raise BrokerRefused(f"order {ticket}: not working")
        return answer(found)

    @add("/intents/{client_id:path}")
    async def intent(client_id: str) -> Response:
        return answer(await calls.do(lambda: broker.intent(client_id)))


def _add_history(router: APIRouter, broker: NativeBroker, calls: Calls) -> None:
    """Deals and finished orders, in pages."""
    add = router.get

    @add("/history/deals")
    async def deals(
        from_ms: FromMs, to_ms: ToMs, limit: Limit = None, cursor: str = ""
    ) -> Response:
        found = await calls.do(lambda: broker.deals(from_ms=from_ms, to_ms=to_ms))
        return answer(_now(broker, page_of(found, lambda deal: deal.time_msc, limit, cursor)))

    @add("/history/orders")
    async def history_orders(
        from_ms: FromMs, to_ms: ToMs, limit: Limit = None, cursor: str = ""
    ) -> Response:
        found = await calls.do(lambda: broker.history_orders(from_ms=from_ms, to_ms=to_ms))
        return answer(
            _now(broker, page_of(found, lambda order: order.time_done_msc, limit, cursor))
        )


def _timeframe(name: str) -> Timeframe:
    return _one_of("timeframe", name, Timeframe.__members__)


def _one_of(what: str, name: str, known: Mapping[str, Item]) -> Item:
    if name not in known:
        raise WireError(f"{what}: one of {', '.join(known)} is allowed, {name!r} came")
    return known[name]


def _now(broker: NativeBroker, items: tuple[Item, ...]) -> Items[Item]:
    return Items(broker.now_ms(), items)
