"""Faults of the wire and of the bridge, in front of a paper bridge's application.

Nothing is waited for: a request that "times out" is handled, or not, and its connection closed.
`/_paper/*` is the simulation's own and always answers.
"""

import json
import re
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from broker.simulator.faults.calls import REQUEST, Call
from broker.simulator.faults.plan import Fault, FaultPlan
from broker.simulator.terminal import SimulatedTerminal
from mt5api.faults_answers import Captured, Words, capture, replayed, send_answer, words_of
from mt5api.faults_routes import fault_routes

FAULT_HEADER = b"x-paper-fault"
NOW_HEADER = b"x-paper-now"
_ON_POSITIONS = {"PUT": "levels", "DELETE": "close"}
_MARKET_TYPES = (0, 1, "BUY", "SELL")
_LINGER_NONE = struct.pack("ii", 1, 0)
_SYMBOL_IN_PATH = re.compile(r"^/(?:symbols|snapshot)/([^/]+)")
_POSITION_IN_PATH = re.compile(r"^/positions/(\d+)")


@dataclass(frozen=True, slots=True)
class PaperVenue:
    """What the fault paths work on. `restart`: the bridge takes a new boot id."""

    terminal: SimulatedTerminal
    plan: FaultPlan
    save: Callable[[], None] = lambda: None
    restart: Callable[[], None] = lambda: None
    reset: Callable[[], None] = lambda: None


def with_faults(
    app: FastAPI, venue: PaperVenue, *, dialect: str = "native", path_prefix: str = ""
) -> ASGIApp:
    """A paper bridge's application with `/_paper/faults`, `ticks`, `reset` and `snapshot`, behind
    its faults. Give the result to the server: a middleware of the application could not close a
    connection."""
    app.include_router(fault_routes(venue.terminal, venue.plan, venue.save, venue.reset))
    return FaultLayer(app, venue, words_of(dialect), path_prefix.rstrip("/"))


class FaultLayer:
    """The plan's faults of the wire and of the bridge around an application."""

    def __init__(self, app: ASGIApp, venue: PaperVenue, words: Words, prefix: str) -> None:
        self._app, self._venue, self._words, self._prefix = app, venue, words, prefix
        self._plan = venue.plan

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"].removeprefix(self._prefix)
        is_own = path.startswith("/_paper/")
        if not self._plan.names and not is_own:
            await self._app(scope, receive, send)
            return
        body, receive_again = await replayed(receive)
        call = Call(scope["method"], path)
        if not is_own:
            content = _content(body)
            call.symbol = self._symbol(scope, path, content)
            call.kind = _kind(call, content)
        token = REQUEST.set(call)
        try:
            answer = await self._answer(call, is_own, scope, receive_again)
            if isinstance(answer, Captured):
                await send_answer(send, self._stamped(answer, call))
            else:
                await _hang_up(receive, send, reset=answer)
        finally:
            REQUEST.reset(token)

    async def _answer(
        self, call: Call, is_own: bool, scope: Scope, receive: Receive
    ) -> Captured | bool:
        """The answer; or that there is none: True for a reset, False for a closed connection."""
        if is_own:
            return await capture(self._app, scope, receive)
        unhandled = self._unhandled(call)
        if unhandled is not None:
            return unhandled
        plan, words = self._plan, self._words
        page = plan.acting("html_500", call)
        if page and not page.is_set("executed"):
            return words.html(500)
        late = plan.acting("http_504", call)
        if late and not late.is_set("executed"):
            return words.timeout()
        lost = plan.acting("post_fill_then_timeout", call)
        is_reset = plan.acting("conn_reset_after_send", call) is not None
        answer = await capture(self._app, scope, receive)
        if is_reset:
            return True
        if lost and lost.text_of("answer") != "504":
            return False
        if lost or late:
            return words.timeout()
        return words.html(500) if page else self._rewritten(call, answer)

    def _unhandled(self, call: Call) -> Captured | bool | None:
        """The answer to a request that the bridge does not handle; None where it does."""
        plan, words = self._plan, self._words
        slow = plan.acting("delay", call)
        if slow:
            terminal = self._venue.terminal
            later_ms = terminal.now_ms + slow.int_of("ms")
            terminal.advance(max(terminal.now_ms, min(later_ms, terminal.end_ms)))
        if self._is_restarting(call) or plan.acting("bridge_down", call):
            return False
        if plan.acting("conn_reset_before_send", call):
            return True
        refused = plan.acting("unauthorized", call)
        if refused:
            return words.html(401) if refused.is_set("html") else words.unauthorized()
        if plan.acting("http_503", call):
            return words.unavailable()
        return words.queue_full() if plan.acting("queue_full", call) else None

    def _is_restarting(self, call: Call) -> bool:
        """Whether the bridge is down for a restart; its first hit begins one."""
        now_ms = self._plan.now_ms
        if any(fault.until_ms > now_ms for fault in self._plan.faults):
            call.acted.append("bridge_restart")
            return True
        fault: Fault | None = self._plan.acting("bridge_restart", call)
        if fault is None:
            return False
        fault.until_ms = now_ms + fault.int_of("down_s") * 1000
        self._venue.restart()
        return True

    def _rewritten(self, call: Call, answer: Captured) -> Captured:
        """Answers that come back damaged or dressed up."""
        if "http200_retcode" in call.acted:
            answer = self._words.dressed_up(answer)
        lost = self._plan.standing("null_result", call)
        if lost and lost.is_set("wire") and self._plan.acting("null_result", call):
            answer = answer.with_body(b"null")
        if self._plan.acting("truncated_json", call):
            answer = answer.with_body(answer.body[: len(answer.body) // 2])
        return answer

    def _stamped(self, answer: Captured, call: Call) -> Captured:
        if not (self._plan.names or call.acted):
            return answer
        stamps = {
            FAULT_HEADER: ", ".join(call.acted).encode(),
            NOW_HEADER: str(self._plan.now_ms).encode(),
        }
        return answer.with_headers(stamps)

    def _symbol(self, scope: Scope, path: str, content: dict[str, Any]) -> str:
        """The symbol that a request is about, if it is about one."""
        found = _SYMBOL_IN_PATH.match(path)
        if found:
            return unquote(found[1])
        asked = parse_qs(scope["query_string"].decode("latin-1")).get("symbol")
        if asked:
            return str(asked[0])
        at = _POSITION_IN_PATH.match(path)
        if at:
            return self._symbol_of(int(at[1]))
        return str(content.get("symbol", ""))

    def _symbol_of(self, ticket: int) -> str:
        there = self._venue.terminal.book.positions.values()
        return next((p.symbol for p in there if ticket in (p.ticket, p.identifier)), "")


def _content(body: bytes) -> dict[str, Any]:
    """A body's JSON object, if it is one."""
    try:
        content = json.loads(body) if body else {}
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _kind(call: Call, content: dict[str, Any]) -> str:
    """What a request asks to trade."""
    if call.path.startswith("/positions/"):
        return _ON_POSITIONS.get(call.method, "")
    if call.method == "POST" and call.path == "/orders":
        is_market = content.get("type") in _MARKET_TYPES
        if not is_market:
            return "pending"
        return "close" if content.get("position") else "entry"
    return "pending" if call.path.startswith("/orders/") and call.method in _ON_POSITIONS else ""


async def _hang_up(receive: Receive, send: Send, *, reset: bool) -> None:
    """Closes the connection without an answer. `reset`: as a TCP reset."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise ConnectionResetError("a fault closed the connection")
    if reset:
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
    transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass
