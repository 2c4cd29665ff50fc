"""Triple-barrier labels, as the trade would have been made.

The decision falls at the close of bar t. The trade opens at the first tick of bar t+1: a long at
the ask, a short at the bid; that tick has the spread of bar t. Stop and target lie at multiples of
ATR(14) of bar t, rounded to ticks. `market.fills.first_exit` decides how it ends.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market.bars import Bars, Float64s, Int64s
from market.compiled import kernel
from market.fills import TARGET, first_exit, ticks
from market.indicators import atr
from market.instrument import Instrument
from ml.training.settings import LabelSettings

BUY, SELL, HOLD = 0, 1, 2
CLASSES = ("BUY", "SELL", "HOLD")
ATR_PERIOD = 14


@dataclass(frozen=True, slots=True, eq=False)
class SignalLabels:
    """One label per bar.

    `label`: BUY if the long reaches its target before its stop, SELL if the short does, HOLD for
    both or neither (int8; HOLD where not valid). `end_row`: the last bar the label looks at, i.e.
    the later of both trades' exits, or the end of the horizon. `valid`: the bar has an ATR, a bar
    that opens at its close, and a full horizon after it.
    """

    label: NDArray[np.int8]
    end_row: Int64s
    valid: NDArray[np.bool_]


def signal_labels(bars: Bars, instrument: Instrument, settings: LabelSettings) -> SignalLabels:
    """Labels for every bar, under the instrument's tick size and the bars' own spread."""
    range_now = atr(bars.high, bars.low, bars.close, bars.open_ms, ATR_PERIOD)
    stop = distance_ticks(range_now, settings.atr_sl_mult, instrument.tick_size)
    target = distance_ticks(range_now, settings.atr_tp_mult, instrument.tick_size)
    return barrier_labels(bars, instrument, stop, target, settings.lookahead_candles)


def barrier_labels(
    bars: Bars, instrument: Instrument, stop: Int64s, target: Int64s, horizon_bars: int
) -> SignalLabels:
    """Labels for stop and target distances in ticks, one pair per bar; 0 means no label there."""
    valid = (stop > 0) & (target > 0)
    valid[max(len(bars) - horizon_bars, 0) :] = False
    valid[:-1] &= bars.open_ms[1:] == bars.close_ms[:-1]
    open_, high, low, _, spread = ticks(bars, instrument.tick_size, instrument.point)
    label, end_row = _label_rows(open_, high, low, spread, stop, target, valid, horizon_bars)
    return SignalLabels(label, end_row, valid)


def distance_ticks(range_now: Float64s, multiple: float, tick_size: float) -> Int64s:
    """A multiple of ATR in whole ticks, at least one; 0 where there is no ATR."""
    distance = np.rint(np.nan_to_num(range_now * multiple) / tick_size).astype(np.int64)
    return np.where(np.isfinite(range_now), np.maximum(distance, 1), 0)


@kernel
def _label_rows(
    open_ticks: Int64s,
    high_ticks: Int64s,
    low_ticks: Int64s,
    spread_ticks: Int64s,
    stop: Int64s,
    target: Int64s,
    valid: NDArray[np.bool_],
    horizon_bars: int,
) -> tuple[NDArray[np.int8], Int64s]:
    label = np.full(len(open_ticks), HOLD, dtype=np.int8)
    end_row = np.arange(len(open_ticks))
    for row in range(len(open_ticks)):
        if not valid[row]:
            continue
        first, last = row + 1, row + 1 + horizon_bars
        won = np.zeros(2, dtype=np.bool_)
        end = 0
        for short in range(2):
            side = 1 - 2 * short
            entry = open_ticks[first] + (0 if short else spread_ticks[row])
            exit_row, _, kind, _, _ = first_exit(
                side, entry - side * stop[row], entry + side * target[row],
                open_ticks, high_ticks, low_ticks, spread_ticks, first, last, True,
            )  # fmt: skip
            won[short] = kind == TARGET
            end = max(end, exit_row if exit_row >= 0 else last - 1)
        if won[0] != won[1]:
            label[row] = SELL if won[1] else BUY
        end_row[row] = end
    return label, end_row
