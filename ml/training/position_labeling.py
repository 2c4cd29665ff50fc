"""What the position model learns: simulated trades of the signal model, and what was best in each.

A trade is decided at the close of bar d by the signal model's out-of-fold forecast, through a gate
that lets more through than the trading one. It opens at the first tick of bar d+1, as a signal
label does, with stop and target at multiples of ATR(14) of bar d, and ends where
`market.fills.first_exit` says, or at the close of the last bar of the horizon. Trades may overlap:
each is a lesson of its own.

There is a row for each bar t at whose close the trade is open. Leaving then fills at the first
tick of bar t+1. The row looks at most one horizon ahead of bar t.

EXIT: leaving fills better than the trade's own end, by more than the margin. ADD: not EXIT, and
a second trade decided at the close of bar t on the same side reaches its target, which pays its
spread, before its own stop. HOLD: neither.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market.bars import Bars, Float64s, Int64s
from market.compiled import kernel
from market.fills import TARGET, first_exit, ticks
from market.instrument import Instrument
from market.rounding import grid_prices
from ml.training.labels import distance_ticks
from ml.training.position_entries import Entries

HOLD, EXIT, ADD = 0, 1, 2


@dataclass(frozen=True, slots=True, eq=False)
class TradeRows:
    """One row per open trade and close, by trade, then by bar. Prices are those it could leave at.

    `trade`: which entry; `bar`: the bar that closes; `bars_held`: closes since the fill, this one
    included; `best_price`: of the bars since the fill; `advantage_atr`: what leaving pays more than
    holding, over `atr_entry`; `end_bar`: the last bar that the label looks at.
    """

    trade: Int64s
    bar: Int64s
    side: Int64s
    bars_held: Int64s
    price_open: Float64s
    close_price: Float64s
    best_price: Float64s
    atr_entry: Float64s
    advantage_atr: Float64s
    label: NDArray[np.int8]
    end_bar: Int64s

    def __len__(self) -> int:
        return len(self.trade)


def position_rows(
    bars: Bars,
    ranges: Float64s,
    instrument: Instrument,
    entries: Entries,
    multiples: tuple[float, float],
    *,
    horizon_bars: int,
    exit_margin_atr: float,
) -> TradeRows:
    """Rows and labels of the entries that have an ATR, a bar that opens at their close, and two
    horizons of bars after it.

    `ranges`: ATR(14) of each bar in price units; `multiples`: stop and target in it.
    """
    prices = ticks(bars, instrument.tick_size, instrument.point)
    stop = distance_ticks(ranges, multiples[0], instrument.tick_size)
    target = distance_ticks(ranges, multiples[1], instrument.tick_size)
    follows = np.r_[bars.open_ms[1:] == bars.close_ms[:-1], False]
    usable = (stop > 0) & (target > 0) & follows
    usable[max(len(bars) - 2 * horizon_bars, 0) :] = False
    numbers = np.flatnonzero(usable[entries.row])
    decided, side = entries.row[numbers], entries.side[numbers]
    end, fill, _ = _walk(decided, side, stop, target, *prices, horizon_bars)
    place, bar, best = _open_closes(decided, side, end, follows, *prices[1:3], prices[4])
    side, trade_end = side[place], end[place]
    added_end, _, added_kind = _walk(bar, side, stop, target, *prices, horizon_bars)
    leave, close, entry = _exit_side_ticks(prices, bar, side, decided[place])
    advantage = side * (leave - fill[place]) * instrument.tick_size / ranges[decided[place]]
    better = advantage > exit_margin_atr
    return TradeRows(
        trade=numbers[place],
        bar=bar,
        side=side,
        bars_held=bar - decided[place],
        price_open=_prices(entry, instrument),
        close_price=_prices(close, instrument),
        best_price=_prices(best, instrument),
        atr_entry=ranges[decided[place]],
        advantage_atr=advantage,
        label=np.where(better, EXIT, np.where(added_kind == TARGET, ADD, HOLD)).astype(np.int8),
        end_bar=np.maximum(trade_end, added_end),
    )


def within(rows: TradeRows, max_rows: int) -> TradeRows:
    """The rows of trades spread evenly over all, at most `max_rows` of them; whole trades."""
    if len(rows) <= max_rows:
        return rows
    numbers, count = np.unique(rows.trade, return_counts=True)
    wanted = max(len(numbers) * max_rows // len(rows), 1)
    kept = np.linspace(0, len(numbers) - 1, wanted).round().astype(np.int64)
    from_the_end = np.cumsum(count[kept][::-1])[::-1]
    chosen = np.isin(rows.trade, numbers[kept[from_the_end <= max_rows]])
    return TradeRows(*(getattr(rows, name)[chosen] for name in TradeRows.__slots__))


def _exit_side_ticks(
    prices: tuple[Int64s, ...], bar: Int64s, side: Int64s, decided: Int64s
) -> tuple[Int64s, Int64s, Int64s]:
    """(first tick of the next bar, close, the trade's fill), a short's ask included."""
    open_, _, _, close, spread = prices
    short = np.where(side < 0, spread[bar], 0)
    long_entry = np.where(side > 0, spread[decided], 0)
    return open_[bar + 1] + short, close[bar] + short, open_[decided + 1] + long_entry


def _prices(in_ticks: Int64s, instrument: Instrument) -> Float64s:
    """The same float64 as the terminal's."""
    near: Float64s = np.asarray(in_ticks * instrument.tick_size, dtype=np.float64)
    return grid_prices(near, instrument.tick_size)


@kernel
def _walk(
    decided: Int64s,
    side: Int64s,
    stop: Int64s,
    target: Int64s,
    open_: Int64s,
    high: Int64s,
    low: Int64s,
    close: Int64s,
    spread: Int64s,
    horizon_bars: int,
) -> tuple[Int64s, Int64s, Int64s]:
    """(last bar, exit fill in ticks, kind) of a trade decided at the close of each bar."""
    end = np.empty(len(decided), dtype=np.int64)
    fill, kinds = np.empty_like(end), np.empty_like(end)
    for i in range(len(decided)):
        at = decided[i]
        entry = open_[at + 1] + (spread[at] if side[i] > 0 else 0)
        last = at + 1 + horizon_bars
        row, price, kind, _, _ = first_exit(
            side[i], entry - side[i] * stop[at], entry + side[i] * target[at],
            open_, high, low, spread, at + 1, last, True,
        )  # fmt: skip
        if row < 0:
            row = last - 1
            price = close[row] + (0 if side[i] > 0 else spread[row])
        end[i], fill[i], kinds[i] = row, price, kind
    return end, fill, kinds


@kernel
def _open_closes(
    decided: Int64s,
    side: Int64s,
    end: Int64s,
    follows: NDArray[np.bool_],
    high: Int64s,
    low: Int64s,
    spread: Int64s,
) -> tuple[Int64s, Int64s, Int64s]:
    """(trade, bar, best exit-side extreme since the fill) of each close before a trade's last bar.

    A close that no bar follows at once is left out: nobody knows when its order would fill.
    """
    count = 0
    for i in range(len(decided)):
        for bar in range(decided[i] + 1, end[i]):
            count += follows[bar]
    place, bars = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    best = np.empty(count, dtype=np.int64)
    row = 0
    for i in range(len(decided)):
        extreme = 0
        for bar in range(decided[i] + 1, end[i]):
            here = high[bar] if side[i] > 0 else low[bar] + spread[bar]
            first = bar == decided[i] + 1
            extreme = here if first or side[i] * (here - extreme) > 0 else extreme
            if follows[bar]:
                place[row], bars[row], best[row] = i, bar, extreme
                row += 1
    return place, bars, best
