"""Plain requests to one address over kept-alive connections.

`httpx.Client` would follow redirects, keep cookies, merge settings and call hooks for each of them:
together more work than the request, which a daemon makes a dozen times in every look.
"""

from contextlib import closing
from functools import lru_cache
from typing import Any

import httpx

_KEEP_ALIVE_S = 30.0  # shorter than the server's, so that it never closes a connection in use
_MOST_PATHS = 64
_HEADERS = {
    "Accept": "*/*", "Accept-Encoding": "gzip, deflate", "Connection": "keep-alive",
    "User-Agent": "novosky",
}  # fmt: skip


class KeptConnections:
    """At most four at a time; no proxy of the environment."""

    def __init__(self, base_url: str, token: str) -> None:
        self._base_url = base_url.rstrip("/")
        self._headers = _HEADERS | _authorization(base_url, token)
        limits = httpx.Limits(max_connections=4, keepalive_expiry=_KEEP_ALIVE_S)
        self._transport = httpx.HTTPTransport(limits=limits, trust_env=False)
        self._url = lru_cache(maxsize=_MOST_PATHS)(self._parsed)

    def ask(
        self, method: str, path: str, *, headers: dict[str, str], timeout: httpx.Timeout,
        body: bytes | None = None, params: dict[str, Any] | None = None,
    ) -> httpx.Response:  # fmt: skip
        """The answer, read to its end. Raises as `httpx.Client` does."""
        request = httpx.Request(
            method, self._url(path), params=params or None, content=body,
            headers=self._headers | headers, extensions={"timeout": timeout.as_dict()},
        )  # fmt: skip
        answer = self._transport.handle_request(request)
        answer.request = request
        with closing(answer):
            answer.read()
        return answer

    def close(self) -> None:
        self._transport.close()

    def _parsed(self, path: str) -> httpx.URL:
        return httpx.URL(self._base_url + path)


def _authorization(base_url: str, token: str) -> dict[str, str]:
    """The token; a user and password in the address come before it, for a proxy that wants them."""
    named = httpx.Request("GET", base_url)
    if named.url.userinfo:
        next(httpx.BasicAuth(named.url.username, named.url.password).auth_flow(named))
        return {"Authorization": named.headers["Authorization"]}
    return {"Authorization": f"Bearer {token}"} if token else {}
