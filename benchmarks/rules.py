"""The rules of the comparison, bar by bar, with the ways in which a peer departs from them.

A peer that departs in a named way alone makes the trades of `trades_by(given, that way)`: this is
how its differences are explained, not guessed. Slow and plain; nothing is measured here.
"""

from dataclasses import dataclass

import numpy as np

from benchmarks.peer import STILL_OPEN, STOP, TARGET, Given, Trades


@dataclass(frozen=True, slots=True)
class Departure:
    """`shorts_on_bid`: a short is entered below the bid by the spread and judged on the bid, so
    its exit does not see the spread of its own bar. `no_entry_on_exit_bar`: the signal at the
    close of a bar in which a trade ended is lost. `high_before_low`: a bar goes open, high, low,
    close, so that a long's target comes before its stop.
    """

    shorts_on_bid: bool = False
    no_entry_on_exit_bar: bool = False
    high_before_low: bool = False


NONE = Departure()


def trades_by(given: Given, departure: Departure = NONE) -> Trades:
    """One position at a time: a signal known at the close of a bar is entered at the next open."""
    made: list[tuple[int, int, int, int, float, float]] = []
    bars = _Bars(given, departure)
    free_from = 0
    for row in np.flatnonzero(given.side[:-1]).tolist():
        if row < free_from:
            continue
        trade = bars.trade(row)
        made.append(trade)
        _, _, exit_row, kind, _, _ = trade
        if kind == STILL_OPEN:
            break
        free_from = exit_row + departure.no_entry_on_exit_bar
    columns = zip(*made, strict=True) if made else [()] * 6
    return Trades(*(np.array(column) for column in columns))


class _Bars:
    """Plain numbers, and the ask of each bar beside its bid."""

    def __init__(self, given: Given, departure: Departure) -> None:
        self._departure = departure
        names = ("open", "high", "low", "side", "distance", "spread")
        self._columns = [getattr(given, name).tolist() for name in names]

    def trade(self, row: int) -> tuple[int, int, int, int, float, float]:
        """Entry row, side, exit row, kind, entry price and exit price of the signal of a row."""
        open_, _, _, side, distance, spread = self._columns
        long = side[row] > 0
        on_bid = self._departure.shorts_on_bid and not long
        price = open_[row + 1] + (spread[row] if long else -spread[row] if on_bid else 0.0)
        stop = price - side[row] * distance[row]
        target = price + side[row] * distance[row]
        for at in range(row + 1, len(open_)):
            cost = 0.0 if long or on_bid else spread[at]
            kind, out = self._exit(at, side[row], stop, target, cost, entered=at == row + 1)
            if kind != STILL_OPEN:
                return row + 1, side[row], at, kind, price, out
        return row + 1, side[row], -1, STILL_OPEN, price, float("nan")

    def _exit(
        self, at: int, side: int, stop: float, target: float, cost: float, *, entered: bool
    ) -> tuple[int, float]:
        """How a bar ends the trade, if it does. `cost`: what the exit side is above the bid."""
        open_, high, low, _, _, spread = self._columns
        first = open_[at] + (spread[at - 1] if cost else 0.0)
        if not entered and side * (first - stop) <= _TOUCH:
            return STOP, first
        if not entered and side * (first - target) >= -_TOUCH:
            return TARGET, first
        worst, best = (low[at], high[at]) if side > 0 else (high[at] + cost, low[at] + cost)
        reached = side * (best - target) >= -_TOUCH
        if reached and side > 0 and self._departure.high_before_low:
            return TARGET, target
        if side * (worst - stop) <= _TOUCH:
            return STOP, stop if side > 0 else max(stop, open_[at] + cost)
        return (TARGET, target) if reached else (STILL_OPEN, float("nan"))


# Prices are whole ticks of 0.01; sums of them are not quite.
_TOUCH = 1e-6
