"""Where the broker's calls run."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from anyio import to_thread

Answer = TypeVar("Answer")


class Calls(Protocol):
    """Where calls to the terminal run: `trade` for what changes something, `do` for the rest."""

    async def do(self, call: Callable[[], Answer]) -> Answer: ...

    async def trade(self, call: Callable[[], Answer]) -> Answer: ...


class DirectCalls:
    """Runs a call on the event loop, or in a thread where a terminal may keep it waiting.

    The simulated terminal answers in microseconds: a thread would cost more than the call.
    """

    def __init__(self, *, may_block: bool) -> None:
        self._may_block = may_block

    async def do(self, call: Callable[[], Answer]) -> Answer:
        if self._may_block:
            return await to_thread.run_sync(call)
        return call()

    async def trade(self, call: Callable[[], Answer]) -> Answer:
        return await self.do(call)
