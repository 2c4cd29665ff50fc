"""Each feature against a slow second writing of the catalogue's words."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from market.bars import Bars
from market.instruments import INSTRUMENTS
from market.sources.files import read_bars
from ml.features.catalogue import CATALOGUE, LOOKBACK_MS, Feature
from tests.features.markets import MARKETS, ROUND_STEP, full_matrix, matrix_of, news, published
from tests.features.onchain_reference import onchain
from tests.features.reference import frame, not_torn, reference
from tests.features.structure_reference import structure

COLUMN = {feature.name: column for column, feature in enumerate(CATALOGUE)}
# Rounding decides some comparisons of equal values: a few rows may count one more or less.
_RANKS = ("bb_squeeze", "atr_percentile", "volatility_regime")
each_feature = pytest.mark.parametrize("feature", CATALOGUE, ids=lambda feature: feature.name)


@lru_cache
def references(market: str) -> dict[str, pd.Series]:
    return reference_of(MARKETS[market]())


def reference_of(bars: Bars) -> dict[str, pd.Series]:
    return {
        **reference(bars, ROUND_STEP[bars.symbol], news()),
        **structure(bars),
        **onchain(frame(bars), published()),
    }


@lru_cache
def real(path: Path) -> tuple[Bars, np.ndarray, dict[str, pd.Series]]:
    bars = read_bars(path, INSTRUMENTS["BTCUSD"])
    bars = bars.rows(len(bars) - 17_500, len(bars))
    return bars, matrix_of(bars), reference_of(bars)


def assert_equal(feature: Feature, bars: Bars, got: np.ndarray, expected: pd.Series) -> None:
    wanted = np.where(not_torn(bars, feature.bars), expected.to_numpy(dtype=float), np.nan)
    if feature.name in _RANKS:
        assert np.array_equal(np.isnan(got), np.isnan(wanted))
        assert np.mean((got != wanted) & ~np.isnan(wanted)) < 0.001
    else:
        np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-10, equal_nan=True)


@each_feature
@pytest.mark.parametrize("market", MARKETS)
def test_generated_bars_give_the_reference_value_on_every_row(
    feature: Feature, market: str
) -> None:
    got = full_matrix(market)[:, COLUMN[feature.name]]
    assert_equal(feature, MARKETS[market](), got, references(market)[feature.name])


@each_feature
@pytest.mark.parametrize("market", ["bitcoin", "gold"])
def test_after_the_warm_up_five_thousand_rows_have_values_that_vary(
    feature: Feature, market: str
) -> None:
    bars = MARKETS[market]()
    warm = np.flatnonzero(bars.open_ms >= bars.open_ms[0] + LOOKBACK_MS)
    values = full_matrix(market)[warm, COLUMN[feature.name]]
    assert len(values) >= 5000
    assert np.isfinite(values).all()
    assert len(np.unique(values)) > 1


@each_feature
def test_real_bars_give_the_reference_value_on_every_row(
    feature: Feature, shared_data: Path
) -> None:
    bars, matrix, expected = real(shared_data / "btcusdt_m15_spot.parquet")
    assert_equal(feature, bars, matrix[:, COLUMN[feature.name]], expected[feature.name])
