"""Bearer tokens in front of every path."""

from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Call

from mt5api.errors import error_answer
from mt5api.tokens import Scope, Tokens

_ASKS_ONLY = ("GET", "HEAD")
_ADMIN = ("/terminal/init", "/terminal/shutdown", "/terminal/restart")


class BearerAuth:
    """Lets a request in if its token gives the right that its path needs."""

    def __init__(self, app: ASGIApp, tokens: Tokens) -> None:
        self._app = app
        self._tokens = tokens

    async def __call__(self, scope: Call, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        rights = self._tokens.rights(dict(scope["headers"]).get(b"authorization", b""))
        needed = _needed(scope["method"], scope["path"])
        if rights is not None and needed in rights:
            await self._app(scope, receive, send)
            return
        if rights is None:
            refusal = error_answer(
                401, "Unauthorized", "the bridge's token is missing or wrong", outcome="not_sent",
                headers={"WWW-Authenticate": "Bearer"},
            )  # fmt: skip
        else:
            refusal = error_answer(
                403, "Forbidden", f"this path needs the {needed.value} token", outcome="not_sent"
            )
        await refusal(scope, receive, send)


def _needed(method: str, path: str) -> Scope:
    """The scope of a path; whatever is not known to only ask may trade."""
    if path.endswith(_ADMIN):
        return Scope.ADMIN
    if method in _ASKS_ONLY or path.endswith("/orders/check"):
        return Scope.READ
    return Scope.TRADE
