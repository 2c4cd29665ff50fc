"""Trending or ranging: the hysteresis, its look-back, and the gate's rule."""

from dataclasses import replace

import numpy as np
import pytest

from tests.builders import make_input
from trading.decision import gate
from trading.decision.decide import decide
from trading.decision.filter_settings import AdxRegimeFilter
from trading.decision.records import Denial
from trading.decision.regime import LOOKBACK_BARS, trending
from trading.decision.settings import DecisionSettings

RULE = AdxRegimeFilter(enabled=True)
TRENDING = DecisionSettings(adx_regime_filter=RULE)
RANGING = DecisionSettings(adx_regime_filter=AdxRegimeFilter(enabled=True, allow="ranging"))
NAN = float("nan")


@pytest.mark.parametrize(
    ("adx", "expected"),
    [
        ([0.30, 0.30], [0, 0]),  # two bars confirm nothing
        ([0.30, 0.30, 0.30, 0.25, 0.23], [0, 0, 1, 1, 1]),  # between the thresholds it stays
        ([0.30, 0.30, 0.30, 0.20, 0.20, 0.20], [0, 0, 1, 1, 1, 0]),
        ([0.30, 0.30, 0.30, 0.20, 0.20, 0.25, 0.20], [0, 0, 1, 1, 1, 1, 1]),  # not three in a row
        ([0.30, 0.30, 0.28, 0.30, 0.30], [0, 0, 0, 0, 0]),  # above, not at
        ([0.30, 0.30, NAN, 0.30, 0.30, 0.30], [0, 0, 0, 0, 0, 1]),
        ([0.20, 0.20, 0.20, 0.25], [0, 0, 0, 0]),
        ([], []),
    ],
)
def test_regime_changes_only_after_three_bars_beyond_the_far_threshold(
    adx: list[float], expected: list[int]
) -> None:
    assert trending(np.array(adx), RULE).astype(int).tolist() == expected


@pytest.mark.parametrize("confirm_bars", [1, 3, 7])
def test_a_row_is_a_function_of_its_look_back_alone(confirm_bars: int) -> None:
    rule = RULE.model_copy(update={"confirm_bars": confirm_bars})
    rng = np.random.default_rng(5)
    adx = np.clip(0.25 + np.cumsum(rng.normal(0, 0.004, 6000)), 0.15, 0.35)
    adx[1000:1700] = 0.25  # longer than the look-back without a change
    adx[990:1000] = 0.30
    whole = trending(adx, rule)
    assert whole.any()
    assert not whole.all()
    for row in (*range(0, 6000, 37), *range(1470, 1490)):
        window = adx[max(0, row - LOOKBACK_BARS + 1) : row + 1]
        assert trending(window, rule)[-1] == whole[row]
    assert whole[1100]
    assert not whole[1690]  # nothing confirmed within the look-back


def test_filter_lets_one_regime_trade() -> None:
    trend = make_input(market={"adx": 0.31, "trending": True})
    quiet = make_input(market={"adx": 0.19, "trending": False})
    assert decide(trend, TRENDING).denials == ()
    assert decide(quiet, RANGING).denials == ()
    assert decide(quiet, TRENDING).denials == (
        Denial("adx_regime", "ranging, ADX 0.190", "trending"),
    )
    assert decide(trend, RANGING).denials == (
        Denial("adx_regime", "trending, ADX 0.310", "ranging"),
    )
    assert decide(quiet, DecisionSettings()).denials == ()


def test_bar_without_an_adx_is_denied_as_a_feature() -> None:
    now = make_input()
    assert decide(now, TRENDING).denials == (Denial("features", "adx", "finite"),)


def test_gate_refuses_columns_without_a_regime_while_the_filter_is_on() -> None:
    one = np.array([1.0])
    side = np.array([1], dtype=np.int8)
    columns = gate.GateColumns(side, side, one, one, one, one, one, one, one, one, 0.01)
    with pytest.raises(ValueError, match="adx and trending are needed"):
        gate.evaluate(columns, TRENDING)
    whole = replace(columns, adx=one, trending=np.array([True]))
    assert not gate.evaluate(whole, TRENDING).denied[0] >> gate.RULES.index("adx_regime") & 1
