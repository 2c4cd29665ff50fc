"""The health that is told: from the last look at the terminal, never older than two seconds.

A look waits its turn like every call, so while the terminal hangs there is none, and what is told
after two seconds is `down`. Telling costs no call.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace

from broker.contract.errors import BrokerError
from broker.contract.messages import Health, MarketHealth
from broker.native import NativeBroker
from broker.native.health import nothing_known
from mt5api.live.calls import QueuedCalls
from mt5api.live.link import LOG, TerminalLink
from mt5api.live.sidecar import Sidecar

STALE_S = 2.0
_EVERY_S = 0.5


class ClockSkew:
    """How far our clock is ahead of the broker's, from the least delayed of the latest ticks."""

    def __init__(self) -> None:
        self._newest: dict[str, int] = {}
        self._ahead_ms: deque[int] = deque(maxlen=30)

    def saw(self, markets: Iterable[MarketHealth]) -> None:
        """Ticks that are new since the look before; the first ones may be old."""
        for each in markets:
            before = self._newest.get(each.symbol)
            self._newest[each.symbol] = each.tick_time_msc
            if before is not None and each.tick_time_msc > before:
                self._ahead_ms.append(each.tick_age_ms)

    @property
    def ms(self) -> int:
        """0 until a tick has come."""
        return min(self._ahead_ms, default=0)


def _tell_failure(looking: "asyncio.Task[None]") -> None:
    """A bug of ours ends the looking; the health is then `down` from two seconds on."""
    if not looking.cancelled() and looking.exception():
        LOG.error("the health watch ended", exc_info=looking.exception())


class HealthWatch:
    """Looks twice a second; `told` is what `/health` answers. `probe` runs while connected."""

    def __init__(
        self, broker: NativeBroker, link: TerminalLink, calls: QueuedCalls, sidecar: Sidecar, *,
        probe: Callable[[], None], wall_s: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._broker = broker
        self._link = link
        self._calls = calls
        self._sidecar = sidecar
        self._probe = probe
        self._wall_s = wall_s
        self._skew = ClockSkew()
        self._started_s = wall_s()
        self._seen: tuple[Health, float, int] | None = None
        self._said = ""

    def told(self) -> Health:
        """The last look, brought up to now; `down` where it is too old."""
        now_ms, now_s = self._broker.now_ms(), self._wall_s()
        if self._seen is None:
            return nothing_known(self._broker.boot_id, now_ms, now_s - self._started_s)
        health, seen_s, seen_ms = self._seen
        later_ms = now_ms - seen_ms
        return replace(
            health,
            status=health.status if now_s - seen_s <= STALE_S else "down",
            uptime_s=round(now_s - self._started_s, 3),
            market=tuple(
                replace(each, tick_age_ms=each.tick_age_ms + later_ms) for each in health.market
            ),
            utc_msc=now_ms,
            server_msc=now_ms + health.utc_offset_s * 1000,
            queue_depth=self._calls.depth,
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Looks until the block ends, and then lets go of the terminal."""
        looking = asyncio.create_task(self._look_again_and_again())
        looking.add_done_callback(_tell_failure)
        try:
            yield
        finally:
            looking.cancel()
            await asyncio.wait({looking})
            self._link.stop()

    async def _look_again_and_again(self) -> None:
        while True:
            await self._calls.watch(self.look)
            await asyncio.sleep(_EVERY_S)

    def look(self) -> None:
        """One look: connects where needed, asks, tells the sidecar that the bridge lives."""
        trouble = ""
        try:
            self._link.look()
            self._probe()
        except BrokerError as error:
            trouble = str(error)
        try:
            health = self._broker.health()
        except BrokerError as error:
            now_ms = self._broker.now_ms()
            health = nothing_known(self._broker.boot_id, now_ms, 0.0)
            trouble = trouble or str(error)
        self._note(health, trouble)

    def _note(self, health: Health, trouble: str) -> None:
        now_ms = self._broker.now_ms()
        self._skew.saw(health.market)
        if trouble:
            health = replace(health, status="down")
        elif self._link.refusal:
            health, trouble = replace(health, status="degraded"), self._link.refusal
        health = replace(health, clock_skew_ms=self._skew.ms)
        if not trouble:
            health, trouble = self._with_sidecar(health)
        self._seen = (health, self._wall_s(), now_ms)
        if trouble != self._said:
            LOG.warning("%s", trouble or "connected")
            self._said = trouble

    def _with_sidecar(self, health: Health) -> tuple[Health, str]:
        """The terminal's own word on the server's clock, where a sidecar tells it."""
        self._sidecar.beat(health.utc_msc)
        offset_s = self._sidecar.offset_s()
        if offset_s is None:
            return health, ""
        told = replace(health, utc_offset_s=offset_s, offset_source="sidecar")
        if offset_s == health.utc_offset_s:
            return told, ""
        return replace(told, status="degraded"), (
            f"server clock: the rule says {health.utc_offset_s} s ahead of UTC, the terminal "
            f"{offset_s} s; correct --server-timezone"
        )
