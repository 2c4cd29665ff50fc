"""How a shadow waits: for the bridge to have closed a bar, and for the next one's first quote.

It looks at closes alone, so its heartbeat beats within its waits, too.
"""

from collections.abc import Callable

from backtest.shadow.market import M15, LiveMarket
from backtest.shadow.venue import ShadowVenue
from trading.clock import Clock, StopFlag

# A bar that is late is asked for every second at first, then after a fifth of its lateness.
_POLL_MS = 1_000
_POLLS_GROW_BY = 5
# A bar that goes on trading has a quote within seconds; a halted market is decided without one.
_QUOTE_WITHIN_MS = 60_000
_BEAT_MS = 60_000


class BeatingClock:
    """The bridge's time; `beat` is called once a minute while it is waited for, and after."""

    def __init__(self, live: Clock, beat: Callable[[], None]) -> None:
        self._live = live
        self._beat = beat

    @property
    def lock_step(self) -> bool:
        return self._live.lock_step

    @property
    def beats(self) -> bool:
        return self._live.beats

    @property
    def end_ms(self) -> int | None:
        return self._live.end_ms

    def now_ms(self) -> int:
        return self._live.now_ms()

    def pause(self, seconds: float) -> None:
        self._live.pause(seconds)

    def wait_until(self, instant_ms: int) -> int:
        while True:
            until_ms = min(instant_ms, self._live.now_ms() + _BEAT_MS)
            now_ms = self._live.wait_until(until_ms)
            self._beat()
            if now_ms < until_ms or now_ms >= instant_ms:
                return now_ms


class ShadowClock:
    """The virtual venue's time. It stops at each close, where the daemon decides in real time, and
    goes past closes that it has slept through.

    `live`: the bridge's time. `allowed_ms`: how long after its close a bar may still be decided.
    `over`: asked at each close; whether the run ends, for there is another challenger.
    """

    lock_step = True
    beats = False

    def __init__(
        self, live: Clock, market: LiveMarket, venue: ShadowVenue, stop: StopFlag, *,
        allowed_ms: int, over: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        self._live = live
        self._market = market
        self._venue = venue
        self._stop = stop
        self._allowed_ms = allowed_ms
        self._over = over
        self._shown_ms: int | None = None

    @property
    def end_ms(self) -> int | None:
        return self._live.end_ms

    def start(self) -> None:
        """Shows the venue the present. Comes before everything else; raises `BrokerError`."""
        self._show(M15.floor_ms(self._live.now_ms()))

    def now_ms(self) -> int:
        return self._venue.now_ms or self._live.now_ms()

    def pause(self, seconds: float) -> None:
        self._live.pause(seconds)

    def wait_until(self, instant_ms: int) -> int:
        """Raises `BrokerError` where the bridge cannot be read; nothing has happened then."""
        boundary_ms = M15.floor_ms(instant_ms)
        if self._shown_ms is not None and boundary_ms <= self._shown_ms:
            self._venue.inside(instant_ms)
            return self.now_ms()
        live_ms = self._live.wait_until(boundary_ms)
        if self._over():
            self._stop.requested = True
        if live_ms < boundary_ms or self._stop.requested:
            return self.now_ms()
        self._show(M15.floor_ms(live_ms))
        return self.now_ms()

    def _show(self, close_ms: int) -> None:
        """Lets the venue see what closed: as soon as all of it is there, or as it is when the time
        to decide is up."""
        while True:
            now_ms = self._live.now_ms()
            seen = self._market.at(close_ms, now_ms)
            if now_ms - close_ms > self._allowed_ms:
                self._venue.after_absence(seen, now_ms)
                break
            if seen.has_bar and (seen.is_whole or now_ms - close_ms > _QUOTE_WITHIN_MS):
                self._venue.at_close(seen, close_ms)
                break
            if self._stop.ends_wait:
                return
            self._live.wait_until(now_ms + max(_POLL_MS, (now_ms - close_ms) // _POLLS_GROW_BY))
        self._shown_ms = close_ms
