"""What one client may ask of the bridge: how often it opens positions, how long its bodies are."""

import time
from collections import deque
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mt5api.errors import error_answer

LARGEST_BODY_BYTES = 64 * 1024


class RateLimit:
    """At most `count` in any `within_s` seconds."""

    def __init__(
        self, count: int, within_s: float, *, wall_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._count = count
        self._within_s = within_s
        self._wall_s = wall_s
        self._taken_s: deque[float] = deque()

    def wait_s(self) -> float:
        """0.0 and one is taken, or how long until the next one may be."""
        now_s = self._wall_s()
        while self._taken_s and self._taken_s[0] <= now_s - self._within_s:
            self._taken_s.popleft()
        if len(self._taken_s) >= self._count:
            return self._taken_s[0] + self._within_s - now_s
        self._taken_s.append(now_s)
        return 0.0


class _TooLong(Exception):
    """More than `LARGEST_BODY_BYTES` came."""


class BodyLimit:
    """Refuses bodies that no request of the contract has, told or untold how long they are."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = dict(scope["headers"]).get(b"content-length", b"0")
        if not told.isdigit() or int(told) > LARGEST_BODY_BYTES:
            await self._refuse(scope, receive, send)
            return
        try:
            await self._app(scope, _counted(receive), send)
        except _TooLong:
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = error_answer(
            413, "BodyTooLong", f"at most {LARGEST_BODY_BYTES} bytes are allowed",
            outcome="not_sent", headers={"Connection": "close"},
        )  # fmt: skip
        await refusal(scope, receive, send)


def _counted(receive: Receive) -> Receive:
    came = 0

    async def counted() -> Message:
        nonlocal came
        message = await receive()
        came += len(message.get("body", b""))
        if came > LARGEST_BODY_BYTES:
            raise _TooLong
        return message

    return counted
