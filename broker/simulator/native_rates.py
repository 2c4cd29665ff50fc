"""Bars and first ticks as the package's record arrays, in server seconds.

Closed bars are the data, verbatim; the newest row is the forming bar once its first tick has come:
open = high = low = close = that tick (B24, B25). Just after a close without a next tick the newest
row is still the closed bar.
"""

import numpy as np
from numpy.typing import NDArray

from broker.simulator.native_words import RATES, TICKS
from broker.simulator.terminal import SimulatedTerminal
from market.bars import Bars
from market.server_clock import ServerClock
from market.timeframe import Timeframe

_BID_ASK = 2 | 4
_HOURS, _WEEKS = 0x4000, 0x8000
_WEEK_S = 7 * 86_400
_FIRST_SUNDAY_S = 3 * 86_400


def span_seconds(timeframe: int) -> int:
    """Length of the package's TIMEFRAME_*; 0 for months, which have none, and for no timeframe."""
    if 0 < timeframe < _HOURS:
        return timeframe * 60
    if _HOURS < timeframe < _WEEKS:
        return (timeframe - _HOURS) * 3600
    return _WEEK_S if timeframe == _WEEKS + 1 else 0


def grouped(rows: NDArray[np.void], span_s: int) -> NDArray[np.void]:
    """Bars of `span_s` from shorter ones in server time; weeks start on Sunday.

    The hour that the server's clock repeats in autumn gives two groups.
    """
    if len(rows) == 0:
        return rows
    offset_s = _FIRST_SUNDAY_S if span_s == _WEEK_S else 0
    starts = (rows["time"] - offset_s) // span_s * span_s + offset_s
    is_first = np.r_[True, (np.diff(starts) != 0) | (np.diff(rows["time"]) < 0)]
    first = np.flatnonzero(is_first)
    last = np.r_[first[1:], len(rows)] - 1
    bars = np.zeros(len(first), dtype=rows.dtype)
    bars["time"], bars["open"] = starts[first], rows["open"][first]
    bars["high"] = np.maximum.reduceat(rows["high"], first)
    bars["low"] = np.minimum.reduceat(rows["low"], first)
    bars["close"], bars["spread"] = rows["close"][last], rows["spread"][last]
    bars["tick_volume"] = np.add.reduceat(rows["tick_volume"], first)
    return bars


def _records(bars: Bars, clock: ServerClock) -> NDArray[np.void]:
    return _filled(bars, clock.to_server_s_sequence(np.asarray(bars.open_ms)))


def _filled(bars: Bars, server_s: NDArray[np.int64]) -> NDArray[np.void]:
    records = np.zeros(len(bars), dtype=RATES)
    records["time"] = server_s
    for name in ("open", "high", "low", "close", "tick_volume"):
        records[name] = getattr(bars, name)
    records["spread"] = bars.spread_points
    return records


class NativeRates:
    """Reads one terminal's feeds as `copy_rates_*` and `copy_ticks_*` would."""

    def __init__(self, terminal: SimulatedTerminal) -> None:
        self._terminal = terminal
        self._server_s = {
            symbol: terminal.server_clock.to_server_s_sequence(np.asarray(feed.bars.open_ms))
            for symbol, feed in terminal.feeds.items()
        }
        self._minutes = {
            symbol: _records(bars, terminal.server_clock)
            for symbol, bars in terminal.minutes.items()
        }

    def from_position(
        self, symbol: str, timeframe: int, start: int, count: int
    ) -> NDArray[np.void]:
        self._require(count)
        if start < 0:
            raise ValueError(f"start_pos: 0 or more is allowed, {start} came")
        rows = self._made(symbol, timeframe)
        if rows is not None:
            last = max(0, len(rows) - start)
            return rows[max(0, last - count) : last]
        last = max(0, self._known(symbol) - start)
        return self._records(symbol, max(0, last - count), last)

    def from_date(self, symbol: str, timeframe: int, from_s: int, count: int) -> NDArray[np.void]:
        self._require(count)
        rows = self._made(symbol, timeframe)
        if rows is not None:
            last = int(np.searchsorted(rows["time"], from_s, side="right"))
            return rows[max(0, last - count) : last]
        last = min(self._rows_until(symbol, from_s), self._known(symbol))
        return self._records(symbol, max(0, last - count), last)

    def between(self, symbol: str, timeframe: int, from_s: int, to_s: int) -> NDArray[np.void]:
        rows = self._made(symbol, timeframe)
        if rows is not None:
            return rows[(rows["time"] >= from_s) & (rows["time"] <= to_s)]
        last = min(self._rows_until(symbol, to_s), self._known(symbol))
        return self._records(symbol, min(last, self._rows_until(symbol, from_s - 1)), last)

    def ticks(self, symbol: str, from_s: int, to_s: int | None) -> NDArray[np.void]:
        """First ticks of bars that open in [from, to]."""
        feed, units = self._terminal.feeds[symbol], self._terminal.units[symbol]
        last = self._known(symbol)
        if to_s is not None:
            last = min(last, self._rows_until(symbol, to_s))
        rows = range(min(last, self._rows_until(symbol, from_s - 1)), last)
        records = np.zeros(len(rows), dtype=TICKS)
        times = self._server_s[symbol][rows.start : rows.stop]
        records["time"], records["time_msc"], records["flags"] = times, times * 1000, _BID_ASK
        records["bid"] = feed.bars.open[rows.start : rows.stop]
        records["ask"] = [units.price(feed.open[r] + feed.spread_before[r]) for r in rows]
        return records

    def _require(self, count: int) -> None:
        if count < 1:
            raise ValueError(f"count: 1 or more is allowed, {count} came")

    def _made(self, symbol: str, timeframe: int) -> NDArray[np.void] | None:
        """All known bars of another timeframe than the traded one: M1 where there are such bars,
        or longer ones, cut on the server's clock (B27). None: the traded one is asked for.
        """
        kept = self._terminal.feeds[symbol].bars.timeframe
        if timeframe == kept.mt5:
            return None
        if timeframe == Timeframe.M1.mt5 and symbol in self._minutes:
            opens_ms = self._terminal.minutes[symbol].open_ms
            closed_by_ms = self._terminal.now_ms - Timeframe.M1.ms
            return self._minutes[symbol][: int(opens_ms.searchsorted(closed_by_ms, side="right"))]
        self._require_multiple(kept, timeframe)
        return grouped(self._records(symbol, 0, self._known(symbol)), span_seconds(timeframe))

    def _require_multiple(self, kept: Timeframe, timeframe: int) -> None:
        span_s = span_seconds(timeframe)
        if span_s == 0 or span_s * 1000 % kept.ms:
            raise ValueError(
                f"timeframe: {kept.name} ({kept.mt5}) and its multiples up to W1 are allowed, "
                f"{timeframe} came"
            )

    def _known(self, symbol: str) -> int:
        """Rows that can be seen now: closed, and the forming one."""
        return self._terminal.feeds[symbol].opened(self._terminal.now_ms)

    def _rows_until(self, symbol: str, server_s: int) -> int:
        """Rows that open at or before a second of the server's clock."""
        return int(np.searchsorted(self._server_s[symbol], server_s, side="right"))

    def _records(self, symbol: str, first: int, last: int) -> NDArray[np.void]:
        bars: Bars = self._terminal.feeds[symbol].bars
        records = _filled(bars.rows(first, last), self._server_s[symbol][first:last])
        if last > max(first, self._terminal.feeds[symbol].closed(self._terminal.now_ms)):
            forming, row = records[-1], last - 1
            forming["high"] = forming["low"] = forming["close"] = bars.open[row]
            forming["tick_volume"] = 1
            forming["spread"] = bars.spread_points[max(0, row - 1)]
        return records
