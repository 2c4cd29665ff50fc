"""A market that differs from its data: gaps, wide spreads, closures and pushed quotes.

Only what has not happened yet is changed: an alteration counts from the first bar that opens (for
spreads: that closes) after it was made.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from broker.simulator.feed import Feed, QuoteTicks
from broker.simulator.units import SymbolUnits
from market.bars import Bars

_PRICES = ("open", "high", "low", "close")


@dataclass(slots=True)
class Alteration:
    """One change of a symbol's bars in [from_ms, to_ms); `to_ms` 0 is for ever.

    `kind`: spread_times, gap or session_closed. `amount`: times, or points.
    """

    fault: int
    kind: str
    symbol: str
    from_ms: int
    to_ms: int
    amount: float

    def ends_ms(self) -> int:
        return self.to_ms or 1 << 62


@dataclass(slots=True)
class Pushed:
    """A quote in ticks that holds in [at_ms, until_ms)."""

    at_ms: int
    until_ms: int
    bid: int
    ask: int


class FaultyFeed(Feed):
    """A feed whose quote may be pushed."""

    __slots__ = ("pushed",)

    pushed: Pushed | None

    def quote(self, instant_ms: int) -> QuoteTicks | None:
        there = super().quote(instant_ms)
        pushed = self.pushed
        if there is None or pushed is None or not pushed.at_ms <= instant_ms < pushed.until_ms:
            return there
        return QuoteTicks(pushed.at_ms, pushed.bid, pushed.ask, there.live)


def altered(bars: Bars, units: SymbolUnits, alterations: list[Alteration]) -> Bars:
    """The bars with all alterations, in their order."""
    for each in alterations:
        if each.kind == "spread_times":
            bars = _wider(bars, each)
        elif each.kind == "gap":
            bars = _shifted(bars, units, each)
        else:
            bars = _still(bars, each)
    return bars


def _wider(bars: Bars, change: Alteration) -> Bars:
    spread = np.array(bars.spread_points)
    rows = (bars.close_ms > change.from_ms + 1) & (bars.open_ms < change.ends_ms())
    spread[rows] = np.rint(spread[rows] * change.amount).astype(np.int64)
    return replace(bars, spread_points=spread)


def _shifted(bars: Bars, units: SymbolUnits, change: Alteration) -> Bars:
    rows = bars.open_ms > change.from_ms
    shift = round(units.points_in_ticks(change.amount))
    columns: dict[str, Any] = {}
    for name in _PRICES:
        column = np.array(getattr(bars, name))
        column[rows] = [max(units.tick_size, units.price(units.ticks(p) + shift))
                        for p in column[rows].tolist()]  # fmt: skip
        columns[name] = column
    return replace(bars, **columns)


def _still(bars: Bars, change: Alteration) -> Bars:
    """Bars inside a closure stand at the close before it, so that nothing can fill."""
    rows = closed_rows(bars, change)
    if not rows.any() or rows[0]:
        return bars
    before = float(bars.close[int(np.argmax(rows)) - 1])
    columns: dict[str, Any] = {}
    for name in _PRICES:
        column = np.array(getattr(bars, name))
        column[rows] = before
        columns[name] = column
    return replace(bars, **columns)


def closed_rows(bars: Bars, change: Alteration) -> np.ndarray:
    """Rows that a closure covers."""
    inside: np.ndarray = (bars.open_ms > change.from_ms) & (bars.open_ms < change.ends_ms())
    return inside
