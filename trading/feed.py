"""The closed bars of one symbol: a durable store, topped up, and a window of it in memory."""

from market.bars import Bars
from market.instrument import Instrument
from market.sources.bridge import RatesReader, top_up
from market.store import BarStore, MergeReport
from market.timeframe import Timeframe

_TRIM_SLACK_BARS = 1000
_CLOSURE_MS = 7 * 86_400_000


class BarFeed:
    """Closed bars up to now. `window` holds at least `lookback_ms` before its last bar.

    Bars are read from the broker, kept in the store, and only ever read back from the store, so
    a row is the same before and after a restart.
    """

    def __init__(
        self,
        store: BarStore,
        broker: RatesReader,
        instrument: Instrument,
        timeframe: Timeframe,
        *,
        lookback_ms: int,
    ) -> None:
        self._store = store
        self._broker = broker
        self._symbol = instrument.symbol
        self._sessions = instrument.sessions
        self._timeframe = timeframe
        # A row may need the bar before its look-back, which a closed market can push far back.
        self._lookback_ms = lookback_ms + _CLOSURE_MS
        self._window: Bars | None = None

    @property
    def window(self) -> Bars:
        if self._window is None:
            raise RuntimeError("BarFeed: start() comes before window")
        return self._window

    def start(self, now_ms: int, *, need_from_ms: int) -> MergeReport:
        """Back-fills the store from `need_from_ms` to now, and opens the window."""
        need_from_ms -= _CLOSURE_MS
        report = self._top_up(now_ms, need_from_ms)
        history = self._load(need_from_ms, now_ms)
        self._window = history.between(self._keep_from(history, now_ms), now_ms)
        return report

    def history(self, *, need_from_ms: int) -> Bars:
        """The store's bars from `need_from_ms` to the window's end; nothing is asked of the broker.

        They are all there if `start` was given an earlier instant.
        """
        window = self.window
        if len(window) == 0:
            return window
        return self._load(need_from_ms - _CLOSURE_MS, int(window.close_ms[-1]))

    def top_up(self, now_ms: int) -> MergeReport:
        """Adds the bars that closed since the last call to the store and to the window's end."""
        window = self.window
        need_from_ms = int(window.open_ms[0]) if len(window) else self._keep_from(window, now_ms)
        report = self._top_up(now_ms, need_from_ms)
        if report.revised or len(window) == 0:
            self._window = self._load(self._keep_from(window, now_ms), now_ms)
            return report
        fresh = self._load(int(window.open_ms[-1]) + 1, now_ms)
        if len(fresh):
            self._window = self._trimmed(window.followed_by(fresh))
        return report

    def _top_up(self, now_ms: int, need_from_ms: int) -> MergeReport:
        return top_up(
            self._store, self._broker, self._symbol, self._timeframe,
            now_ms=now_ms, need_from_ms=need_from_ms, sessions=self._sessions,
        )  # fmt: skip

    def _load(self, from_ms: int, now_ms: int) -> Bars:
        """Bars of the store that open from `from_ms` on and have closed by now."""
        to_ms = now_ms - self._timeframe.ms + 1
        return self._store.load(self._symbol, self._timeframe, from_ms=from_ms, to_ms=to_ms)

    def _keep_from(self, bars: Bars, now_ms: int) -> int:
        newest_ms = int(bars.open_ms[-1]) if len(bars) else now_ms
        return newest_ms - self._lookback_ms

    def _trimmed(self, window: Bars) -> Bars:
        first = int(window.open_ms.searchsorted(self._keep_from(window, 0)))
        return window if first < _TRIM_SLACK_BARS else window.rows(first, len(window))
