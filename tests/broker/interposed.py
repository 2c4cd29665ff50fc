"""An application whose answers a test replaces, request by request."""

from collections import Counter
from dataclasses import dataclass, field

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass
class Instead:
    """What is answered instead. `handled`: the application still does the work behind it.

    `times`: how often; None is always.
    """

    status: int
    body: bytes
    kind: str = "application/json"
    handled: bool = False
    times: int | None = None


@dataclass
class Interposed:
    """`instead["POST /orders"]` answers that path; the others reach the application."""

    app: ASGIApp
    instead: dict[str, Instead] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        name = f"{scope['method']} {scope['path']}"
        self.asked[name] += 1
        other = self.instead.get(name)
        if other is None or other.times == 0:
            await self.app(scope, receive, send)
            return
        if other.times is not None:
            other.times -= 1
        if other.handled:
            await self.app(scope, receive, _unheard)
        await Response(other.body, other.status, media_type=other.kind)(scope, receive, send)


async def _unheard(_: Message) -> None: ...
