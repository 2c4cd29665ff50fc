"""A paper bridge as an ASGI application, in the dialect that its spec names."""

from fastapi import FastAPI
from starlette.types import ASGIApp

from mt5api.app import create_app
from mt5api.faults import PaperVenue, with_faults
from mt5api.httpapi import create_httpapi_app
from mt5api.paper import PaperBridge


def paper_app(bridge: PaperBridge, *, token: str) -> ASGIApp:
    """The application over the bridge's terminal, behind its faults; saves it after executed
    requests and at the end."""
    venue = PaperVenue(
        bridge.terminal, bridge.faults, bridge.save, bridge.broker.restarted, bridge.forget_intents
    )
    spec = bridge.spec
    return with_faults(
        _app(bridge, token), venue, dialect=spec.dialect, path_prefix=spec.path_prefix
    )


def _app(bridge: PaperBridge, token: str) -> FastAPI:
    if bridge.spec.dialect == "native":
        return create_app(bridge.broker, token=token, paper_clock=bridge.clock, save=bridge.save)
    return create_httpapi_app(
        bridge.mt5, token=token, path_prefix=bridge.spec.path_prefix, paper_clock=bridge.clock,
        save=bridge.save,
    )  # fmt: skip
