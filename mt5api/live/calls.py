"""One request at a time at the terminal, trades first, and not too many waiting."""

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from anyio import to_thread

from mt5api.errors import Busy

Answer = TypeVar("Answer")

DEEPEST = 20
_TRADE, _WATCH, _READ = 0, 1, 2


class QueuedCalls:
    """`Calls` in a thread, in order of urgency. `ready` runs before each and may refuse it.

    More than `deepest` waiting: `Busy`, nothing was sent.
    """

    def __init__(self, ready: Callable[[], None], *, deepest: int = DEEPEST) -> None:
        self._ready = ready
        self._deepest = deepest
        self._numbers = itertools.count()
        self._waiting: list[tuple[int, int, asyncio.Event]] = []
        self._is_taken = False

    @property
    def depth(self) -> int:
        """How many wait."""
        return len(self._waiting)

    async def do(self, call: Callable[[], Answer]) -> Answer:
        return await self._in_turn(_READ, lambda: self._when_ready(call))

    async def trade(self, call: Callable[[], Answer]) -> Answer:
        return await self._in_turn(_TRADE, lambda: self._when_ready(call))

    async def watch(self, call: Callable[[], Answer]) -> Answer:
        """The bridge's own look at the terminal: before all reads, however many wait."""
        return await self._in_turn(_WATCH, call)

    def _when_ready(self, call: Callable[[], Answer]) -> Answer:
        self._ready()
        return call()

    async def _in_turn(self, urgency: int, call: Callable[[], Answer]) -> Answer:
        if urgency != _WATCH and self.depth >= self._deepest:
            raise Busy(f"{self.depth} requests wait for the terminal; nothing was sent")
        async with self._turn(urgency):
            return await to_thread.run_sync(call)

    @asynccontextmanager
    async def _turn(self, urgency: int) -> AsyncIterator[None]:
        if self._is_taken:
            await self._wait(urgency)
        self._is_taken = True
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, urgency: int) -> None:
        place = (urgency, next(self._numbers), asyncio.Event())
        heapq.heappush(self._waiting, place)
        try:
            await place[2].wait()
        except asyncio.CancelledError:
            if place in self._waiting:
                self._waiting.remove(place)
                heapq.heapify(self._waiting)
            else:
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        """To the most urgent one that waits; `_is_taken` stays, so that nobody slips in between."""
        if self._waiting:
            heapq.heappop(self._waiting)[2].set()
        else:
            self._is_taken = False
