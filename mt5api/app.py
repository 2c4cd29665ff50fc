"""The bridge as an ASGI application. Paths, bodies and errors: docs/bridge.md."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from broker.contract.errors import BrokerError
from broker.contract.wire import WireError
from broker.native import NativeBroker
from mt5api.auth import BearerAuth
from mt5api.calls import Calls, DirectCalls
from mt5api.clock_routes import clock_routes
from mt5api.control_routes import control_routes
from mt5api.errors import error_answer, refused_read
from mt5api.limits import BodyLimit
from mt5api.live.parts import LiveParts
from mt5api.paper_clock import PaperClock
from mt5api.reads import read_routes
from mt5api.tokens import Tokens
from mt5api.trades import Trades, trade_routes


def create_app(
    broker: NativeBroker, *, token: str = "", tokens: Tokens | None = None,
    paper_clock: PaperClock | None = None, save: Callable[[], None] | None = None,
    live: LiveParts | None = None,
) -> FastAPI:  # fmt: skip
    """The application over one account.

    `tokens` by scope, or `token` alone, which may trade. `paper_clock` mounts `/_paper/clock` and
    means that calls are quick enough for the event loop; `save` runs after every executed trade
    request, before its answer, and at shutdown. `live`: the queue, the health and the control of a
    real terminal. Raises `ValueError` for a live bridge without a token or with a paper clock.
    """
    tokens = tokens or Tokens(trade=token)
    _check_mode(broker.mode, tokens, paper_clock)

    @asynccontextmanager
    async def saved_at_shutdown(_: FastAPI) -> AsyncIterator[None]:
        async with live.running() if live else nullcontext():
            yield
        if save:
            save()
        broker.keep_answers()

    app = FastAPI(lifespan=saved_at_shutdown, openapi_url=None, redirect_slashes=False)
    calls: Calls = live.calls if live else DirectCalls(may_block=paper_clock is None)
    app.include_router(read_routes(broker, calls, told_health=live.health if live else None))
    limit = live.opening_limit if live else None
    app.include_router(trade_routes(Trades(broker, calls, save, limit)))
    if live:
        app.include_router(control_routes(live.control, live.calls))
    if paper_clock:
        app.include_router(clock_routes(paper_clock))
    _answer_errors_in_json(app, broker)
    app.add_middleware(BodyLimit)
    app.add_middleware(BearerAuth, tokens=tokens)
    return app


def _check_mode(mode: str, tokens: Tokens, paper_clock: PaperClock | None) -> None:
    if mode not in ("live", "paper"):
        raise ValueError(f"mode: live or paper is allowed, {mode!r} came")
    if mode == "live" and not tokens.trade:
        raise ValueError("token: a live bridge needs one; without it anybody could trade")
    if mode == "live" and paper_clock:
        raise ValueError("paper_clock: a live bridge has none")


def _answer_errors_in_json(app: FastAPI, broker: NativeBroker) -> None:
    async def refused(_: Request, error: Any) -> Response:
        return refused_read(error, broker.last_error())

    async def invalid(_: Request, error: Any) -> Response:
        wrong = "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in error.errors())
        return error_answer(400, "InvalidRequest", wrong, outcome="not_sent")

    async def http(request: Request, error: Any) -> Response:
        said = f"{request.method} {request.url.path}: {error.detail}"
        return error_answer(error.status_code, "HttpError", said, outcome="not_sent")

    async def unexpected(request: Request, error: Any) -> Response:
        said = f"{request.method} {request.url.path}: {type(error).__name__} in the bridge"
        return error_answer(500, "InternalError", said, outcome="unknown")

    for kind in (BrokerError, WireError):
        app.add_exception_handler(kind, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, unexpected)
