"""Prices in other units give the same features."""

from functools import lru_cache

import numpy as np
import pytest

from market.bars import Bars, Float64s
from ml.features.catalogue import CATALOGUE, GROUPS, Feature
from ml.features.matrix import feature_matrix
from tests.features.markets import ROUND_STEP, bitcoin, full_matrix, news, published

COLUMN = {feature.name: column for column, feature in enumerate(CATALOGUE)}
FIRST = 11_500
each_feature = pytest.mark.parametrize("feature", CATALOGUE, ids=lambda feature: feature.name)


@lru_cache
def scaled(factor: float) -> Float64s:
    bars = bitcoin()
    prices = [column * factor for column in (bars.open, bars.high, bars.low, bars.close)]
    other = Bars(
        bars.symbol, bars.timeframe, bars.open_ms, *prices, bars.tick_volume, bars.spread_points
    )
    step = ROUND_STEP[bars.symbol] * factor
    return feature_matrix(
        other, groups=GROUPS, round_step=step, calendar=news(), onchain=published(),
        first_row=FIRST,
    )  # fmt: skip


@each_feature
@pytest.mark.parametrize("factor", [64.0, 2.0**-10])
def test_prices_times_a_power_of_two_change_no_bit(feature: Feature, factor: float) -> None:
    column = COLUMN[feature.name]
    assert np.array_equal(scaled(factor)[:, column], full_matrix("bitcoin")[FIRST:, column])


@each_feature
def test_prices_in_another_currency_change_only_the_last_digits(feature: Feature) -> None:
    column = COLUMN[feature.name]
    got, expected = scaled(0.87)[:, column], full_matrix("bitcoin")[FIRST:, column]
    if feature.name in _STEPS:  # a value at its step may fall on either side
        assert np.mean(got != expected) < 0.002
    else:
        np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-9)


# Counts over comparisons of prices: a tie that rounding breaks moves them by one count.
_STEPS = {
    "consecutive_direction", "candle_direction", "adverse_candle_ratio", "bb_squeeze",
    "atr_percentile", "volatility_regime", "ema_stack", "volume_delta",
    "h1_macd_dir", "h4_macd_dir", "d1_trend",
}  # fmt: skip
