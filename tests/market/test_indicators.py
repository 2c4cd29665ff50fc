"""Anchored recursions against plain loops, and finite windows by hand."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from market.bars import Float64s, Int64s
from market.indicators import (
    BLOCK_MS,
    atr,
    directional,
    ema,
    finite_ema,
    finite_wilder_rsi,
    macd,
    rsi,
    true_range,
    wilder,
)

BAR_MS = 900_000
BLOCK = BLOCK_MS // BAR_MS
COUNT = 4 * BLOCK
START = 640  # rows before the first block boundary
OPEN_MS = (1_000 * BLOCK - START + np.arange(COUNT, dtype=np.int64)) * BAR_MS


def prices() -> tuple[Float64s, Float64s, Float64s]:
    chance = np.random.default_rng(11)
    close = 100.0 * np.exp(np.cumsum(chance.normal(0.0, 0.002, COUNT)))
    high = close * (1.0 + chance.random(COUNT) * 0.002)
    low = close * (1.0 - chance.random(COUNT) * 0.002)
    return high, low, close


HIGH, LOW, CLOSE = prices()
Indicator = Callable[[Int64s, int], Float64s]
INDICATORS: dict[str, Indicator] = {
    "ema": lambda ms, first: ema(CLOSE[-len(ms) :], ms, 20, first),
    "wilder": lambda ms, first: wilder(CLOSE[-len(ms) :], ms, 14, first),
    "atr": lambda ms, first: atr(
        HIGH[-len(ms) :], LOW[-len(ms) :], CLOSE[-len(ms) :], ms, 14, first
    ),
    "rsi": lambda ms, first: rsi(CLOSE[-len(ms) :], ms, 14, first),
    "macd line": lambda ms, first: macd(CLOSE[-len(ms) :], ms, 12, 26, 9, first)[0],
    "macd histogram": lambda ms, first: macd(CLOSE[-len(ms) :], ms, 12, 26, 9, first)[1],
    "adx": lambda ms, first: directional(
        HIGH[-len(ms) :], LOW[-len(ms) :], CLOSE[-len(ms) :], ms, 14, first
    )[0],
    "di": lambda ms, first: directional(
        HIGH[-len(ms) :], LOW[-len(ms) :], CLOSE[-len(ms) :], ms, 14, first
    )[1],
}
each_indicator = pytest.mark.parametrize("name", INDICATORS)


@each_indicator
def test_rows_are_nan_until_the_window_reaches_beyond_the_block_before(name: str) -> None:
    out = INDICATORS[name](OPEN_MS, 0)
    assert np.isnan(out[: START + BLOCK]).all()
    assert np.isfinite(out[START + BLOCK :]).all()


@each_indicator
@pytest.mark.parametrize("cut", [1, 639])
def test_window_that_reaches_a_bar_beyond_the_anchor_has_the_same_bits(name: str, cut: int) -> None:
    full, window = INDICATORS[name](OPEN_MS, 0), INDICATORS[name](OPEN_MS[cut:], 0)
    assert np.array_equal(full[cut:], window, equal_nan=True)


@each_indicator
def test_window_that_starts_at_the_anchor_has_no_value_for_its_blocks(name: str) -> None:
    window = INDICATORS[name](OPEN_MS[START:], 0)
    assert np.isnan(window[: 2 * BLOCK]).all()
    assert np.isfinite(window[2 * BLOCK :]).all()


@each_indicator
@pytest.mark.parametrize("first", [START + BLOCK + 7, COUNT - 1])
def test_later_first_row_has_the_same_bits_from_there_on(name: str, first: int) -> None:
    full, late = INDICATORS[name](OPEN_MS, 0), INDICATORS[name](OPEN_MS, first)
    assert np.array_equal(full[first:], late[first:])
    assert np.isnan(late[:first]).all()


def test_ema_is_the_plain_recursion_from_the_first_bar_of_the_block_before() -> None:
    row = START + 2 * BLOCK + 100
    anchor = START + BLOCK
    level = CLOSE[anchor]
    for i in range(anchor + 1, row + 1):
        level += 2.0 / 21.0 * (CLOSE[i] - level)
    assert ema(CLOSE, OPEN_MS, 20)[row] == level


def test_anchored_ema200_forgets_its_start() -> None:
    level = CLOSE[0]
    plain = []
    for value in CLOSE:
        level += 2.0 / 201.0 * (value - level)
        plain.append(level)
    got = ema(CLOSE, OPEN_MS, 200)[START + BLOCK :]
    assert np.max(np.abs(got / plain[START + BLOCK :] - 1.0)) < 1e-9


def test_first_bar_of_a_missing_block_starts_the_recursion() -> None:
    keep = np.r_[0 : START + 10, START + 2 * BLOCK + 5 : COUNT]
    got = ema(CLOSE[keep], OPEN_MS[keep], 20)
    assert got[START + 10] == CLOSE[START + 2 * BLOCK + 5]


def test_true_range_looks_at_the_close_before() -> None:
    high, low = np.array([12.0, 15.0, 11.0]), np.array([10.0, 14.0, 9.0])
    close = np.array([11.0, 14.5, 10.0])
    assert true_range(high, low, close).tolist() == [2.0, 4.0, 5.5]


def test_atr_is_the_wilder_mean_of_true_ranges() -> None:
    expected = wilder(true_range(HIGH, LOW, CLOSE), OPEN_MS, 14)
    assert np.array_equal(atr(HIGH, LOW, CLOSE, OPEN_MS, 14), expected, equal_nan=True)


def test_prices_that_never_change_have_an_rsi_of_a_half_and_no_direction() -> None:
    flat = np.full(COUNT, 50.0)
    adx, di = directional(flat, flat, flat, OPEN_MS, 14)
    assert rsi(flat, OPEN_MS, 14)[-1] == 0.5
    assert (adx[-1], di[-1]) == (0.0, 0.0)


def test_steady_rise_has_the_highest_rsi_and_adx() -> None:
    rise = 100.0 + np.arange(COUNT)
    adx, di = directional(rise + 0.5, rise - 0.5, rise, OPEN_MS, 14)
    assert rsi(rise, OPEN_MS, 14)[-1] == 1.0
    assert adx[-1] == pytest.approx(1.0)
    assert di[-1] == pytest.approx(1.0 / 1.5)  # a move of 1 in a true range of 1.5
    assert directional(-rise + 9e4, -rise + 8e4, -rise + 8.5e4, OPEN_MS, 14)[1][-1] < 0.0


def test_steady_rise_has_the_known_macd() -> None:
    line, histogram = macd(100.0 + np.arange(COUNT, dtype=np.float64), OPEN_MS, 12, 26, 9)
    assert line[-1] == pytest.approx(25 / 2 - 11 / 2)  # each EMA lags (span − 1) / 2 behind
    assert histogram[-1] == pytest.approx(0.0, abs=1e-9)


def test_finite_rsi_of_simple_means_by_hand() -> None:
    closes = np.array([99.0, 10.0, 12.0, 11.0, 14.0])
    assert finite_wilder_rsi(closes, 4, 4, 3) == pytest.approx(5.0 / 6.0)
    assert finite_wilder_rsi(closes, 3, 3, 2) == pytest.approx(2.0 / 3.0)


def test_finite_rsi_goes_on_as_wilder_after_its_seed() -> None:
    closes = np.array([10.0, 12.0, 11.0, 14.0])
    gain = 1.0 + (3.0 - 1.0) / 2.0  # seed (2 + 0) / 2, then a gain of 3
    loss = 0.5 + (0.0 - 0.5) / 2.0
    assert finite_wilder_rsi(closes, 3, 4, 2) == pytest.approx(gain / (gain + loss))


def test_finite_ema_by_hand() -> None:
    closes = np.array([77.0, 10.0, 20.0, 30.0])
    assert finite_ema(closes, 3, 3, 3, 2) == pytest.approx(15.0 + 0.5 * 15.0)
    assert finite_ema(closes, 3, 3, 3, 1) == pytest.approx(15.0 + 0.5 * 15.0)
    assert math.isclose(finite_ema(closes, 2, 2, 9, 2), 15.0)
