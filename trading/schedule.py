"""Which bar is next, when to look, and when a run is over. Knows the clock and no broker."""

from dataclasses import dataclass

from market.bars import Bars
from market.sessions import Sessions
from market.timeframe import Timeframe
from trading.clock import Clock
from trading.settings import DaemonSettings

# A bar that is not there at its close: our clock may be a little ahead, or the bar is late.
_SOON_MS = 10_000
_SOON_POLL_MS = 1_000
_LATE_POLL_MS = 3_000
_WORK_MS = 3_000


@dataclass(frozen=True, slots=True)
class RunLimits:
    """Where a run begins and ends.

    The first bar decided is the first that opens at `from_ms` or later. The run ends after `bars`
    decided bars, or before the bar that opens at `to_ms`.
    """

    from_ms: int
    to_ms: int | None = None
    bars: int | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """Bars that closed and are not handled yet: rows [first, last) of the window.

    `due`: the last of them is to be decided now; those before it closed while nobody looked.
    """

    first: int
    last: int
    due: bool

    @property
    def missed(self) -> slice:
        return slice(self.first, self.last - self.due)


class Schedule:
    """Walks the closes of one timeframe. `next_open_ms`: the first bar not handled yet."""

    def __init__(
        self,
        timeframe: Timeframe,
        sessions: Sessions,
        clock: Clock,
        limits: RunLimits,
        daemon: DaemonSettings,
    ) -> None:
        self._bar_ms = timeframe.ms
        self._sessions = sessions
        self._clock = clock
        self._limits = limits
        self._daemon = daemon
        self.next_open_ms = limits.from_ms
        self.decided = 0

    @property
    def next_close_ms(self) -> int:
        return self.next_open_ms + self._bar_ms

    @property
    def last_handled_ms(self) -> int:
        """Open of the newest bar that needs nothing more."""
        return self.next_open_ms - self._bar_ms

    @property
    def finished(self) -> bool:
        """Whether a limit of the run, or the end of the market's data, is reached."""
        limits, end_ms = self._limits, self._clock.end_ms
        return (
            (limits.bars is not None and self.decided >= limits.bars)
            or (limits.to_ms is not None and self.next_open_ms >= limits.to_ms)
            or (end_ms is not None and self.next_close_ms > end_ms)
        )

    def next_wake_ms(self, *, open_work: bool = False, long_unknown: bool = False) -> int:
        """The next close, or a beat before it; while a bar is late, a poll from now.

        With `open_work` (an outcome to learn, a stop to set, a close to finish) no wait before the
        close is longer than 3 s, at any speed; than a beat, where it is `long_unknown`.
        """
        now_ms = self._clock.now_ms()
        if now_ms < self.next_close_ms:
            return min(self.next_close_ms, now_ms + self._beat_ms(open_work, long_unknown))
        if self._clock.lock_step or not self._clock.beats:
            return max(now_ms, self.next_close_ms)
        soon = now_ms - self.next_close_ms < _SOON_MS
        return now_ms + (_SOON_POLL_MS if soon else _LATE_POLL_MS)

    def _beat_ms(self, open_work: bool, long_unknown: bool) -> int:
        if open_work:
            return self._daemon.beat_ms if long_unknown else min(_WORK_MS, self._daemon.beat_ms)
        return self._daemon.beat_ms if self._clock.beats else self._bar_ms

    def pending(self, window: Bars, now_ms: int) -> Pending:
        """What has closed since the last handled bar. Only the newest can be decided, and only
        within `act_within_s` of its close: an older quote would be another market."""
        first, last = int(window.open_ms.searchsorted(self.next_open_ms)), len(window)
        if first == last:
            return Pending(first, last, False)
        newest_ms = int(window.open_ms[-1])
        wanted = self._limits.to_ms is None or newest_ms < self._limits.to_ms
        return Pending(first, last, wanted and self.late_ms(newest_ms, now_ms) <= self.allowed_ms)

    def late_ms(self, open_ms: int, now_ms: int) -> int:
        """How long ago the bar that opened at `open_ms` closed."""
        return now_ms - open_ms - self._bar_ms

    def handled(self, open_ms: int) -> None:
        """The bar that opened at `open_ms` needs nothing more."""
        self.next_open_ms = open_ms + self._bar_ms

    def pass_over_missing(self, now_ms: int) -> tuple[int, ...]:
        """Goes past closes without a bar; a bar of an open market may come late. The opens that
        were passed over."""
        passed = []
        while self.next_close_ms <= now_ms and self._will_not_come(now_ms):
            passed.append(self.next_open_ms)
            self.next_open_ms += self._bar_ms
        return tuple(passed)

    def _will_not_come(self, now_ms: int) -> bool:
        return (
            self._clock.lock_step
            or not self._sessions.is_open(self.next_open_ms)
            or self.late_ms(self.next_open_ms, now_ms) > self.allowed_ms
        )

    @property
    def allowed_ms(self) -> int:
        """How long after its close a bar may still be decided."""
        return self._daemon.act_within_ms
