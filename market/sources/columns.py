"""Raw columns of any source, made into checked bars: the one place that normalises."""

from dataclasses import dataclass

import numpy as np

from market.bars import Bars, Float64s, Int64s
from market.instrument import Instrument
from market.rounding import grid_prices
from market.sources.errors import SourceError
from market.timeframe import Timeframe

# Binance counts traded base volume; a thousandth of a coin is one unit of tick volume.
UNITS_PER_COIN = 1000

Prices = tuple[Float64s, Float64s, Float64s, Float64s]  # open, high, low, close


@dataclass(frozen=True, slots=True, eq=False)
class RawColumns:
    """Columns as a source gives them, oldest first; `spread_points` where it has them."""

    open_ms: Int64s
    ohlc: Prices
    tick_volume: Int64s
    spread_points: Int64s | None = None

    def bars(self, instrument: Instrument, timeframe: Timeframe) -> Bars:
        """Checked bars on the instrument's grid; its usual spread where the source has none."""
        spread = self.spread_points
        if spread is None:
            spread = np.full(len(self.open_ms), instrument.spread_points, dtype=np.int64)
        open_, high, low, close = (grid_prices(each, instrument.tick_size) for each in self.ohlc)
        return Bars(
            instrument.symbol, timeframe, self.open_ms,
            open_, high, low, close, self.tick_volume, spread,
        ).checked()  # fmt: skip


def volume_units(coins: Float64s) -> Int64s:
    """Traded base volume as int64 thousandths; a row that is no number is a `SourceError`."""
    bad = np.flatnonzero(~np.isfinite(coins))
    if len(bad):
        raise SourceError(
            f"volume: a number is allowed, row {bad[0]} is {coins[bad[0]]}; export the file again"
        )
    return np.rint(coins * UNITS_PER_COIN).astype(np.int64)


def commonest_timeframe(open_ms: Int64s) -> Timeframe:
    """The timeframe whose length is the commonest distance between rows."""
    if len(open_ms) < 2:
        raise SourceError(
            f"rows: at least 2 are needed to tell the timeframe, {len(open_ms)} came; "
            "export a longer span"
        )
    steps, counts = np.unique(np.abs(np.diff(open_ms)), return_counts=True)
    step_ms = int(steps[counts.argmax()])
    for timeframe in Timeframe:
        if timeframe.ms == step_ms:
            return timeframe
    names = ", ".join(timeframe.name for timeframe in Timeframe)
    raise SourceError(
        f"time: bars of {names} are allowed, but most rows are {step_ms / 60_000:g} minutes "
        "apart; export one of these timeframes"
    )
