"""One request at a time at the terminal: trades first, twenty waiting at most."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from broker.contract.errors import BrokerUnavailable
from mt5api.errors import Busy
from mt5api.live.calls import QueuedCalls
from tests.patience import PATIENCE_S


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


class Held:
    """A call that stays at the terminal until it is let go."""

    def __init__(self) -> None:
        self.began, self._go = threading.Event(), threading.Event()

    def __call__(self) -> str:
        self.began.set()
        assert self._go.wait(PATIENCE_S)
        return "held"

    def let_go(self) -> None:
        self._go.set()


def test_trades_pass_looks_and_looks_pass_reads() -> None:
    async def scene() -> list[str]:
        calls, held, order = QueuedCalls(lambda: None), Held(), []
        first = asyncio.create_task(calls.do(held))
        await until(held.began.is_set)
        waiting = [
            asyncio.create_task(calls.do(lambda: order.append("read"))),
            asyncio.create_task(calls.watch(lambda: order.append("look"))),
            asyncio.create_task(calls.trade(lambda: order.append("trade"))),
            asyncio.create_task(calls.trade(lambda: order.append("second trade"))),
        ]
        await until(lambda: calls.depth == 4)
        held.let_go()
        await asyncio.gather(first, *waiting)
        return order

    assert asyncio.run(scene()) == ["trade", "second trade", "look", "read"]


def test_full_queue_refuses_and_serves_on_later() -> None:
    async def scene() -> None:
        calls, held = QueuedCalls(lambda: None, deepest=2), Held()
        tasks = [asyncio.create_task(calls.do(held))]
        await until(held.began.is_set)
        tasks += [asyncio.create_task(calls.do(lambda: "later")) for _ in range(2)]
        await until(lambda: calls.depth == 2)
        with pytest.raises(Busy, match="nothing was sent"):
            await calls.trade(lambda: None)
        look = asyncio.create_task(calls.watch(lambda: "look"))
        await until(lambda: calls.depth == 3)
        held.let_go()
        assert await asyncio.gather(*tasks, look) == ["held", "later", "later", "look"]
        assert await calls.trade(lambda: "again") == "again"

    asyncio.run(scene())


def test_one_that_gives_up_waiting_holds_nobody_up_and_lets_nobody_pass() -> None:
    async def scene() -> None:
        calls, held = QueuedCalls(lambda: None), Held()
        first = asyncio.create_task(calls.do(held))
        await until(held.began.is_set)
        next_one = asyncio.create_task(calls.do(lambda: "next"))
        gone = asyncio.create_task(calls.do(lambda: "gone"))
        await until(lambda: calls.depth == 2)
        gone.cancel()
        await until(gone.done)
        assert [urgency for urgency, _, event in calls._waiting if not event.is_set()] == [2]
        held.let_go()
        assert await first == "held"
        assert await next_one == "next"

    asyncio.run(scene())


def test_call_that_fails_makes_room_for_the_next() -> None:
    async def scene() -> None:
        def refuses() -> None:
            raise BrokerUnavailable("not connected")

        calls = QueuedCalls(refuses)
        for _ in range(2):
            with pytest.raises(BrokerUnavailable):
                await calls.do(lambda: "never")
        assert await calls.watch(lambda: "look") == "look"

    asyncio.run(scene())
