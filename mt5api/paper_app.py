"""A paper bridge as an ASGI application, in the dialect that its spec names."""

from fastapi import FastAPI

from mt5api.app import create_app
from mt5api.httpapi import create_httpapi_app
from mt5api.paper import PaperBridge


def paper_app(bridge: PaperBridge, *, token: str) -> FastAPI:
    """The application over the bridge's terminal; saves it after executed requests and at the
    end."""
    if bridge.spec.dialect == "native":
        return create_app(bridge.broker, token=token, paper_clock=bridge.clock, save=bridge.save)
    return create_httpapi_app(
        bridge.mt5, token=token, path_prefix=bridge.spec.path_prefix, paper_clock=bridge.clock,
        save=bridge.save,
    )  # fmt: skip
