"""Bearer token in front of every path."""

import hmac

from starlette.types import ASGIApp, Receive, Scope, Send

from mt5api.errors import error_answer


class BearerAuth:
    """Lets a request in if it carries the token; an empty token lets everybody in."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode() if token else b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._admits(scope):
            await self._app(scope, receive, send)
            return
        refusal = error_answer(
            401, "Unauthorized", "the bridge's token is missing or wrong", outcome="not_sent",
            headers={"WWW-Authenticate": "Bearer"},
        )  # fmt: skip
        await refusal(scope, receive, send)

    def _admits(self, scope: Scope) -> bool:
        if not self._expected:
            return True
        given = dict(scope["headers"]).get(b"authorization", b"")
        return hmac.compare_digest(given, self._expected)
