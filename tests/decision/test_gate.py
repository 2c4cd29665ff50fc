"""The stateless rules: a truth table per rule, and one row equals the same row in a batch."""

from dataclasses import replace

import numpy as np
import pytest

from tests.builders import make_input
from trading.decision import gate
from trading.decision.decide import decide
from trading.decision.records import DecisionInput, Denial, Forecast, Quote, Side
from trading.decision.settings import DecisionSettings, PredictionSettings, SpreadFilter
from trading.decision.signal import read_signal

NAN = float("nan")
QUANTILE = DecisionSettings()
FIXED = DecisionSettings(prediction=PredictionSettings(gate="fixed"))
TREND = DecisionSettings(enable_ema_trend_filter=True)


def refused(now: DecisionInput, settings: DecisionSettings = QUANTILE) -> set[str]:
    return {denial.rule for denial in decide(now, settings).denials}


@pytest.mark.parametrize(
    ("votes", "side", "agreeing"),
    [
        ((1, 1, 1), Side.BUY, 3), ((1, 1, 0), Side.BUY, 2), ((1, 1, -1), Side.BUY, 2),
        ((-1, -1, 0), Side.SELL, 2), ((1, 0, 0), Side.NONE, 1), ((1, -1, 0), Side.NONE, 1),
        ((0, 0, 0), Side.NONE, 0),
        ((1, 1, -1, 0), Side.BUY, 2),
        ((1, 1, -1, -1), Side.NONE, 2),
        ((0, -1, -1, -1), Side.SELL, 3),
    ],
)  # fmt: skip
def test_side_is_the_majority_of_votes(votes: tuple[int, ...], side: Side, agreeing: int) -> None:
    verdict = gate.judge(make_input(forecast=Forecast(0.4, 0.4, 0.2, votes)), QUANTILE)
    assert (verdict.side, verdict.agreeing) == (side, agreeing)


def test_readings_of_a_side_and_of_no_side() -> None:
    signal = read_signal(
        np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.2, 0.3, 0.5]]),
        np.array([[1, 1, 0], [-1, -1, 0], [0, 0, 0]], dtype=np.int8),
    )
    assert signal.confidence.tolist() == [0.5, 0.3, 0.3]
    assert signal.margin.tolist() == pytest.approx([0.2, -0.2, 0.1])
    assert signal.gap.tolist() == pytest.approx([0.2, 0.2, 0.2])


def test_all_rules_content_enters() -> None:
    decision = decide(make_input(), QUANTILE)
    assert decision.denials == ()
    assert len(decision.intents) == 1


def test_too_few_votes_is_denied_with_count_and_limit() -> None:
    now = make_input(forecast=Forecast(0.5, 0.3, 0.2, (1, 0, 0)))
    assert Denial("votes", 1, 2) in decide(now, QUANTILE).denials
    three = DecisionSettings(prediction=PredictionSettings(min_votes=3))
    assert decide(make_input(), three).denials == (Denial("votes", 2, 3),)


@pytest.mark.parametrize(("floor", "expected"), [(0.19, set()), (0.21, {"margin"})])
def test_quantile_gate_wants_the_margin_at_its_floor(floor: float, expected: set[str]) -> None:
    assert refused(make_input(market={"margin_floor": floor})) == expected


def test_margin_exactly_at_its_floor_enters() -> None:
    margin = 0.5 - 0.3
    assert refused(make_input(market={"margin_floor": margin})) == set()


def test_unfilled_look_back_is_denied_in_quantile_mode_alone() -> None:
    now = make_input(market={"margin_floor": NAN})
    assert decide(now, QUANTILE).denials == (
        Denial("gate_lookback", "not filled", "0.6 of 90 days"),
    )
    assert "gate_lookback" not in refused(now, FIXED)


@pytest.mark.parametrize(
    ("forecast", "expected"),
    [
        (Forecast(0.65, 0.30, 0.05, (1, 1, 1)), set()),
        (Forecast(0.64, 0.30, 0.06, (1, 1, 1)), {"confidence"}),
        (Forecast(0.52, 0.46, 0.02, (1, 1, 1)), {"confidence", "probability_gap"}),
        (Forecast(0.30, 0.66, 0.04, (1, 1, 0)), {"confidence"}),
    ],
)
def test_fixed_gate_wants_confidence_and_gap(forecast: Forecast, expected: set[str]) -> None:
    assert refused(make_input(forecast=forecast), FIXED) == expected


def test_missing_feature_is_denied_by_its_name_and_speaks_alone() -> None:
    now = make_input(forecast=None, missing_feature="d1_trend")
    assert decide(now, QUANTILE).denials == (Denial("features", "d1_trend", "finite"),)


@pytest.mark.parametrize("name", ["atr", "ema200"])
def test_missing_indicator_is_denied_as_a_feature(name: str) -> None:
    denials = decide(make_input(market={name: NAN}), QUANTILE).denials
    assert denials == (Denial("features", "atr or ema200", "finite"),)


@pytest.mark.parametrize(("atr", "expected"), [(15.0, False), (14.9, True)])
def test_atr_below_its_floor_is_denied(atr: float, expected: bool) -> None:
    assert ("atr_floor" in refused(make_input(market={"atr": atr}))) is expected


@pytest.mark.parametrize(
    ("votes", "ema200", "expected"),
    [
        ((1, 1, 1), 100_200.0, True), ((1, 1, 1), 100_000.0, False),
        ((-1, -1, -1), 100_000.0, True), ((-1, -1, -1), 100_200.0, False),
        ((0, 0, 0), 100_200.0, False),
    ],
)  # fmt: skip
def test_ema_filter_denies_entries_against_the_trend(
    votes: tuple[int, int, int], ema200: float, expected: bool
) -> None:
    now = make_input(forecast=Forecast(0.4, 0.4, 0.2, votes), market={"ema200": ema200})
    assert ("ema_trend" in refused(now, TREND)) is expected
    assert "ema_trend" not in refused(now)


def test_spread_is_judged_on_the_quote_in_points_and_against_atr() -> None:
    strict = QUANTILE.model_copy(update={"spread_filter": SpreadFilter(max_atr_share=0.1)})
    wide = make_input(quote=Quote(make_input().quote.time_ms, 100_100.0, 100_160.01))
    denials = decide(wide, strict).denials
    assert Denial("spread_points", 6001.0, 6000.0) in denials
    assert [d.rule for d in denials] == ["spread_points", "spread_atr"]
    assert refused(make_input(market={"atr": 145.0}), strict) == {"spread_atr"}
    assert refused(make_input(market={"atr": 146.0}), strict) == set()


def test_every_failing_rule_is_carried_in_order() -> None:
    now = make_input(
        forecast=Forecast(0.3, 0.3, 0.4, (0, 0, 1)), market={"atr": 10.0, "ema200": 1.0}
    )
    rules = [denial.rule for denial in decide(now, TREND).denials]
    assert rules == ["votes", "margin", "atr_floor", "spread_atr"]


def test_a_row_alone_equals_the_row_of_the_batch() -> None:
    rng = np.random.default_rng(3)
    inputs = [_random_input(rng) for _ in range(300)]
    verdicts = gate.evaluate(_columns(inputs), TREND)
    for row, now in enumerate(inputs):
        assert gate.judge(now, TREND) == verdicts.row(row)


def _random_input(rng: np.random.Generator) -> DecisionInput:
    p = rng.dirichlet([3, 3, 2]).tolist()
    votes = tuple(int(v) for v in rng.integers(-1, 2, 3))
    market = {"atr": float(rng.uniform(5, 400)), "margin_floor": float(rng.uniform(0, 0.3))}
    now = make_input(forecast=Forecast(*p, votes), market=market)  # type: ignore[arg-type]
    ask = (10_010_000 + int(rng.integers(1, 8000))) * 0.01
    return replace(now, quote=replace(now.quote, ask=ask))


def _columns(inputs: list[DecisionInput]) -> gate.GateColumns:
    forecasts = [now.forecast for now in inputs if now.forecast]
    signal = read_signal(
        np.array([[f.p_buy, f.p_sell, f.p_hold] for f in forecasts]),
        np.array([f.votes for f in forecasts], dtype=np.int8),
    )
    spread = [float(round((now.quote.ask - now.quote.bid) / 0.01)) for now in inputs]
    return gate.GateColumns(
        signal.side, signal.agreeing, signal.confidence, signal.gap, signal.margin,
        *(np.array([getattr(now.market, name) for now in inputs])
          for name in ("margin_floor", "close", "atr", "ema200")),
        np.array(spread), 0.01,
    )  # fmt: skip
