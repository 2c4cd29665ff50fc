"""The dialect of the public `mt5-httpapi` bridge (v4.12) over a native face, with its quirks.

It exists so that the client for that bridge can be tested: bare arrays, `[]` where the terminal
failed, 200 for a rejection, no idempotency, HTML where an error was not foreseen. What it does is
described in docs/bridge.md; none of that project's code is used.

May import: `market`, `broker`, `mt5api`.
"""

from mt5api.httpapi.app import create_httpapi_app

__all__ = ["create_httpapi_app"]
