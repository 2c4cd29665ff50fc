"""Distances to whole ticks, volumes to whole steps: against exact arithmetic on the decimals."""

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.rounding import ceil_ticks, exact, floor_ticks, floor_volume

TICKS = st.sampled_from([0.00001, 0.001, 0.01, 0.25, 0.5, 1.0])
STEPS = st.sampled_from([0.001, 0.01, 0.1, 0.25, 1.0])


@given(tick=TICKS, count=st.integers(0, 1_000_000))
def test_distance_of_whole_ticks_is_so_many_either_way(tick: float, count: int) -> None:
    for distance in (count * tick, float(count * exact(tick))):
        assert floor_ticks(distance, tick) == ceil_ticks(distance, tick) == count


@given(tick=TICKS, count=st.integers(0, 1_000_000), part=st.floats(0.001, 0.999))
def test_distance_between_ticks_is_rounded_down_or_up(tick: float, count: int, part: float) -> None:
    distance = (count + part) * tick
    assert (floor_ticks(distance, tick), ceil_ticks(distance, tick)) == (count, count + 1)


@given(step=STEPS, count=st.integers(0, 1_000_000))
def test_volume_on_a_step_stays_what_it_is(step: float, count: int) -> None:
    volume = float(count * exact(step))
    assert floor_volume(volume, step) == volume


def test_whole_number_of_lots_becomes_a_float() -> None:
    assert repr(floor_volume(2, 0.01)) == "2.0"


@given(step=STEPS, volume=st.floats(0, 10_000))
def test_volume_never_becomes_larger_and_loses_less_than_a_step(step: float, volume: float) -> None:
    kept = floor_volume(volume, step)
    left = Decimal(repr(volume)) - Decimal(repr(kept))
    assert 0 <= left < exact(step)


@pytest.mark.parametrize("count", [1, 29, 57, 114])
def test_float_noise_below_a_step_takes_a_step_away(count: int) -> None:
    below = math.nextafter(count / 100, 0)
    assert floor_volume(below, 0.01) == (count - 1) / 100
