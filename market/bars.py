"""Bars as columns, oldest first, bid prices, all instants epoch milliseconds in UTC.

A bar is labelled by its open time and is known only at its close, `close_ms`: the first instant at
which a decision may use it.
"""

import hashlib
from dataclasses import dataclass, fields
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from market.timeframe import Timeframe

Float64s = NDArray[np.float64]
Int64s = NDArray[np.int64]


class BarsError(ValueError):
    """Bars that cannot be true. Says which row, what was allowed and what came."""


def utc_text(instant_ms: int) -> str:
    """`2025-06-01 00:15` for an epoch-ms instant, in UTC."""
    return datetime.fromtimestamp(instant_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Closed bars of one symbol and timeframe. Columns have equal length.

    `spread_points` is the spread in points during the bar: the ask is bid + spread.
    """

    symbol: str
    timeframe: Timeframe
    open_ms: Int64s
    open: Float64s
    high: Float64s
    low: Float64s
    close: Float64s
    tick_volume: Int64s
    spread_points: Int64s

    def __len__(self) -> int:
        return len(self.open_ms)

    @property
    def close_ms(self) -> Int64s:
        """When each bar closed: its open plus the timeframe."""
        return self.open_ms + self.timeframe.ms

    def rows(self, first: int, last: int) -> "Bars":
        """Rows first … last − 1, without copying."""
        return Bars(
            self.symbol, self.timeframe,
            *(getattr(self, f.name)[first:last] for f in fields(self)[2:]),
        )  # fmt: skip

    def between(self, from_ms: int, to_ms: int) -> "Bars":
        """Bars that open in [from_ms, to_ms)."""
        first, last = np.searchsorted(self.open_ms, [from_ms, to_ms])
        return self.rows(int(first), int(last))

    def followed_by(self, later: "Bars") -> "Bars":
        """These bars, then `later`, which must start after them."""
        if later.symbol != self.symbol or later.timeframe is not self.timeframe:
            raise BarsError(
                f"bars: cannot join {later.symbol} {later.timeframe.name} "
                f"to {self.symbol} {self.timeframe.name}"
            )
        joined = Bars(
            self.symbol, self.timeframe,
            *(np.concatenate([getattr(self, f.name), getattr(later, f.name)])
              for f in fields(self)[2:]),
        )  # fmt: skip
        return joined.checked()

    def checked(self) -> "Bars":
        """These bars, if they can be true; otherwise `BarsError` names the first bad row.

        Gaps are allowed here (markets close); who needs contiguity asks `market.gaps`.
        """
        if len(self) == 0:
            return self
        for f in fields(self)[2:]:
            column = getattr(self, f.name)
            if len(column) != len(self):
                raise BarsError(f"bars.{f.name}: {len(self)} rows expected, {len(column)} came")
        step = np.diff(self.open_ms)
        self._refuse(np.r_[False, step == 0], "time", "each open time once", "a duplicate bar")
        self._refuse(np.r_[False, step < 0], "time", "oldest first", "a bar out of order")
        first_ms = self.timeframe.floor_ms(int(self.open_ms[0]))
        off_grid = (self.open_ms - first_ms) % self.timeframe.ms != 0
        self._refuse(
            off_grid, "time", f"a multiple of {self.timeframe.name}", "an open time off it"
        )
        for name in ("open", "high", "low", "close"):
            price = getattr(self, name)
            self._refuse(~(np.isfinite(price) & (price > 0)), name, "a price above 0", "another")
        top, bottom = np.maximum(self.open, self.close), np.minimum(self.open, self.close)
        self._refuse(self.high < top, "high", "at least open and close", "a lower one")
        self._refuse(self.low > bottom, "low", "at most open and close", "a higher one")
        self._refuse(self.tick_volume < 0, "tick_volume", "0 or more", "a negative one")
        self._refuse(self.spread_points < 0, "spread", "0 or more points", "a negative one")
        return self

    def sha256(self) -> str:
        """Hash of symbol, timeframe and every column: equal bars, equal hash."""
        digest = hashlib.sha256(f"{self.symbol} {self.timeframe.name}".encode())
        for f in fields(self)[2:]:
            digest.update(np.ascontiguousarray(getattr(self, f.name)).tobytes())
        return digest.hexdigest()

    def _refuse(self, bad: NDArray[np.bool_], column: str, allowed: str, came: str) -> None:
        rows = np.flatnonzero(bad)
        if len(rows):
            row = int(rows[0])
            raise BarsError(
                f"{self.symbol} {self.timeframe.name}, {column}: allowed is {allowed}, but row "
                f"{row} ({utc_text(int(self.open_ms[row]))} UTC) is {came}; "
                f"{len(rows)} such row{'s' if len(rows) > 1 else ''}"
            )
