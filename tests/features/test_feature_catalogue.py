"""The catalogue: names, order, page, hash and settings; and what the matrix refuses."""

import typing
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from market.onchain import OnChain
from market.timeframe import Timeframe
from ml.features import catalogue
from ml.features.catalogue import CATALOGUE, GROUPS, LOOKBACK_MS, feature_hash, names
from ml.features.matrix import feature_matrix
from ml.features.settings import FeatureSettings
from tests.builders import make_bars

_NAMES = """
return_1 hourly_return return_4h return_1d rsi_14 rsi_slope macd_hist macd_line stoch_k
price_acceleration momentum_decay consecutive_direction candle_direction adverse_candle_ratio
body_ratio upper_wick_ratio lower_wick_ratio atr_14 atr_percentile volatility_20 bb_width
bb_position bb_squeeze range_ratio adx_14 di_diff price_vs_ema20 price_vs_ema50 price_vs_ema200
ema_stack ema50_slope dist_to_round_number near_daily_high_low market_quality volume_ratio
volume_surge volume_delta m30_rsi_norm m30_ema_bias h1_rsi_norm h1_ema_bias h1_macd_dir h4_rsi_norm
h4_ema_bias h4_macd_dir d1_trend d1_rsi_norm price_vs_d1_open is_london_session is_ny_session
is_asian_session session_hour_sin session_hour_cos day_of_week_sin day_of_week_cos is_news_near
news_minutes_away news_count_today news_impact_next volatility_regime w1_ema_bias w1_rsi_norm
"""
NAMES = _NAMES.split()
_SMC = """
ob_bullish_present ob_bearish_present ob_bullish_dist ob_bearish_dist ob_volume_ratio
fvg_bull_above fvg_bear_below fvg_bull_dist fvg_bear_dist recent_bos recent_choch structure_bias
liq_above_dist liq_below_dist
"""
SMC = _SMC.split()
ONCHAIN = ["funding_rate_norm", "oi_change", "fear_greed"]
SHIPPED = ("base", "regime")

TWO_BARS = [(10.0, 12.0, 9.0, 11.0), (11.0, 13.0, 10.0, 12.0)]


def test_names_are_the_62_in_their_order() -> None:
    assert names(SHIPPED) == tuple(NAMES)
    assert len(names(["base"])) == 59
    assert names(["regime"]) == ("volatility_regime", "w1_ema_bias", "w1_rsi_norm")


def test_hash_of_the_62_is_the_one_that_models_carry() -> None:
    known = "3ab2619819f046ab7eed0fe91492ec99beb08a26aef805edd13426439db9bef8"
    assert feature_hash(names(SHIPPED)) == known


def test_optional_groups_follow_the_62_in_any_order_of_the_settings() -> None:
    assert names(["smc"]) == tuple(SMC)
    assert names(["onchain"]) == tuple(ONCHAIN)
    assert names(["smc", "base", "regime"]) == (*NAMES, *SMC)
    assert names(["onchain", "smc", "regime", "base"]) == (*NAMES, *SMC, *ONCHAIN) == names(GROUPS)


def test_groups_in_another_order_give_the_same_columns() -> None:
    assert names(["regime", "base"]) == names(["base", "regime"])


def test_news_session_and_clock_features_are_protected() -> None:
    protected = {feature.name for feature in CATALOGUE if feature.protected}
    assert protected == set(NAMES[48:59])


def test_largest_lookback_is_seventeen_weeks() -> None:
    assert LOOKBACK_MS == 17 * 7 * 86_400_000


def test_page_is_up_to_date() -> None:
    page = Path(__file__).parents[2] / "docs" / "features.md"
    assert page.read_text(encoding="utf-8") == catalogue.markdown(), (
        "run `python -m ml.features.catalogue > docs/features.md`"
    )


def test_hash_changes_with_names_order_and_formulas(monkeypatch: pytest.MonkeyPatch) -> None:
    first = feature_hash(["a", "b"])
    assert first == feature_hash(("a", "b"))
    assert len({first, feature_hash(["b", "a"]), feature_hash(["a"]), feature_hash(["ab"])}) == 4
    monkeypatch.setattr(catalogue, "FORMULAS", 2)
    assert feature_hash(["a", "b"]) != first


def test_settings_know_the_groups_of_the_catalogue() -> None:
    annotation = FeatureSettings.model_fields["groups"].annotation
    assert typing.get_args(typing.get_args(annotation)[0]) == GROUPS
    assert FeatureSettings().groups == SHIPPED


@pytest.mark.parametrize("groups", [[], ["base", "base"], ["ict"], "base"])
def test_settings_refuse_no_group_a_group_twice_and_an_unknown_one(groups: object) -> None:
    with pytest.raises(ValidationError, match="groups"):
        FeatureSettings.model_validate({"groups": groups})


def test_matrix_refuses_what_it_cannot_compute() -> None:
    bars = make_bars(TWO_BARS)
    with pytest.raises(ValueError, match=r"base, regime, smc, onchain is allowed, 'ict' came"):
        feature_matrix(bars, groups=["base", "ict"], round_step=1.0)
    with pytest.raises(ValueError, match=r"funding_rate_norm: .*none came; give onchain=…"):
        feature_matrix(bars, groups=["onchain"], round_step=1.0)
    with pytest.raises(ValueError, match=r"round_step: a distance above 0 is allowed, 0\.0 came"):
        feature_matrix(bars, round_step=0.0)
    with pytest.raises(ValueError, match=r"first_row: 0 … 2 is allowed, 3 came"):
        feature_matrix(bars, round_step=1.0, first_row=3)
    with pytest.raises(ValueError, match="M15 bars, H1 came"):
        feature_matrix(make_bars(TWO_BARS, timeframe=Timeframe.H1), round_step=1.0)


def test_no_row_asked_for_gives_no_row() -> None:
    bars = make_bars(TWO_BARS)
    assert feature_matrix(bars, round_step=1.0, first_row=2).shape == (0, 62)
    assert feature_matrix(bars.rows(0, 0), round_step=1.0).shape == (0, 62)


def test_one_group_alone_gives_its_columns_of_all() -> None:
    bars = make_bars(TWO_BARS * 300)
    given = {"round_step": 1.0, "onchain": OnChain.none()}
    together = feature_matrix(bars, groups=GROUPS, **given)
    alone = [feature_matrix(bars, groups=[group], **given) for group in GROUPS]
    assert np.array_equal(np.hstack(alone), together, equal_nan=True)


def test_read_only_columns_are_accepted() -> None:
    bars = make_bars(TWO_BARS * 10)
    for column in (bars.open_ms, bars.open, bars.close, bars.tick_volume):
        column.flags.writeable = False
    assert np.isfinite(feature_matrix(bars, round_step=1.0)[-1, NAMES.index("stoch_k")])
