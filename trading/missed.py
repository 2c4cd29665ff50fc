"""Bars that closed while nobody looked: no decision, but a reason, and margins that count."""

from collections.abc import Iterable

from market.bars import Bars
from trading.forecaster import Forecaster
from trading.journal import Journal
from trading.schedule import Schedule

_LATE_MS = 3 * 86_400_000
_LATE_BARS = 300


class MissedBars:
    """Passes bars over that are too late to decide."""

    def __init__(
        self, journal: Journal, schedule: Schedule, forecaster: Forecaster, symbol: str
    ) -> None:
        self._journal = journal
        self._schedule = schedule
        self._forecaster = forecaster
        self._symbol = symbol
        self._absent: set[int] = set()

    def absent(self, opens_ms: Iterable[int]) -> None:
        """Bars that were not there in time. Most never come: the market stood still."""
        self._absent.update(opens_ms)

    def pass_over(self, window: Bars, missed: slice, now_ms: int) -> None:
        """The window's rows `missed` get no decision, nor do bars that came after their time."""
        if self._absent:
            self._name_late_ones(window, now_ms)
        if missed.start == missed.stop:
            return
        self._forecaster.skip(window.rows(0, missed.stop), missed.start)
        for open_ms in window.open_ms[missed].tolist():
            self._journal.missed(self._symbol, open_ms, now_ms, self._why(open_ms, now_ms))
            self._schedule.handled(open_ms)

    def _name_late_ones(self, window: Bars, now_ms: int) -> None:
        for open_ms in sorted(self._absent.intersection(window.open_ms[-_LATE_BARS:].tolist())):
            self._journal.record(
                "bar_missed", now_ms, bar_open_ms=open_ms, why="came too late to be decided"
            )
            self._absent.discard(open_ms)
        self._absent = {each for each in self._absent if now_ms - each < _LATE_MS}

    def hold(self, now_ms: int, why: str) -> None:
        """Bars that closed by now are not looked at; their margins are made up for later."""
        while self._schedule.next_close_ms <= now_ms:
            open_ms = self._schedule.next_open_ms
            self._journal.missed(self._symbol, open_ms, now_ms, why)
            self._schedule.handled(open_ms)

    def _why(self, open_ms: int, now_ms: int) -> str:
        late_s = self._schedule.late_ms(open_ms, now_ms) / 1000
        allowed_s = self._schedule.allowed_ms / 1000
        return f"seen {late_s:.0f} s after its close; {allowed_s:g} s are allowed"
