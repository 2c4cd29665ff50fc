"""What the position model sees beside the market: the trade's own state, and the last minutes.

Prices of a trade are those it could leave at: the bid for a long, the ask (bid + the bar's own
spread) for a short. The row of a close uses bars that closed at or before it.
"""

from collections.abc import Sequence

import numpy as np

from market.bars import Bars, Float64s, Int64s
from market.timeframe import Timeframe
from ml.features.catalogue import M1, POSITION_STATE, names
from ml.features.kernels import held, minute

STATE_NAMES: tuple[str, ...] = tuple(each.name for each in POSITION_STATE)
M1_NAMES: tuple[str, ...] = tuple(each.name for each in M1)
# Where no M1 bars are: no move, volume as before, RSI in the middle, no range, half a body.
M1_NEUTRAL: tuple[float, ...] = (0.0, 1.0, 0.5, 0.0, 0.5)
# M1 bars that a live window must hold; some of the newest may not be closed yet.
M1_BARS: int = minute.BARS


def position_names(groups: Sequence[str]) -> tuple[str, ...]:
    """The position model's inputs in order: market features, trade state, M1."""
    return (*names(groups), *STATE_NAMES, *M1_NAMES)


def position_state(
    side: int,
    price_open: float,
    bars_held: int,
    close_price: float,
    best_price: float,
    atr_entry: float,
) -> Float64s:
    """The four state features of one trade at one close, (4,).

    `side` +1 or −1. `bars_held`: closes since the fill, the entry bar's included. `close_price`,
    `best_price`: at the close and at the best closed-bar extreme since the fill, both on the exit
    side. `atr_entry`: ATR(14) of the bar that was decided, above 0, in price units.
    """
    out = np.empty(len(STATE_NAMES))
    held.fill_row(
        out, int(side), float(price_open), bars_held, float(close_price), float(best_price),
        float(atr_entry),
    )  # fmt: skip
    return out


def position_states(
    side: Int64s,
    price_open: Float64s,
    bars_held: Int64s,
    close_price: Float64s,
    best_price: Float64s,
    atr_entry: Float64s,
) -> Float64s:
    """`position_state` of n rows, (n, 4), bit for bit the same."""
    out = np.empty((len(side), len(STATE_NAMES)))
    held.fill(out, side, price_open, bars_held, close_price, best_price, atr_entry)
    return out


def m1_features(m1: Bars | None, close_ms: Int64s) -> Float64s:
    """The five M1 features at each of the instants `close_ms`, (n, 5).

    Only bars that closed at or before the instant count. A row is `M1_NEUTRAL` without bars, and
    where the last `M1_BARS` of them do not lie within the hour before it. Raises `ValueError` for
    bars of another timeframe.
    """
    neutral = np.array(M1_NEUTRAL)
    out = np.tile(neutral, (len(close_ms), 1))
    if m1 is None or len(m1) == 0:
        return out
    if m1.timeframe is not Timeframe.M1:
        raise ValueError(f"m1: M1 bars are allowed, {m1.timeframe.name} came")
    # Contiguous and writeable, so that one compiled version serves all callers.
    closes, opens, volume = (
        np.require(each, np.int64, ["C", "W"]) for each in (close_ms, m1.open_ms, m1.tick_volume)
    )
    open_, high, low, close = (
        np.require(each, np.float64, ["C", "W"]) for each in (m1.open, m1.high, m1.low, m1.close)
    )
    minute.fill(out, closes, opens, open_, high, low, close, volume, neutral)
    return out
