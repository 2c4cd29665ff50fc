"""The bridge as an ASGI application. Paths, bodies and errors: docs/bridge.md."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from broker.contract.errors import BrokerError
from broker.contract.wire import WireError
from broker.native import NativeBroker
from mt5api.auth import BearerAuth
from mt5api.calls import Calls
from mt5api.clock_routes import clock_routes
from mt5api.errors import error_answer, refused_read
from mt5api.paper_clock import PaperClock
from mt5api.reads import read_routes
from mt5api.trades import Trades, trade_routes


def create_app(
    broker: NativeBroker, *, token: str = "", paper_clock: PaperClock | None = None,
    save: Callable[[], None] | None = None,
) -> FastAPI:  # fmt: skip
    """The application over one account.

    `paper_clock` mounts `/_paper/clock` and means that calls are quick enough for the event loop;
    `save` runs after every executed trade request, before its answer, and at shutdown.
    Raises `ValueError` for a live bridge without a token or with a paper clock.
    """
    _check_mode(broker.mode, token, paper_clock)

    @asynccontextmanager
    async def saved_at_shutdown(_: FastAPI) -> AsyncIterator[None]:
        yield
        if save:
            save()

    app = FastAPI(lifespan=saved_at_shutdown, openapi_url=None, redirect_slashes=False)
    calls = Calls(may_block=paper_clock is None)
    app.include_router(read_routes(broker, calls))
    app.include_router(trade_routes(Trades(broker, calls, save)))
    if paper_clock:
        app.include_router(clock_routes(paper_clock))
    _answer_errors_in_json(app, broker)
    app.add_middleware(BearerAuth, token=token)
    return app


def _check_mode(mode: str, token: str, paper_clock: PaperClock | None) -> None:
    if mode not in ("live", "paper"):
        raise ValueError(f"mode: live or paper is allowed, {mode!r} came")
    if mode == "live" and not token:
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
