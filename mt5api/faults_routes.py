"""`/_paper/faults`, `ticks`, `reset` and `snapshot`: paper bridges only."""

from collections.abc import Callable

from fastapi import APIRouter, Request
from starlette.responses import Response

from broker.contract.paper import FaultAdded, FaultOrder, PaperSnapshot, PushedTick
from broker.contract.wire import ClockState, Items, WireError, decode
from broker.simulator.faults.catalogue import FaultError
from broker.simulator.faults.plan import FaultPlan
from broker.simulator.terminal import SimulatedTerminal
from mt5api.errors import answer, error_answer


def fault_routes(
    terminal: SimulatedTerminal, plan: FaultPlan, save: Callable[[], None],
    reset: Callable[[], None],
) -> APIRouter:  # fmt: skip
    """`save` keeps what was changed here; `reset`: what a reset needs besides the terminal's."""
    router = APIRouter()
    market = terminal.with_faults(plan)

    def changed(change: Callable[[], object]) -> Response:
        try:
            said = change()
        except (FaultError, WireError) as error:
            return error_answer(400, type(error).__name__, str(error), outcome="not_sent")
        save()
        return answer(said)

    @router.get("/_paper/faults")
    async def active() -> Response:
        return answer(Items(terminal.now_ms, plan.active()))

    @router.post("/_paper/faults")
    async def add(request: Request) -> Response:
        body = await request.body()
        return changed(lambda: FaultAdded(plan.add(decode(FaultOrder, body))))

    @router.delete("/_paper/faults")
    async def clear() -> Response:
        return changed(lambda: _after(plan.clear, terminal))

    @router.post("/_paper/ticks")
    async def push(request: Request) -> Response:
        body = await request.body()
        return changed(lambda: _after(lambda: market.push_tick(decode(PushedTick, body)), terminal))

    @router.post("/_paper/reset")
    async def restart() -> Response:
        terminal.reset()
        reset()
        return changed(lambda: _after(lambda: None, terminal))

    @router.get("/_paper/snapshot")
    async def snapshot() -> Response:
        return answer(snapshot_of(terminal))

    return router


def snapshot_of(terminal: SimulatedTerminal) -> PaperSnapshot:
    """The venue as it is, whatever its faults show."""
    return PaperSnapshot(
        now_msc=terminal.now_ms,
        end_msc=terminal.end_ms,
        account=terminal.account(),
        positions=terminal.positions(),
        orders=terminal.working_orders(),
        deals=terminal.deals(),
        ledger_sha256=terminal.ledger.sha256(),
    )


def _after(change: Callable[[], None], terminal: SimulatedTerminal) -> ClockState:
    change()
    return ClockState(terminal.now_ms, terminal.end_ms)
