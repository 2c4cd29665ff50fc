"""`/terminal/init`, `/terminal/shutdown`, `/terminal/restart`: live bridges, admin token."""

from collections.abc import Callable

from fastapi import APIRouter
from starlette.responses import Response

from mt5api.errors import answer
from mt5api.live.calls import QueuedCalls
from mt5api.live.parts import Control


def control_routes(control: Control, calls: QueuedCalls) -> APIRouter:
    router = APIRouter()

    async def done(act: Callable[[], bool]) -> Response:
        # As urgent as the bridge's own look, and like it not refused while disconnected.
        return answer({"success": await calls.watch(act)})

    @router.post("/terminal/init")
    async def connect() -> Response:
        return await done(control.connect)

    @router.post("/terminal/shutdown")
    async def disconnect() -> Response:
        return await done(control.disconnect)

    @router.post("/terminal/restart")
    async def restart() -> Response:
        return await done(control.restart)

    return router
