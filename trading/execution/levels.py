"""Stops and targets as a venue takes them: on the tick grid, no nearer than it allows. Pure.

The one place that rounds and moves levels. They only ever move outward, away from the market.
"""

import math
from dataclasses import dataclass

from broker.contract.messages import SymbolSpec, Tick
from market.rounding import ceil_ticks, price_ticks, tick_price
from trading.decision.records import Quote

_ON_GRID = 1e-5


@dataclass(frozen=True, slots=True)
class Drop:
    """Nothing is sent, and why."""

    why: str


def moved_levels(
    side: int, present: tuple[float, float], asked: tuple[float, float], quote: Quote,
    spec: SymbolSpec,
) -> tuple[float, float] | Drop:  # fmt: skip
    """(stop, target) to ask for in place of the present ones, on the grid and as far from the
    market as the venue wants them; 0 for no level.

    Dropped where the stop would then stand further from the market than it does, or not at all;
    where nothing would change; and while the market is within the freeze level of a present level,
    since the venue would refuse (B8).
    """
    if _is_frozen(side, present, quote, spec):
        return Drop("the market is within the freeze level of a present level")
    sl, tp = clamped(side, *asked, quote, spec)
    if present[0] and (not sl or side * (sl - present[0]) < -spec.trade_tick_size / 2):
        return Drop(
            f"the stop would move from {present[0]:.10g} away from the market, to {sl:.10g}"
        )
    if same_level(sl, present[0], spec) and same_level(tp, present[1], spec):
        return Drop("nothing would change")
    return sl, tp


def _is_frozen(side: int, present: tuple[float, float], quote: Quote, spec: SymbolSpec) -> bool:
    price = quote.bid if side > 0 else quote.ask
    level = spec.trade_freeze_level * spec.point
    half_a_tick = spec.trade_tick_size / 2
    return level > 0 and any(at and abs(price - at) <= level + half_a_tick for at in present)


def least_distance(quote: Tick | Quote, spec: SymbolSpec, *, extra_ticks: int = 0) -> int:
    """Ticks that a level must keep from the closing price: the widest of the stops level, the
    freeze level and the spread, and one tick at least."""
    tick = spec.trade_tick_size
    points = max(spec.trade_stops_level, spec.trade_freeze_level)
    level = ceil_ticks(points * spec.point, tick) if points else 0
    spread = price_ticks(quote.ask, tick) - price_ticks(quote.bid, tick)
    return max(level, spread, 1) + extra_ticks


def clamped(
    side: int, sl: float, tp: float, quote: Tick | Quote, spec: SymbolSpec, *, extra_ticks: int = 0
) -> tuple[float, float]:
    """(stop, target) of a long (+1) or short (-1), on the grid and at least `least_distance` from
    the price it closes at. A level of 0 stays away."""
    tick = spec.trade_tick_size
    base = price_ticks(quote.bid if side > 0 else quote.ask, tick)
    least = least_distance(quote, spec, extra_ticks=extra_ticks)
    stop = -side * max(outward(-side, sl, tick), least - side * base) if sl else 0
    target = side * max(outward(side, tp, tick), least + side * base) if tp else 0
    return tick_price(stop, tick), tick_price(target, tick)


def outward(direction: int, price: float, tick_size: float) -> int:
    """direction · price in ticks, rounded up; a price on the grid stays where it is."""
    ticks = direction * price / tick_size
    nearest = round(ticks)
    return nearest if abs(ticks - nearest) < _ON_GRID else math.ceil(ticks)


def same_level(one: float, other: float, spec: SymbolSpec) -> bool:
    """Whether two prices are the same tick."""
    tick = spec.trade_tick_size
    return price_ticks(one, tick) == price_ticks(other, tick)
