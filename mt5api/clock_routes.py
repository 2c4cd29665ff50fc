"""`/_paper/clock`: paper bridges only."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from broker.contract.wire import ClockWait, decode
from mt5api.errors import answer
from mt5api.paper_clock import PaperClock


def clock_routes(clock: PaperClock) -> APIRouter:
    router = APIRouter()

    @router.get("/_paper/clock")
    async def read_clock() -> Response:
        return answer(clock.state())

    @router.post("/_paper/clock")
    async def wait_on_clock(request: Request) -> Response:
        wanted = decode(ClockWait, await request.body())
        return answer(await clock.wait_until(wanted.wait_until_msc))

    return router
