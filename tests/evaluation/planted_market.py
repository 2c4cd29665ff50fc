"""A market with a known edge: M15 bars of BTCUSD in which the outcome of a trade is planted.

The price is a martingale: 15 steps a bar, each as likely up as down by the same share, no drift, no
memory, the same volatility throughout. In every 160 bars one comes with a surge of tick volume. It
is the signal: its body is the side, and both are known at its close. A trade that then enters at
the open of the next bar, with stop and target one ATR(14) from its fill, reaches its target first
with probability `edge`: the 48 bars after a signal are drawn again until `first_exit`, the rule
that the simulated terminal fills by, gives the outcome that a coin said. The spread is in that
outcome; swap and slippage are the backtest's.

Without an edge the 48 bars are taken as they come: the same surges, and nothing in them.
"""

from dataclasses import dataclass

import numpy as np

from market.bars import Bars, Int64s
from market.compiled import kernel
from market.fills import STOP, TARGET, first_exit
from market.instruments import instrument
from market.rounding import tick_prices
from market.timeframe import Timeframe
from tests.builders import MONDAY_MS

BTC = instrument("BTCUSD")
SLOT_BARS = 160  # each holds one signal: 0.6 a day
PLANTED_BARS = 48
SURGE_VOLUME = 3000  # usual bars stay below half of it

_START_TICKS = 3_000_000  # 30,000 USD
_BAR_SD = 0.002  # of the log price; ATR(14) is about 0.0027 of the price
_SPREAD_SHARE = 14.59 / 68_000  # of the price: 0.08 ATR
_STEPS = 15
_ATR_PERIOD = 14
_ANY = 0


@dataclass(frozen=True, slots=True, eq=False)
class PlantedMarket:
    """`signals`: rows of the surges; `sides` +1 or −1; `planted`: `TARGET`, `STOP`, or 0 where
    nothing was."""

    bars: Bars
    signals: Int64s
    sides: Int64s
    planted: Int64s


def planted_market(
    seed: int, *, slots: int, edge: float | None, costs: bool = True
) -> PlantedMarket:
    """`edge`: the probability that a signal's target comes before its stop; None: a martingale.

    `costs=False`: no spread, so that a trade at any bar is a fair coin.
    """
    chance = np.random.default_rng([seed, 1])
    signals = np.arange(slots) * SLOT_BARS + chance.integers(
        1, SLOT_BARS - PLANTED_BARS - 1, size=slots
    )
    planted = np.full(slots, _ANY)
    if edge is not None:
        planted = np.where(np.random.default_rng([seed, 4]).random(slots) < edge, TARGET, STOP)
    share = _SPREAD_SHARE if costs else 0.0
    open_, high, low, close, spread, sides = _walk(
        np.random.default_rng([seed, 2]), slots * SLOT_BARS, signals, planted, share
    )
    return PlantedMarket(
        _bars(open_, high, low, close, spread, _volume(chance, len(close), signals)),
        signals, sides, planted,
    )  # fmt: skip


def _volume(chance: np.random.Generator, rows: int, signals: Int64s) -> Int64s:
    volume = chance.integers(600, 1200, size=rows)
    volume[signals] = chance.integers(SURGE_VOLUME, 4500, size=len(signals))
    return volume


def _bars(
    open_: Int64s, high: Int64s, low: Int64s, close: Int64s, spread: Int64s, volume: Int64s
) -> Bars:
    open_ms = MONDAY_MS + np.arange(len(close), dtype=np.int64) * Timeframe.M15.ms
    prices = (tick_prices(ticks, BTC.tick_size) for ticks in (open_, high, low, close))
    return Bars(BTC.symbol, Timeframe.M15, open_ms, *prices, volume, spread).checked()


@kernel
def _walk(
    chance: np.random.Generator, rows: int, signals: Int64s, planted: Int64s, spread_share: float
) -> tuple[Int64s, Int64s, Int64s, Int64s, Int64s, Int64s]:
    """Open, high, low, close and spread in ticks, (rows,); the sides of the signals."""
    open_, high = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    low, close = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    spread, sides = np.zeros(rows, np.int64), np.zeros(len(signals), np.int64)
    bars = (open_, high, low, close, spread)
    row, mean_range, which = 0, 0.0, 0
    while row < rows:
        _bar(chance, bars, row, spread_share)
        is_signal = which < len(signals) and row == signals[which]
        while is_signal and close[row] == open_[row]:
            _bar(chance, bars, row, spread_share)
        mean_range = _next_range(bars, row, mean_range)
        row += 1
        if is_signal:
            sides[which] = 1 if close[row - 1] > open_[row - 1] else -1
            _plant(chance, bars, row, sides[which], mean_range, planted[which], spread_share)
            for each in range(row, row + PLANTED_BARS):
                mean_range = _next_range(bars, each, mean_range)
            row, which = row + PLANTED_BARS, which + 1
    return open_, high, low, close, spread, sides


@kernel
def _bar(chance, bars, row, spread_share):  # type: ignore[no-untyped-def]
    """One bar of the martingale, from the close before it."""
    open_, high, low, close, spread = bars
    first = float(close[row - 1]) if row > 0 else float(_START_TICKS)
    level = top = bottom = first
    for _ in range(_STEPS):
        up = 1.0 if chance.random() < 0.5 else -1.0
        level += level * up * _BAR_SD / np.sqrt(_STEPS)
        top, bottom = max(top, level), min(bottom, level)
    open_[row], close[row] = int(first), int(np.rint(level))
    high[row], low[row] = int(np.rint(top)), int(np.rint(bottom))
    spread[row] = int(np.rint(level * spread_share))


@kernel
def _next_range(bars, row, mean_range):  # type: ignore[no-untyped-def]
    """Wilder's ATR after `row`, in ticks: `market.indicators.atr`."""
    _, high, low, close, _ = bars
    if row == 0:
        return float(high[0] - low[0])
    true_range = max(high[row], close[row - 1]) - min(low[row], close[row - 1])
    return mean_range + (true_range - mean_range) / _ATR_PERIOD


@kernel
def _plant(chance, bars, first, side, mean_range, outcome, spread_share):  # type: ignore[no-untyped-def]
    """The bars from `first` on, drawn until the trade that opens there ends as it should."""
    open_, high, low, _, spread = bars
    distance = int(np.ceil(mean_range))
    while True:
        for row in range(first, first + PLANTED_BARS):
            _bar(chance, bars, row, spread_share)
        fill = open_[first] + (spread[first - 1] if side > 0 else 0)
        _, _, kind, _, _ = first_exit(
            side, fill - side * distance, fill + side * distance,
            open_, high, low, spread, first, first + PLANTED_BARS, True,
        )  # fmt: skip
        if outcome in (_ANY, kind):
            return
