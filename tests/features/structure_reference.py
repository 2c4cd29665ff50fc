"""The structures a second time: each one on its own, from its confirmation on, painted on the rows
that it lasts for. The features look back from a row; this looks forward from a structure.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from market.bars import Bars
from tests.features.reference import atr, frame, with_moves

LIFE, SWING, NEED = 240, 10, 528


@dataclass
class Side:
    """What lies under the price on each row; −inf and −1 for nothing."""

    block: np.ndarray
    break_row: np.ndarray
    candle: np.ndarray
    gap: np.ndarray
    pool: np.ndarray


def structure(bars: Bars) -> dict[str, pd.Series]:
    df = with_moves(frame(bars))
    atr14 = atr(df)
    flipped = df.assign(open=-df["open"], high=-df["low"], low=-df["high"], close=-df["close"])
    up, down = breaks_up(df), breaks_up(flipped)
    under, over = side_of(df, up, atr14), side_of(flipped, down, atr14)
    close = df["close"]
    ratio = df["tick_volume"] / df["tick_volume"].rolling(50).mean()
    candle = np.where(under.break_row > over.break_row, under.candle, over.candle)
    block_volume = np.where(candle >= 0, ratio.fillna(0).to_numpy()[candle], 0.0)
    columns = {
        "ob_bullish_dist": distance(close - under.block, atr14),
        "ob_bearish_dist": distance(over.block * -1 - close, atr14),
        "ob_volume_ratio": pd.Series(block_volume, df.index),
        "fvg_bull_above": pd.Series(np.isfinite(over.gap) * 1.0, df.index),
        "fvg_bear_below": pd.Series(np.isfinite(under.gap) * 1.0, df.index),
        "fvg_bull_dist": distance(over.gap * -1 - close, atr14),
        "fvg_bear_dist": distance(close - under.gap, atr14),
        "liq_above_dist": distance(over.pool * -1 - close, atr14),
        "liq_below_dist": distance(close - under.pool, atr14),
        **sides(df.index, up, down),
    }
    columns["ob_bullish_present"] = (columns["ob_bullish_dist"] <= 3) * 1.0
    columns["ob_bearish_present"] = (columns["ob_bearish_dist"] <= 3) * 1.0
    known = atr14.shift(NEED - 1).notna()
    return {name: column.where(known) for name, column in columns.items()}


def distance(away: pd.Series, atr14: pd.Series) -> pd.Series:
    """In ATR; +inf (nothing there) becomes 10."""
    return (away / atr14).clip(-10, 10)


def swing_highs(df: pd.DataFrame) -> np.ndarray:
    before = df["high"].shift(1).rolling(SWING).max()
    after = df["high"].shift(-SWING).rolling(SWING).max()
    return np.flatnonzero((before < df["high"]) & (after <= df["high"]))


def breaks_up(df: pd.DataFrame) -> list[tuple[int, int]]:
    """(row, broken swing), oldest first."""
    close, high = df["close"].to_numpy(), df["high"].to_numpy()
    found, swings = [], swing_highs(df)
    for swing, following in zip(swings, [*swings[1:], len(df)], strict=True):
        last = min(following + SWING, swing + LIFE, len(df))
        above = np.flatnonzero(close[swing + SWING : last] > high[swing])
        if len(above):
            found.append((int(swing + SWING + above[0]), int(swing)))
    return found


def sides(index: pd.Index, up: list, down: list) -> dict[str, pd.Series]:
    events = sorted([(row, 1.0) for row, _ in up] + [(row, -1.0) for row, _ in down])
    bos, choch, bias = (np.zeros(len(index)) for _ in range(3))
    before = (-LIFE, 0.0)
    for row, side in events:
        bias[row : row + LIFE] = side
        if row - before[0] < LIFE:
            (bos if side == before[1] else choch)[row : row + 8] = side
        before = (row, side)
    names = ("recent_bos", "recent_choch", "structure_bias")
    columns = (bos, choch, bias)
    return {name: pd.Series(column, index) for name, column in zip(names, columns, strict=True)}


def until(values: np.ndarray, start: int, stop: int, level: float) -> int:
    """The first row in [start, stop) whose value is below the level, else the end."""
    stop = min(stop, len(values))
    below = np.flatnonzero(values[start:stop] < level)
    return int(start + below[0]) if len(below) else stop


def side_of(df: pd.DataFrame, breaks: list[tuple[int, int]], atr14: pd.Series) -> Side:
    nothing = np.full(len(df), -np.inf)
    row = np.full(len(df), -1)
    side = Side(nothing.copy(), row.copy(), row.copy(), nothing.copy(), nothing.copy())
    open_, high, low, close = (df[name].to_numpy() for name in ("open", "high", "low", "close"))
    for at, swing in breaks:
        leg = low[swing + 1 : at + 1]
        origin = swing + 1 + int(np.flatnonzero(leg == leg.min())[-1])
        falling = np.flatnonzero(close[swing : origin + 1] < open_[swing : origin + 1])
        if len(falling):
            candle = swing + int(falling[-1])
            rows = slice(at, until(low, at + 1, at + LIFE, low[candle]))
            side.block[rows] = np.maximum(side.block[rows], high[candle])
            side.break_row[rows], side.candle[rows] = at, candle
    for at in np.flatnonzero(low[2:] > high[:-2]) + 2:
        left = np.minimum.accumulate(low[at : at + LIFE])
        left = left[left > high[at - 2]]
        rows = slice(at, at + len(left))
        side.gap[rows] = np.maximum(side.gap[rows], left)
    paint_pools(side.pool, low, swing_highs(df.assign(high=-df["low"])), atr14.to_numpy())
    return side


def paint_pools(pool: np.ndarray, low: np.ndarray, swings: np.ndarray, atr14: np.ndarray) -> None:
    for place, later in enumerate(swings):
        for earlier in swings[:place]:
            apart = low[later] - low[earlier]
            if later - earlier >= LIFE or not 0 <= apart <= 0.5 * atr14[later + SWING]:
                continue
            end = min(
                until(low, later + 1, earlier + LIFE, low[later]),
                until(low, earlier + 1, earlier + LIFE, low[earlier]),
            )
            rows = slice(later + SWING, max(end, later + SWING))
            pool[rows] = np.maximum(pool[rows], low[later])
