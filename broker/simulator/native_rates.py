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

_BID_ASK = 2 | 4


class NativeRates:
    """Reads one terminal's feeds as `copy_rates_*` and `copy_ticks_*` would."""

    def __init__(self, terminal: SimulatedTerminal) -> None:
        self._terminal = terminal
        self._server_s = {
            symbol: terminal.server_clock.to_server_s_sequence(np.asarray(feed.bars.open_ms))
            for symbol, feed in terminal.feeds.items()
        }

    def from_position(
        self, symbol: str, timeframe: int, start: int, count: int
    ) -> NDArray[np.void]:
        self._require(symbol, timeframe, count)
        if start < 0:
            raise ValueError(f"start_pos: 0 or more is allowed, {start} came")
        last = max(0, self._known(symbol) - start)
        return self._records(symbol, max(0, last - count), last)

    def from_date(self, symbol: str, timeframe: int, from_s: int, count: int) -> NDArray[np.void]:
        self._require(symbol, timeframe, count)
        last = min(self._rows_until(symbol, from_s), self._known(symbol))
        return self._records(symbol, max(0, last - count), last)

    def between(self, symbol: str, timeframe: int, from_s: int, to_s: int) -> NDArray[np.void]:
        self._require(symbol, timeframe, 1)
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
        records["ask"] = [units.price(feed.open[r] + feed.spread_before(r)) for r in rows]
        return records

    def _require(self, symbol: str, timeframe: int, count: int) -> None:
        kept = self._terminal.feeds[symbol].bars.timeframe
        if timeframe != kept.mt5:
            raise ValueError(f"timeframe: {kept.name} ({kept.mt5}) is allowed, {timeframe} came")
        if count < 1:
            raise ValueError(f"count: 1 or more is allowed, {count} came")

    def _known(self, symbol: str) -> int:
        """Rows that can be seen now: closed, and the forming one."""
        return self._terminal.feeds[symbol].opened(self._terminal.now_ms)

    def _rows_until(self, symbol: str, server_s: int) -> int:
        """Rows that open at or before a second of the server's clock."""
        return int(np.searchsorted(self._server_s[symbol], server_s, side="right"))

    def _records(self, symbol: str, first: int, last: int) -> NDArray[np.void]:
        bars: Bars = self._terminal.feeds[symbol].bars
        records = np.zeros(last - first, dtype=RATES)
        rows = slice(first, last)
        records["time"] = self._server_s[symbol][rows]
        for name in ("open", "high", "low", "close", "tick_volume"):
            records[name] = getattr(bars, name)[rows]
        records["spread"] = bars.spread_points[rows]
        if last > max(first, self._terminal.feeds[symbol].closed(self._terminal.now_ms)):
            forming, row = records[-1], last - 1
            forming["high"] = forming["low"] = forming["close"] = bars.open[row]
            forming["tick_volume"] = 1
            forming["spread"] = bars.spread_points[max(0, row - 1)]
        return records
