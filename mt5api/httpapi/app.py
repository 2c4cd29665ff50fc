"""The dialect as an ASGI application: paths, the token, the path prefix, errors in HTML."""

import hmac
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from anyio import to_thread
from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mt5api.clock_routes import clock_routes
from mt5api.httpapi.face import Asked, Package, Shift, error
from mt5api.httpapi.reads import UNINITIALISED, Reads
from mt5api.httpapi.trades import Trades
from mt5api.paper_clock import PaperClock

PAPER_NOW_HEADER = "X-Paper-Now"
Handler = Callable[[Asked], Response]


def create_httpapi_app(
    mt5: Package, *, token: str = "", utc_offset_s: int = 0, path_prefix: str = "",
    paper_clock: PaperClock | None = None, save: Callable[[], None] | None = None,
) -> FastAPI:  # fmt: skip
    """The application over a terminal's native face.

    `utc_offset_s`: the static offset that is taken from every instant; 0 tells the server's wall
    clock. `path_prefix`: `/<broker>/<account>`, as the bridge's proxy has it. An empty `token` lets
    everybody in. `paper_clock` mounts `/_paper/clock` and stamps every answer with the simulated
    instant (`X-Paper-Now`, epoch ms); `save` runs after executed requests and at shutdown.
    """

    @asynccontextmanager
    async def saved_at_shutdown(_: FastAPI) -> AsyncIterator[None]:
        yield
        if save:
            save()

    app = FastAPI(lifespan=saved_at_shutdown, openapi_url=None, redirect_slashes=False)
    shift = Shift(utc_offset_s)
    reads = Reads(mt5, shift)
    trades = Trades(mt5, shift, reads, save or (lambda: None))
    routed = _Routed(reads, may_block=paper_clock is None)
    app.router.routes.extend(_routes(routed, reads, trades))
    if paper_clock:
        app.include_router(clock_routes(paper_clock))
    app.add_exception_handler(HTTPException, _html_error)
    app.add_exception_handler(Exception, _html_error)
    app.add_middleware(TokenGate, token=token)
    if paper_clock:
        app.add_middleware(PaperStamp, clock=paper_clock)
    if path_prefix:
        app.add_middleware(PathPrefix, prefix=path_prefix)
    return app


class _Routed:
    """Handlers as endpoints: one at a time, and 503 while the terminal does not answer.

    `may_block`: they run in a thread, since a real terminal may keep them waiting.
    """

    def __init__(self, reads: Reads, *, may_block: bool) -> None:
        self._reads = reads
        self._may_block = may_block
        self._lock = threading.Lock()

    def route(self, method: str, path: str, handler: Handler, *, bare: bool = False) -> Route:
        """`bare`: answers without a look at the terminal."""

        def handle(asked: Asked) -> Response:
            with self._lock:
                if not bare and not self._reads.is_initialised():
                    return error(UNINITIALISED, 503)
                return handler(asked)

        async def endpoint(request: Request) -> Response:
            kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
            asked = Asked(
                request.path_params, request.query_params, await request.body(),
                kind == "application/json",
            )  # fmt: skip
            if self._may_block:
                return await to_thread.run_sync(handle, asked)
            return handle(asked)

        return Route(path, endpoint, methods=[method])


def _routes(routed: _Routed, reads: Reads, trades: Trades) -> list[Route]:
    route = routed.route
    return [
        route("GET", "/ping", reads.ping, bare=True),
        route("GET", "/error", reads.last_error, bare=True),
        route("GET", "/terminal", reads.terminal),
        route("POST", "/terminal/init", trades.init, bare=True),
        route("POST", "/terminal/shutdown", trades.shutdown, bare=True),
        route("GET", "/account", reads.account),
        route("GET", "/symbols", reads.symbols),
        route("GET", "/symbols/{symbol}", reads.symbol),
        route("GET", "/symbols/{symbol}/tick", reads.tick),
        route("GET", "/symbols/{symbol}/rates", reads.rates),
        route("GET", "/positions", reads.positions),
        route("GET", "/positions/{ticket:int}", reads.position),
        route("PUT", "/positions/{ticket:int}", trades.update_position),
        route("DELETE", "/positions/{ticket:int}", trades.close_position),
        route("GET", "/orders", reads.orders),
        route("POST", "/orders", trades.create_order),
        route("GET", "/orders/{ticket:int}", reads.order),
        route("PUT", "/orders/{ticket:int}", trades.update_order),
        route("DELETE", "/orders/{ticket:int}", trades.cancel_order),
        route("GET", "/history/orders", reads.history_orders),
        route("GET", "/history/deals", reads.history_deals),
    ]


class TokenGate:
    """One token for everything; without it 401 as an HTML page."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode() if token else b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = dict(scope.get("headers", ())).get(b"authorization", b"")
        is_open = scope["type"] != "http" or not self._expected
        if is_open or hmac.compare_digest(given, self._expected):
            await self._app(scope, receive, send)
        else:
            await _html_page(401)(scope, receive, send)


class PaperStamp:
    """Tells the simulated instant with every answer, errors included."""

    def __init__(self, app: ASGIApp, clock: PaperClock) -> None:
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                now = str(self._clock.state().now_msc).encode()
                headers = [*message.get("headers", ()), (PAPER_NOW_HEADER.lower().encode(), now)]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, stamped)


class PathPrefix:
    """The proxy in front: takes the prefix off; other paths are 404 as an HTML page."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if not scope["path"].startswith(self._prefix + "/"):
                await _html_page(404)(scope, receive, send)
                return
            scope = {**scope, "path": scope["path"][len(self._prefix) :], "raw_path": None}
        await self._app(scope, receive, send)


async def _html_error(_: Request, raised: Any) -> Response:
    return _html_page(raised.status_code if isinstance(raised, HTTPException) else 500)


def _html_page(status: int) -> Response:
    title = HTTPStatus(status).phrase
    page = f"<!doctype html>\n<html lang=en>\n<title>{status} {title}</title>\n<h1>{title}</h1>\n"
    return HTMLResponse(page, status)
