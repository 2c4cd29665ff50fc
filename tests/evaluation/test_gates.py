"""Each gate by its table: what it needs, what it saw, and what would prove the rest."""

import io
import math
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from rich.console import Console

from backtest.gates import (
    Fold,
    GateResult,
    GateSettings,
    GoLiveFigures,
    GoLiveSettings,
    Verdict,
    WalkForwardFigures,
    cut_folds,
    gate_rows,
    gate_table,
    go_live_gate,
    proof_gate,
    retrain_gate,
    verdict,
    walk_forward_gate,
)
from backtest.gates.proofs import NO_EDGE, edge_proof
from backtest.gates.walk_forward import SEEDS_WARNING
from backtest.report.trades import TradeWithLevels, r_multiples
from backtest.statistics import Score
from tests.builders import make_closed_trade, make_input
from tests.evaluation.made import PROVEN

SETTINGS = GateSettings()
WEEK_MS = 7 * 86_400_000


def score(value: float | None, why_not: str = "") -> Score:
    return Score(value, 1.1, 0.05, 300, why_not)


@pytest.mark.parametrize(
    ("old", "new", "passed"),
    [
        (10.0, 11.0, True), (10.0, 10.9, False), (100.0, 102.0, True), (100.0, 101.9, False),
        (-20.0, -19.0, True), (-20.0, -19.1, False), (-100.0, -98.0, True),
        (-100.0, -98.1, False), (0.0, 1.0, True), (0.0, 0.9, False),
    ],
    ids=lambda value: str(value),
)  # fmt: skip
def test_new_model_must_beat_the_old_by_one_point_or_two_percent(
    old: float, new: float, passed: bool
) -> None:
    assert (
        retrain_gate(score(new), score(old), weeks=26, settings=SETTINGS.retrain).passed is passed
    )


def test_retrain_needs_26_weeks_and_a_score_of_the_new_model() -> None:
    few = "80 trades; fewer than 100 are not comparable"
    short = retrain_gate(score(50.0), score(1.0), weeks=25.0, settings=SETTINGS.retrain)
    assert [each.name for each in short.missing] == ["window"]
    assert short.missing[0].proof == "1.0 more weeks of bars that no model has seen"
    nothing = retrain_gate(score(None, few), score(1.0), weeks=30, settings=SETTINGS.retrain)
    assert [each.name for each in nothing.missing] == ["new score", "better than the old"]
    assert nothing.missing[0].seen == few
    assert not retrain_gate(score(None, few), None, weeks=30, settings=SETTINGS.retrain).passed


@pytest.mark.parametrize("old", [None, score(None, "12 trades")], ids=["none", "not-comparable"])
def test_model_without_comparable_predecessor_needs_a_score_alone(old: Score | None) -> None:
    assert retrain_gate(score(-5.0), old, weeks=26, settings=SETTINGS.retrain).passed


def fold(won: int, lost: int, *, weeks: int = 4, gain: float = 1.0) -> Fold:
    r = np.r_[np.full(won, gain), np.full(lost, -1.0)]
    return Fold(0, weeks * WEEK_MS, 100 * r, r)


def pool(*folds: Fold, sharpe: float = 1.2, weeks: float = 28) -> WalkForwardFigures:
    return WalkForwardFigures(folds, sharpe, weeks)


def missing(result: GateResult) -> list[str]:
    return [each.name for each in result.missing]


def test_honest_pool_passes_the_walk_forward_gate() -> None:
    result = walk_forward_gate(pool(*[fold(28, 22)] * 7), SETTINGS)
    assert result.passed
    assert result.warnings == ()
    assert result.gate == "walk-forward gate"


@pytest.mark.parametrize(
    ("figures", "names"),
    [
        (pool(*[fold(28, 22)] * 7, weeks=25.9), ["window"]),
        (pool(*[fold(28, 22)] * 7, sharpe=5.1), ["no alarm"]),
        (pool(*[fold(80, 20)] * 7), ["no alarm"]),
        (pool(fold(12, 10)), ["no alarm"]),
        (pool(*[fold(25, 25)] * 7), ["profit factor of the pool"]),
        (pool(*[fold(30, 20)] * 6, fold(20, 31)), ["worst fold"]),
        (pool(*[fold(30, 20)] * 6, fold(20, 30)), []),
        (pool(), ["no alarm", "profit factor of the pool", "worst fold"]),
    ],
    ids=["25.9-weeks", "sharpe-5.1", "win-rate-80", "22-trades", "pf-1", "fold-minus-11-r",
         "fold-minus-10-r", "no-folds"],
)  # fmt: skip
def test_walk_forward_gate_names_what_is_missing(
    figures: WalkForwardFigures, names: list[str]
) -> None:
    result = walk_forward_gate(figures, SETTINGS)
    assert missing(result) == names
    assert all(each.proof for each in result.missing)


@pytest.mark.parametrize("place", [0, 3, 6])
def test_fold_whose_r_is_not_known_is_not_passed_over_wherever_it_stands(place: int) -> None:
    folds = [fold(28, 22)] * 7
    folds[place] = replace(folds[place], r=np.r_[folds[place].r[:-1], math.nan])
    result = walk_forward_gate(pool(*folds), SETTINGS)
    assert missing(result) == ["worst fold"]
    assert "a stop for every trade" in result.missing[0].proof


def test_fold_with_few_trades_raises_no_alarm_while_the_pool_has_enough() -> None:
    assert walk_forward_gate(pool(fold(3, 2), *[fold(28, 22)] * 6), SETTINGS).passed


SEEDS = GateSettings(profile="seeds")


@pytest.mark.parametrize(
    ("folds", "names"),
    [
        ([fold(70, 30)] * 3, []),
        ([fold(5, 95), *[fold(70, 30)] * 3], []),
        ([fold(70, 30)] * 2, ["folds"]),
        ([fold(54, 46, gain=2.0), *[fold(70, 30)] * 2], ["win rate of each fold"]),
        ([fold(64, 36), *[fold(70, 30)] * 2], ["profit factor of each fold"]),
        ([fold(66, 34)] * 3, ["median profit factor"]),
    ],
    ids=["all-met", "only-the-last-three", "two-folds", "win-rate-54", "pf-1.78", "median-1.94"],
)
def test_seeds_profile_has_the_seeds_thresholds_and_warns(
    folds: list[Fold], names: list[str]
) -> None:
    result = walk_forward_gate(pool(*folds), SEEDS)
    assert missing(result) == names
    assert result.warnings == (SEEDS_WARNING,)
    assert "selects leaks" in SEEDS_WARNING


def test_folds_are_four_weeks_that_end_with_the_window_and_share_no_trade() -> None:
    closed = np.arange(0, 27 * 7) * 86_400_000
    net = np.arange(len(closed), dtype=np.float64)
    folds = cut_folds(closed, net, net, from_ms=0, to_ms=27 * WEEK_MS)
    assert [(each.to_ms - each.from_ms) // WEEK_MS for each in folds] == [7, 4, 4, 4, 4, 4]
    assert folds[0].from_ms == 0
    assert folds[-1].to_ms == 27 * WEEK_MS
    assert np.concatenate([each.net for each in folds]).tolist() == net.tolist()
    first = closed[:21], net[:21], net[:21]
    assert len(cut_folds(*first, from_ms=0, to_ms=3 * WEEK_MS)) == 1


def test_trade_that_the_last_decision_closed_is_in_the_last_fold() -> None:
    closed, net = np.array([0, 8 * WEEK_MS]), np.array([5.0, -9.0])
    folds = cut_folds(closed, net, net, from_ms=0, to_ms=8 * WEEK_MS)
    assert [each.net.tolist() for each in folds] == [[5.0], [-9.0]]


@pytest.mark.parametrize("closed_ms", [-1, 8 * WEEK_MS + 1])
def test_trade_outside_the_window_is_refused_and_not_left_out(closed_ms: int) -> None:
    one = np.array([1.0])
    with pytest.raises(ValueError, match="folds: trades that closed between 0 and"):
        cut_folds(np.array([closed_ms]), one, one, from_ms=0, to_ms=8 * WEEK_MS)


def test_everything_shown_passes_the_go_live_gate() -> None:
    result = go_live_gate(PROVEN, SETTINGS.go_live)
    assert result.passed
    assert [each.proof for each in result.criteria] == [""] * 11
    assert verdict(PROVEN, SETTINGS.go_live) is Verdict.PROVEN


@pytest.mark.parametrize(
    ("change", "name", "proof"),
    [
        ({"alarms": ("win rate 80.0% is above 75 %: …",)}, "no alarm", "`lookahead`"),
        ({"trades": 220}, "trades", "80 more out-of-sample trades, about 10 weeks at this rate"),
        ({"trades": 0, "trades_per_week": 0.0}, "trades", "they never come"),
        ({"profit_factor_p5": 1.0}, "PF₅", "a true win rate of 56.6% …"),
        ({"profit_factor_p5": math.nan}, "PF₅", "a true win rate of 56.6% …"),
        ({"deflated_sharpe": 0.8, "days_needed": 400.5}, "deflated Sharpe",
         "37 more days as good as the 364 seen"),
        ({"deflated_sharpe": 0.4, "days_needed": math.inf}, "deflated Sharpe",
         "the best of 57 worthless trials would look as good"),
        ({"overfitting": 0.41}, "PBO of the sweep", "a longer history"),
        ({"overfitting": None}, "PBO of the sweep", "the PBO over the daily returns of all"),
        ({"window_gaps": ("40.0 days from 2025-03-01 00:00 UTC",)}, "window", "without --from"),
        ({"window_gaps": None}, "window", "without --from"),
        ({"ledger_gaps": ("the training of signal is not in it",)}, "trial ledger",
         "training again"),
        ({"ledger_gaps": None}, "trial ledger", "training again"),
        ({"cost_gaps": ("spread 9 points, 1459 seen",)}, "costs", "own deals and quotes"),
        ({"cost_gaps": None}, "costs", "days in shadow"),
        ({"feature_differences": 1}, "live = batch features", "`parity DAY`"),
        ({"feature_differences": None, "feature_rows": 0}, "live = batch features", "`parity DAY`"),
        ({"class_flips": 2}, "ONNX = native", "real bars"),
        ({"forecast_rows": 0}, "ONNX = native", "real bars"),
        ({"shadow_days": 9.5}, "shadow trading", "5 more days of shadow trading"),
        ({"shadow_inside": False}, "shadow trading", "what was forecast is not what came"),
        ({"shadow_inside": None}, "shadow trading", "inside the forecast band"),
    ],
    ids=["alarm", "220-trades", "no-trade", "pf5-1", "pf5-unknown", "dsr", "dsr-never", "pbo",
         "pbo-unknown", "window-chosen", "window-unknown", "ledger-lost", "ledger-unknown",
         "costs-too-low", "costs-unknown", "feature-differs", "features-unknown", "class-flip",
         "no-rows",         "shadow-short", "shadow-outside", "shadow-unknown"],
)  # fmt: skip
def test_go_live_gate_names_the_one_thing_that_is_missing_and_its_proof(
    change: dict[str, object], name: str, proof: str
) -> None:
    result = go_live_gate(replace(PROVEN, **change), SETTINGS.go_live)  # type: ignore[arg-type]
    assert missing(result) == [name]
    assert proof in result.missing[0].proof


def test_single_plan_that_was_compared_with_nothing_needs_no_pbo() -> None:
    alone = replace(PROVEN, overfitting=None, chosen_among=1)
    assert go_live_gate(alone, SETTINGS.go_live).passed


@pytest.mark.parametrize(
    ("key", "looser", "stricter"),
    [("min_trades", 299, 600), ("min_profit_factor_p5", 0.99, 1.1),
     ("min_deflated_sharpe", 0.94, 0.99), ("max_overfitting", 0.21, 0.1), ("shadow_days", 0, 60)],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)  # fmt: skip
def test_limits_of_the_go_live_gate_can_be_made_stricter_and_not_looser(
    key: str, looser: float, stricter: float
) -> None:
    with pytest.raises(ValidationError, match=key):
        GoLiveSettings.model_validate({key: looser})
    assert getattr(GoLiveSettings.model_validate({key: stricter}), key) == stricter


def test_verdict_needs_no_shadow_and_no_parity_but_alarm_comes_first() -> None:
    bare = replace(PROVEN, class_flips=None, feature_differences=None, shadow_inside=None)
    assert verdict(bare, SETTINGS.go_live) is Verdict.PROVEN
    assert verdict(replace(bare, trades=299), SETTINGS.go_live) is Verdict.NOT_PROVEN
    assert verdict(replace(bare, alarms=("x: y",)), SETTINGS.go_live) is Verdict.ALARM
    assert len(proof_gate(bare, SETTINGS.go_live).criteria) == 5


def test_figures_survive_json_and_what_was_not_finite_proves_nothing() -> None:
    figures = replace(PROVEN, profit_factor_p5=math.inf, days_needed=math.inf, alarms=("a: b",))
    again = GoLiveFigures.from_dict(figures.as_dict())
    assert math.isnan(again.profit_factor_p5)
    assert math.isnan(again.days_needed)
    assert GoLiveFigures.from_dict(PROVEN.as_dict()) == PROVEN


def test_edge_is_proven_by_the_binomial_number_of_trades_or_not_at_all() -> None:
    net = np.r_[np.ones(55), -np.ones(45)]
    assert edge_proof(net) == (
        "a true win rate of 55.0% against break-even at 50.0% shows in about 617 trades: 517 more, "
        "if the edge is real"
    )
    assert edge_proof(-net) == NO_EDGE
    assert edge_proof(np.empty(0)) == NO_EDGE


def test_table_says_of_each_criterion_what_is_needed_seen_and_met() -> None:
    result = go_live_gate(replace(PROVEN, trades=220), SETTINGS.go_live)
    rows = {row[0]: row for row in gate_rows(result)}
    assert rows["trades"][1:4] == ("at least 300, out of sample, net of costs", "220", "NO")
    assert rows["PF₅"] == ("PF₅", "above 1", "1.080", "yes", "")
    stream = io.StringIO()
    warned = GateResult("some gate", result.criteria, ("mind this",))
    Console(file=stream, width=160).print(gate_table(warned))
    text = stream.getvalue()
    for part in ("some gate: not passed", "what would prove it", "mind this", "0.970 after 57"):
        assert part in text


def test_r_multiple_is_net_profit_over_what_the_first_stop_risked() -> None:
    terms = make_input().instrument
    per_price = terms.tick_value / terms.tick_size
    trade = make_closed_trade(5, 30.0)  # 0.1 lot from 100,000
    found = r_multiples(
        [TradeWithLevels(trade, 99_800.0, 0.0), TradeWithLevels(trade, 0.0, 0.0)], terms
    )
    assert found[0] == pytest.approx(30.0 / (200 * 0.1 * per_price))
    assert math.isnan(found[1])
