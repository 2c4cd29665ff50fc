"""The rules-only loop in vectorbt: `from_signals` with stops, or orders from a compiled function.

Third argument: `signals` (stops are the library's own) or `orders` (the rules written by hand in a
flexible order function, with bid and ask). Seconds are those of building the portfolio's order
records; compiling is in the first, unmeasured run.
"""

import sys
from typing import Any

import numpy as np
import vectorbt as vbt
from numba import njit
from peer import STILL_OPEN, STOP, TARGET, Given, Trades, hand_back, read_given, timed
from vectorbt.portfolio.enums import Direction, NoOrder
from vectorbt.portfolio.nb import order_nb

CASH = 1e9


def from_signals(given: Given) -> Any:
    """Enters at the next open, given as the price of the signal's own row: the library looks for
    stops from the row after the entry on, which is then the bar that was entered."""
    price = np.append(given.open[1:], np.nan) + given.moved
    return vbt.Portfolio.from_signals(
        given.close, entries=given.side > 0, short_entries=given.side < 0, size=1.0, price=price,
        open=given.open, high=given.high, low=given.low, sl_stop=given.distance / price,
        tp_stop=given.distance / price, stop_entry_price="FillPrice", upon_opposite_entry="Ignore",
        init_cash=CASH, freq="15min",
    )  # fmt: skip


@njit
def _first_tick(c, given, held):
    """Side and price of an order on the first tick of bar `c.i`, or none (0)."""
    open_, _, _, side, distance, spread = given
    i = c.i
    spread_before = spread[i - 1] if i > 0 else spread[i]
    if held[0] != 0:
        tick = open_[i] if held[0] > 0 else open_[i] + spread_before
        if held[0] * (tick - held[1]) <= 0 or held[0] * (tick - held[2]) >= 0:
            closing = -held[0]
            held[0] = 0
            return closing, tick
    if held[0] == 0 and i > 0 and side[i - 1] != 0:
        held[0] = side[i - 1]
        price = open_[i] + spread_before if held[0] > 0 else open_[i]
        held[1] = price - held[0] * distance[i - 1]
        held[2] = price + held[0] * distance[i - 1]
        return held[0], price
    return 0.0, np.nan


@njit
def _inside(c, given, held):
    """Side and price of the order that ends the trade inside bar `c.i`, stop first; or none (0)."""
    open_, high, low, _, _, spread = given
    i, side = c.i, held[0]
    if side == 0:
        return 0.0, np.nan
    worst = low[i] if side > 0 else high[i] + spread[i]
    best = high[i] if side > 0 else low[i] + spread[i]
    price = np.nan
    if side * (worst - held[1]) <= 0:
        price = held[1] if side > 0 else max(held[1], open_[i] + spread[i])
    elif side * (best - held[2]) >= 0:
        price = held[2]
    if np.isnan(price):
        return 0.0, price
    held[0] = 0
    return -side, price


@njit
def _orders(c, given, held):
    """Up to three orders a bar: an exit and an entry on its first tick, an exit inside it."""
    if c.call_idx == 0:
        held[3] = 0
    if held[3] == 0:
        size, price = _first_tick(c, given, held)
        if size != 0:
            return 0, order_nb(size=size, price=price, direction=Direction.Both)
        held[3] = 1
        size, price = _inside(c, given, held)
        if size != 0:
            return 0, order_nb(size=size, price=price, direction=Direction.Both)
    return -1, NoOrder


def from_orders(given: Given) -> Any:
    """The rules by hand. `held`: side, stop, target, whether the first tick is dealt with."""
    columns = tuple(
        np.asarray(getattr(given, name), dtype=np.float64)
        for name in ("open", "high", "low", "side", "distance", "spread")
    )
    return vbt.Portfolio.from_order_func(
        given.close, _orders, columns, np.zeros(4), flexible=True, init_cash=CASH, freq="15min",
        max_orders=2 * len(given),
    )  # fmt: skip


def trades_of(portfolio: Any, given: Given, *, entered_later: int) -> Trades:
    """Pairs of orders as trades. `entered_later`: bars from an order's row to the bar entered."""
    orders = portfolio.orders.records
    count = len(orders) // 2
    entries, exits = orders[::2], orders[1::2]
    side = np.where(entries["side"] == 0, 1, -1)
    exit_row = np.full(len(entries), -1)
    exit_price = np.full(len(entries), np.nan)
    exit_row[:count], exit_price[:count] = exits["idx"], exits["price"]
    entry_price = np.array(entries["price"])
    won = side * (exit_price - entry_price) > 0
    kind = np.where(exit_row < 0, STILL_OPEN, np.where(won, TARGET, STOP))
    return Trades(entries["idx"] + entered_later, side, exit_row, kind, entry_price, exit_price)


given = read_given()
by_signals = sys.argv[3] == "signals"
seconds, made = timed(lambda: given, from_signals if by_signals else from_orders)
hand_back(
    f"vectorbt {vbt.__version__}, {'from_signals' if by_signals else 'flexible order function'}",
    seconds,
    trades_of(made, given, entered_later=1 if by_signals else 0),
)
