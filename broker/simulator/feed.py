"""Bars as the terminal sees them: integer ticks, the quote in force, and which bar is where.

A bar is two events (rules 1 and 2 of "paper equals the backtest"): its first tick at its open,
and its interior, one atomic step at its close, stamped close − 1 ms. Between events a quote holds:

- from a bar's first tick: bid = open, ask = open + the spread of the bar before, time = open;
- from a bar's close until the next first tick: bid = close, ask = close + its own spread,
  time = close − 1 ms. Such a quote is not `live`: nothing trades on it.
"""

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

from broker.simulator.inside import Minutes
from market.bars import Bars, Int64s
from market.fills import NO_EXIT, STOP, TARGET, first_exit, ticks
from market.instrument import Instrument
from market.quick import quick

NEVER = 1 << 62
_LOOK_AHEAD_ROWS = 64


@quick
@dataclass(frozen=True, slots=True)
class QuoteTicks:
    """A quote in ticks. `live`: a bar is running, so the quote can be traded on."""

    time_ms: int
    bid: int
    ask: int
    live: bool


class Feed:
    """The bars of one symbol. `minutes`: M1 bars that say what came first inside one of them."""

    __slots__ = (
        "_opened", "_opened_at_ms", "_quote", "_quote_at_ms", "arrays", "bars", "close", "high",
        "low", "minutes", "open", "open_ms", "spread", "spread_before", "step_ms",
    )  # fmt: skip

    def __init__(self, bars: Bars, instrument: Instrument, minutes: Minutes | None = None) -> None:
        self.bars, self.minutes = bars, minutes
        self.step_ms = bars.timeframe.ms
        open_t, high_t, low_t, close_t, spread_t = ticks(
            bars, instrument.tick_size, instrument.point
        )
        self.arrays = (open_t, high_t, low_t, spread_t)
        # A memoryview hands out Python integers, several times faster than a numpy scalar.
        self.open_ms = np.ascontiguousarray(bars.open_ms, dtype=np.int64).data
        self.open, self.high, self.low = open_t.data, high_t.data, low_t.data
        self.close, self.spread = close_t.data, spread_t.data
        # in force at the first tick of each row
        self.spread_before = np.concatenate([spread_t[:1], spread_t[:-1]]).data
        # The last answers: several questions are about the same instant.
        self._opened_at_ms = self._quote_at_ms = -1
        self._opened = 0
        self._quote: QuoteTicks | None = None

    def __len__(self) -> int:
        return len(self.open_ms)

    @property
    def end_ms(self) -> int:
        """Close of the last bar."""
        return self.open_ms[-1] + self.step_ms if len(self) else 0

    def opened(self, instant_ms: int) -> int:
        """How many bars have opened at or before an instant."""
        passed_ms = instant_ms - self._opened_at_ms
        if passed_ms:
            first, last = 0, len(self.open_ms)
            if passed_ms > 0:  # bars do not overlap: so many can have opened since, no more
                first = self._opened
                latest = first + passed_ms // self.step_ms + 1
                last = latest if latest < last else last
            self._opened_at_ms = instant_ms
            self._opened = bisect_right(self.open_ms, instant_ms, first, last)
        return self._opened

    def closed(self, instant_ms: int) -> int:
        """How many bars have closed at or before an instant."""
        return bisect_right(self.open_ms, instant_ms - self.step_ms)

    def ahead(self, instant_ms: int) -> tuple[int, bool]:
        """First row with an event after an instant, and whether its first tick is over."""
        row = self.opened(instant_ms) - 1
        if row >= 0 and instant_ms < self.open_ms[row] + self.step_ms:
            return row, True
        return row + 1, False

    def quote(self, instant_ms: int) -> QuoteTicks | None:
        """The quote in force at an instant, after its events; None before the first bar."""
        if instant_ms != self._quote_at_ms:
            self._quote_at_ms, self._quote = instant_ms, self._quote_at(instant_ms)
        return self._quote

    def quotes_at_closes(self) -> tuple[Int64s, Int64s]:
        """(bids, asks) of `quote` at each bar's close, in ticks."""
        open_ms, closes = np.asarray(self.open_ms), np.asarray(self.close)
        opens, _, _, spread = self.arrays
        bids = closes.copy()
        goes_on = np.flatnonzero(open_ms[1:] == open_ms[:-1] + self.step_ms)
        bids[goes_on] = opens[goes_on + 1]
        return bids, bids + spread

    def close_quote(self, row: int) -> QuoteTicks:
        """The quote at the end of a row's interior."""
        bid = self.close[row]
        return QuoteTicks(self.open_ms[row] + self.step_ms - 1, bid, bid + self.spread[row], False)

    def _quote_at(self, instant_ms: int) -> QuoteTicks | None:
        row = self.opened(instant_ms) - 1
        if row < 0:
            return None
        opened_ms = self.open_ms[row]
        if instant_ms >= opened_ms + self.step_ms:
            return self.close_quote(row)
        bid = self.open[row]
        return QuoteTicks(opened_ms, bid, bid + self.spread_before[row], True)


@quick
@dataclass(slots=True, eq=False)
class Watch:
    """A stop and a target on a feed, and the first event that touches one. 0 is no level.

    The only rule is `market.fills.first_exit`. A pending order is watched as the position whose
    stop or target it would be: a buy stop triggers where a short's stop does.

    `row`: the first one to look at; `past_first`: its first tick is over (`Feed.ahead`).
    """

    feed: Feed
    side: int
    sl: int
    tp: int
    row: int
    past_first: bool
    instant_ms: int = NEVER
    fill: int = 0
    is_stop: bool = False
    at_open: bool = False
    ambiguous: bool = False

    def next_ms(self, to_ms: int) -> int:
        """When a level is touched; `NEVER` while nothing does at or before `to_ms`.

        The search runs a little ahead and is remembered: the bars will not change.
        """
        if self.instant_ms == NEVER and (self.sl or self.tp):
            self._search(to_ms)
        return self.instant_ms

    def _search(self, to_ms: int) -> None:
        feed, first = self.feed, self.row
        open_ms = feed.open_ms
        count = len(open_ms)
        if first >= count or open_ms[first] > to_ms:
            return
        last = first + _LOOK_AHEAD_ROWS
        if last > count or open_ms[last - 1] <= to_ms:
            last = min(count, max(last, feed.opened(to_ms)))
        opens, highs, lows, spreads = feed.arrays
        row, fill, kind, at_open, ambiguous = first_exit(
            self.side, self.sl, self.tp, opens, highs, lows, spreads, first, last, self.past_first
        )
        if kind == NO_EXIT:
            self.row, self.past_first = last, False
            return
        self.fill, self.is_stop = fill, kind == STOP
        self.at_open, self.ambiguous = at_open, ambiguous
        self.instant_ms = open_ms[row] + (0 if at_open else feed.step_ms)
        if self.ambiguous and feed.minutes is not None:
            self._ask(feed.minutes, row)

    def _ask(self, minutes: Minutes, row: int) -> None:
        """Both levels lie in one bar: its minutes may know which was touched first."""
        feed = self.feed
        opened_ms = feed.open_ms[row]
        told = minutes.first_touched(
            opened_ms, opened_ms + feed.step_ms, self.side, self.sl, self.tp, feed.spread[row]
        )
        self.ambiguous = told == NO_EXIT
        minutes.told += told != NO_EXIT
        if told == TARGET:
            self.is_stop, self.fill = False, self.tp
