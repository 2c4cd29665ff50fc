"""Answers that are caught, changed or made up by a fault."""

import json
from collections.abc import MutableMapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Protocol

from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mt5api.errors import error_answer
from mt5api.httpapi.face import error
from mt5api.httpapi.reads import UNINITIALISED

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Captured:
    """A whole answer."""

    status: int
    headers: Headers
    body: bytes

    def with_body(self, body: bytes) -> "Captured":
        kept = tuple(each for each in self.headers if each[0].lower() != b"content-length")
        length = (b"content-length", str(len(body)).encode())
        return replace(self, body=body, headers=(*kept, length))

    def with_headers(self, given: dict[bytes, bytes]) -> "Captured":
        kept = tuple(each for each in self.headers if each[0].lower() not in given)
        return replace(self, headers=(*kept, *given.items()))


async def replayed(receive: Receive) -> tuple[bytes, Receive]:
    """A request's whole body, and a `receive` that gives it again."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    waiting: list[MutableMapping[str, Any]] = [
        {"type": "http.request", "body": body, "more_body": False}
    ]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return body, again


async def capture(app: ASGIApp, scope: Scope, receive: Receive) -> Captured:
    """The application's answer, kept back."""
    status, headers, parts = 500, (), []

    async def keep(message: Message) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status, headers = message["status"], tuple(message.get("headers", ()))
        elif message["type"] == "http.response.body":
            parts.append(message.get("body", b""))

    await app(scope, receive, keep)
    return Captured(status, headers, b"".join(parts))


async def send_answer(send: Send, answer: Captured) -> None:
    await send({"type": "http.response.start", "status": answer.status,
                "headers": list(answer.headers)})  # fmt: skip
    await send({"type": "http.response.body", "body": answer.body})


class Words(Protocol):
    """How a dialect words what its bridge says without its terminal."""

    def html(self, status: int) -> Captured: ...

    def unauthorized(self) -> Captured: ...

    def unavailable(self) -> Captured: ...

    def queue_full(self) -> Captured: ...

    def timeout(self) -> Captured: ...

    def dressed_up(self, answer: Captured) -> Captured:
        """A rejection as if it were a success."""
        ...


class NativeWords:
    """docs/bridge.md."""

    def html(self, status: int) -> Captured:
        title = HTTPStatus(status).phrase
        return _of(HTMLResponse(f"<!doctype html><title>{title}</title><h1>{title}</h1>", status))

    def unauthorized(self) -> Captured:
        return _of(error_answer(
            401, "Unauthorized", "the bridge's token is missing or wrong", outcome="not_sent"
        ))  # fmt: skip

    def unavailable(self) -> Captured:
        return self._busy("the bridge has no terminal")

    def queue_full(self) -> Captured:
        return self._busy("too many requests wait for the terminal")

    def timeout(self) -> Captured:
        return _of(error_answer(
            504, "OutcomeUnknown", "the terminal did not answer in time", outcome="unknown"
        ))  # fmt: skip

    def dressed_up(self, answer: Captured) -> Captured:
        if answer.status != 422:
            return answer
        result = json.loads(answer.body).get("result")
        if result is None:
            return answer
        return replace(answer.with_body(json.dumps(result).encode()), status=200)

    def _busy(self, text: str) -> Captured:
        return _of(error_answer(
            503, "BrokerUnavailable", text, outcome="not_sent", retryable=True,
            headers={"Retry-After": "1"},
        ))  # fmt: skip


class HttpapiWords(NativeWords):
    """mt5-httpapi: errors are one text; 401 is a page."""

    def unauthorized(self) -> Captured:
        return self.html(401)

    def unavailable(self) -> Captured:
        return _of(error(UNINITIALISED, 503))

    def queue_full(self) -> Captured:
        return _of(error("queue full", 503)).with_headers({b"retry-after": b"1"})

    def timeout(self) -> Captured:
        return _of(error("MT5 call timed out", 504))

    def dressed_up(self, answer: Captured) -> Captured:
        """A rejection is 200 here anyway."""
        return answer


_WORDS: dict[str, Words] = {"native": NativeWords(), "mt5-httpapi": HttpapiWords()}


def words_of(dialect: str) -> Words:
    """The words of a dialect; `ValueError` for one that nobody speaks."""
    if dialect not in _WORDS:
        raise ValueError(f"dialect: {' or '.join(_WORDS)} is allowed, {dialect!r} came")
    return _WORDS[dialect]


def _of(response: Response) -> Captured:
    return Captured(response.status_code, tuple(response.raw_headers), bytes(response.body))
