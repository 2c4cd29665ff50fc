"""The one module that rounds: prices to ticks, volumes to steps, money to minor units.

A price is the float64 nearest to k · tick; volumes only ever round down; money is integer minor
units (cents) inside ledgers.
"""

import math
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_TICK_SLACK = 1e-9


@lru_cache(maxsize=256)
def exact(value: float) -> Decimal:
    """The decimal a person wrote: 0.01 is 1/100, not the float64 next to it."""
    return Decimal(repr(value))


@lru_cache(maxsize=256)
def _ratio(value: float) -> tuple[int, int]:
    """The decimal a person wrote as a fraction; whole numbers divide to the nearest float64."""
    return exact(value).as_integer_ratio()


def price_ticks(price: float, tick_size: float) -> int:
    """How many ticks a price is, to the nearest tick."""
    return round(price / tick_size)


def tick_price(ticks: int, tick_size: float) -> float:
    """The float64 nearest to `ticks` · `tick_size`."""
    numerator, denominator = _ratio(tick_size)
    return ticks * numerator / denominator


def tick_prices(ticks: NDArray[np.int64], tick_size: float) -> NDArray[np.float64]:
    """`tick_price` of a column, bit for bit: below 2^53 the division rounds once here too."""
    numerator, denominator = _ratio(tick_size)
    return ticks * numerator / denominator


def grid_prices(prices: NDArray[np.float64], tick_size: float) -> NDArray[np.float64]:
    """Each price moved to the float64 nearest to k · tick; same bits as `tick_price`.

    With the tick as a fraction n/d, k · n and d are exact in float64, so that one correctly
    rounded division gives the nearest.
    """
    tick = Fraction(exact(tick_size))
    return np.rint(prices / tick_size) * tick.numerator / tick.denominator


def floor_ticks(distance: float, tick_size: float) -> int:
    """Whole ticks in a distance, rounded down; a value within 1e-9 of a tick is that tick."""
    return math.floor(distance / tick_size + _TICK_SLACK)


def ceil_ticks(distance: float, tick_size: float) -> int:
    """Whole ticks that cover a distance, rounded up; the mirror of `floor_ticks`."""
    return math.ceil(distance / tick_size - _TICK_SLACK)


def floor_volume(volume_lots: float, step_lots: float) -> float:
    """The largest multiple of the step that is not above the volume. Never rounds up."""
    numerator, denominator = _ratio(step_lots)
    ratio = volume_lots / step_lots
    steps = int(ratio)
    if not 1e-6 < ratio - steps < 1 - 1e-6:  # too near a step for float64 to tell
        on_step = round(ratio) * numerator / denominator
        if on_step == volume_lots:
            return on_step
        steps = int(Decimal(repr(volume_lots)) // exact(step_lots))
    return steps * numerator / denominator


def to_minor(amount: float | Decimal, digits: int) -> int:
    """Money in integer minor units, half to even."""
    value = amount if isinstance(amount, Decimal) else Decimal(repr(amount))
    return int(value.scaleb(digits).to_integral_value(ROUND_HALF_EVEN))
