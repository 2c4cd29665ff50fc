"""Each statistic against a published example, an exact formula, or an independent computation."""

import math
from dataclasses import replace
from itertools import combinations, permutations

import numpy as np
import pytest
from scipy import integrate, stats

from backtest.statistics import (
    Overfitting,
    Shape,
    TrialSharpes,
    bootstrap,
    break_even,
    cagr,
    calmar,
    deflated_sharpe,
    drawdown_quantiles,
    expected_best_sharpe,
    max_drawdown,
    min_track_record,
    order_drawdowns,
    overfitting,
    probabilistic_sharpe,
    profit_factor,
    profit_factor_p5,
    score,
    shape_of,
    sharpe_daily,
    sharpe_error,
    sortino_daily,
    trade_returns,
    trades_to_prove,
    trades_to_prove_mean,
)
from trading.equity import EquityCurve

YEAR_MS = 365 * 86_400_000


def test_sortino_equals_the_example_of_rollinger_and_hoffman() -> None:
    returns = np.array([0.17, 0.15, 0.23, -0.05, 0.12, 0.09, 0.13, -0.04])
    assert sortino_daily(returns, days_a_year=1) == pytest.approx(4.417261, abs=1e-6)
    assert sortino_daily(returns) == pytest.approx(4.417261 * math.sqrt(365), abs=1e-4)


def test_sortino_without_days_or_without_a_day_below_the_target_is_nan() -> None:
    assert math.isnan(sortino_daily(np.empty(0)))
    assert math.isnan(sortino_daily(np.array([0.01, 0.02])))


def test_growth_is_compounded_over_years_of_365_days() -> None:
    assert cagr(100.0, 144.0, 2 * YEAR_MS) == pytest.approx(0.2)
    assert cagr(100.0, 110.0, YEAR_MS // 2) == pytest.approx(0.21)
    assert cagr(100.0, 0.0, YEAR_MS) == -1.0
    assert math.isnan(cagr(100.0, 110.0, 0))
    assert calmar(0.2, 0.1) == pytest.approx(2.0)
    assert math.isnan(calmar(0.2, 0.0))


def test_drawdown_is_the_worst_inside_any_bar() -> None:
    close = np.array([100.0, 110.0, 105.0])
    curve = EquityCurve(np.arange(3), close, close - 9, np.array([0.09, 0.01, 0.127]))
    assert max_drawdown(curve) == 0.127
    empty = np.empty(0)
    assert max_drawdown(EquityCurve(np.empty(0, np.int64), empty, empty, empty)) == 0.0


@pytest.mark.parametrize(
    ("a_year", "years"), [(252, 2.73), (52, 2.83), (12, 3.24)], ids=["daily", "weekly", "monthly"]
)
def test_track_record_to_tell_sharpe_2_from_1_equals_bailey_and_lopez_de_prado_2012(
    a_year: int, years: float
) -> None:
    seen = Shape(2 / math.sqrt(a_year), 100)
    periods = min_track_record(seen, 1 / math.sqrt(a_year))
    assert round(periods / a_year, 2) == years


def test_after_the_minimum_track_record_the_probabilistic_sharpe_ratio_is_the_confidence() -> None:
    seen = Shape(0.08, 100, -1.2, 7.0)
    periods = min_track_record(seen, 0.02)
    # the error divides by T − 1, the record adds 1: the same T
    then = Shape(0.08, math.ceil(periods), -1.2, 7.0)
    assert probabilistic_sharpe(then, 0.02) == pytest.approx(0.95, abs=1e-3)
    assert probabilistic_sharpe(then, 0.02) >= 0.95


def test_track_record_of_a_ratio_that_is_not_above_the_other_never_ends() -> None:
    assert min_track_record(Shape(0.05, 100), 0.05) == math.inf
    assert math.isnan(min_track_record(Shape(math.nan, 100)))


@pytest.mark.parametrize(
    ("trials", "skewness", "kurtosis", "published"),
    [(100, -3.0, 10.0, 0.9004), (46, -3.0, 10.0, 0.9505), (88, 0.0, 3.0, 0.9505)],
    ids=["100-trials", "46-trials", "88-trials-normal"],
)
def test_deflated_sharpe_ratio_equals_bailey_and_lopez_de_prado_2014(
    trials: int, skewness: float, kurtosis: float, published: float
) -> None:
    """Annual Sharpe 2.5 over 1,250 days; the trials' annual ratios have variance 1/2."""
    seen = Shape(2.5 / math.sqrt(250), 1250, skewness, kurtosis)
    found = deflated_sharpe(seen, TrialSharpes(trials, trials, 0.5 / 250))
    assert found == pytest.approx(published, abs=6e-5)


def test_expected_best_ratio_of_the_paper_is_0_1132_a_day() -> None:
    assert expected_best_sharpe(TrialSharpes(100, 100, 0.5 / 250), 1250) == pytest.approx(
        0.1132, abs=5e-5
    )


@pytest.mark.parametrize("count", [10, 100, 1000])
def test_expected_best_of_many_trials_is_close_to_the_exact_expectation(count: int) -> None:
    exact, _ = integrate.quad(
        lambda z: z * count * stats.norm.pdf(z) * stats.norm.cdf(z) ** (count - 1), -9, 9
    )
    assert expected_best_sharpe(TrialSharpes(count, count, 1.0), 100) == pytest.approx(
        exact, rel=0.025
    )


def test_one_trial_is_no_choice_and_its_deflated_ratio_is_the_probabilistic_one() -> None:
    seen = Shape(0.1, 500)
    assert expected_best_sharpe(TrialSharpes(1, 1, math.nan), 500) == 0.0
    assert deflated_sharpe(seen, TrialSharpes(1, 0, math.nan)) == probabilistic_sharpe(seen)
    assert deflated_sharpe(seen, TrialSharpes(2, 0, math.nan)) < probabilistic_sharpe(seen)


def test_unknown_variance_of_trials_is_that_of_worthless_returns() -> None:
    unknown, known = TrialSharpes(50, 0, math.nan), TrialSharpes(50, 50, 1 / 499)
    assert expected_best_sharpe(unknown, 500) == expected_best_sharpe(known, 500)
    rng = np.random.default_rng(1)
    ratios = [sharpe_daily(rng.normal(size=500), days_a_year=1).annual for _ in range(1500)]
    assert TrialSharpes.of(ratios).variance == pytest.approx(1 / 499, rel=0.1)


def test_more_trials_never_raise_the_deflated_ratio() -> None:
    seen = Shape(0.1, 500)
    found = [deflated_sharpe(seen, TrialSharpes(n, 0, math.nan)) for n in (1, 2, 10, 100, 10_000)]
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize("looks", [2, 100])
def test_looks_at_much_the_same_settings_do_not_hide_trials_without_a_ratio(looks: int) -> None:
    """Trainings have no ratio of their own; two backtests of one system hardly differ."""
    near = [0.1 + 0.0001 * each for each in range(looks)]
    hidden, alone = TrialSharpes.of(near, 200 + looks), TrialSharpes(200, 0, math.nan)
    assert expected_best_sharpe(hidden, 670) == expected_best_sharpe(alone, 670)


def test_ratios_of_unequal_worthless_runs_have_the_variance_of_the_judged_length() -> None:
    draw = np.random.default_rng(3)
    lengths = [int(each) for each in draw.integers(5, 800, size=4000)]
    ratios = [float(draw.normal() / math.sqrt(each - 1)) for each in lengths]
    trials = TrialSharpes.of(ratios, periods=lengths)
    for judged in (30, 500, 2000):
        assert trials.variance_at(judged) == pytest.approx(1 / (judged - 1), rel=0.05)
    # brought to no length they would be the variance of neither
    assert TrialSharpes.of(ratios).variance > 3 / 499


def test_look_at_three_days_does_not_decide_about_two_years() -> None:
    year = math.sqrt(365)
    seen = Shape(3 / year, 730)
    trials = TrialSharpes.of([3 / year, -11 / year], periods=[730, 3])
    assert deflated_sharpe(seen, trials) == pytest.approx(0.991, abs=0.001)
    as_long = TrialSharpes.of([3 / year, -11 / year], periods=[730, 730])
    assert as_long == replace(TrialSharpes.of([3 / year, -11 / year]), periods=730)
    assert deflated_sharpe(seen, as_long) < 0.01


def test_best_of_short_worthless_runs_is_half_as_good_over_four_times_their_days() -> None:
    short = TrialSharpes.of([0.1, -0.1], periods=[101, 101])
    found = expected_best_sharpe(short, 101)
    assert expected_best_sharpe(short, 401) == pytest.approx(found / 2)


def _literally(returns: np.ndarray, blocks: int) -> Overfitting:
    """CSCV step by step, as the paper words it: matrices joined, ranked and compared."""
    parts = np.split(returns, blocks)
    logits, lost = [], 0
    for chosen in combinations(range(blocks), blocks // 2):
        here = np.concatenate([parts[each] for each in chosen])
        there = np.concatenate([parts[each] for each in range(blocks) if each not in chosen])
        ratio = [part.mean(axis=0) / part.std(axis=0, ddof=1) for part in (here, there)]
        best = int(np.argmax(stats.rankdata(ratio[0])))
        omega = stats.rankdata(ratio[1])[best] / (returns.shape[1] + 1)
        logits.append(math.log(omega / (1 - omega)))
        lost += bool(ratio[1][best] < 0)
    splits = len(logits)
    return Overfitting(
        sum(each <= 1e-12 for each in logits) / splits, lost / splits, splits, returns.shape[1]
    )


@pytest.mark.parametrize("edge", [0.0, 0.1], ids=["noise", "one-is-good"])
def test_overfitting_equals_the_papers_steps_done_literally(edge: float) -> None:
    for seed in range(5):
        returns = np.random.default_rng(seed).normal(0, 0.01, (240, 9))
        returns[:, 4] += edge * 0.01
        returns[:, 7] = returns[:, 2]  # two settings that trade alike share their rank
        assert overfitting(returns, blocks=8) == _literally(returns, 8)


def test_overfitting_of_two_settings_that_swap_is_certain_and_of_one_that_leads_is_none() -> None:
    wave = np.tile([0.01, 0.03], 20)
    first, second = np.r_[wave, wave - 0.04], np.r_[wave - 0.04, wave]
    swapped = overfitting(np.column_stack([first, second]), blocks=2)
    assert (swapped.pbo, swapped.loss, swapped.splits, swapped.settings) == (1.0, 1.0, 2, 2)
    leading = overfitting(np.column_stack([first, first - 0.02]), blocks=2)
    assert leading.pbo == 0.0


def test_best_of_pure_noise_is_overfitted_half_of_the_time() -> None:
    found = [
        overfitting(np.random.default_rng(seed).normal(size=(400, 20)), blocks=8).pbo
        for seed in range(60)
    ]
    assert np.mean(found) == pytest.approx(0.5, abs=0.07)


def test_setting_that_never_trades_has_ratio_zero_and_too_few_days_are_nan() -> None:
    returns = np.column_stack([np.zeros(64), np.random.default_rng(1).normal(-1, 0.1, 64)])
    assert overfitting(returns, blocks=4).pbo == 0.0
    assert math.isnan(overfitting(returns[:6], blocks=4).pbo)
    assert math.isnan(overfitting(returns[:, :1], blocks=4).pbo)
    with pytest.raises(ValueError, match="an even number of blocks is allowed, 5 came"):
        overfitting(returns, blocks=5)


def test_drawdowns_of_random_orders_are_those_of_all_orders() -> None:
    returns = np.array([0.05, -0.04, 0.03, -0.06, 0.02])
    exact = []
    for order in permutations(returns):
        balance = np.cumprod(1 + np.array(order))
        peak = np.maximum.accumulate(np.r_[1.0, balance])[1:]
        exact.append(max(0.0, float((1 - balance / peak).max())))
    drawn = order_drawdowns(returns, seed=1, replicates=20_000)
    assert set(np.round(drawn, 12)) == set(np.round(exact, 12))
    assert drawn.mean() == pytest.approx(np.mean(exact), rel=0.01)
    shares = [abs(np.mean(drawn <= each) - np.mean(np.array(exact) <= each)) for each in exact]
    assert max(shares) < 0.015
    quantiles = drawdown_quantiles(returns, (0.5, 0.95), seed=1, replicates=20_000)
    assert quantiles == tuple(np.quantile(drawn, (0.5, 0.95)))


def test_every_order_of_trades_ends_with_the_same_balance() -> None:
    returns = trade_returns(np.array([100.0, -50.0, 200.0]), 1000.0)
    assert returns.tolist() == pytest.approx([0.1, -50 / 1100, 200 / 1050])
    assert np.prod(1 + returns) == pytest.approx(1.25)
    assert order_drawdowns(np.empty(0), replicates=3).tolist() == [0.0, 0.0, 0.0]
    with pytest.raises(ValueError, match="trade 1: a balance above 0 is needed, -500 came"):
        trade_returns(np.array([-1500.0, 10.0]), 1000.0)


def test_proof_of_55_percent_at_1_to_1_takes_about_611_trades() -> None:
    assert trades_to_prove(0.55) == pytest.approx(611, rel=0.01)


@pytest.mark.parametrize(
    ("true", "against"), [(0.55, 0.5), (0.60, 0.5), (0.40, 1 / 3)], ids=["55", "60", "40-at-1:2"]
)
def test_binomial_sample_size_has_the_power_that_the_exact_test_shows(
    true: float, against: float
) -> None:
    count = int(trades_to_prove(true, against))
    hits = np.arange(count + 1)
    significant = stats.binom.sf(hits - 1, count, against) <= 0.05
    power = stats.binom.pmf(hits, count, true)[significant].sum()
    assert power == pytest.approx(0.80, abs=0.04)


def test_win_rate_that_is_not_above_break_even_is_never_proven() -> None:
    assert trades_to_prove(0.5, 0.5) == math.inf
    assert math.isnan(trades_to_prove(0.5, math.nan))
    assert trades_to_prove_mean(np.array([-1.0, 0.5])) == math.inf
    assert trades_to_prove_mean(np.array([1.0])) == math.inf


def test_break_even_is_where_the_payoffs_earn_nothing() -> None:
    assert break_even(np.array([2.0, 2.0, -1.0])) == pytest.approx(1 / 3)
    assert break_even(np.array([0.9, -1.1])) == pytest.approx(0.55)
    assert math.isnan(break_even(np.array([1.0, 2.0])))


def test_sample_size_of_a_mean_equals_that_of_the_win_rate_where_payoffs_are_equal() -> None:
    net = np.r_[np.ones(55), -np.ones(45)]
    assert trades_to_prove_mean(net) == pytest.approx(trades_to_prove(0.55), rel=0.02)


def test_bootstrap_limits_of_a_mean_are_those_of_the_normal_law() -> None:
    values = np.random.default_rng(2).normal(0.1, 1, 400)
    found = bootstrap(values, lambda drawn: float(drawn.mean()), block=1.0, replicates=4000)
    half = 1.96 * values.std() / 20
    assert found.value == values.mean()
    assert (found.low, found.high) == pytest.approx(
        (values.mean() - half, values.mean() + half), abs=0.012
    )


def test_bootstrap_limits_hold_the_true_sharpe_ratio_about_nine_times_in_ten() -> None:
    rng, held = np.random.default_rng(3), 0
    for seed in range(100):
        found = bootstrap(
            rng.normal(0.1, 1, 250), lambda drawn: sharpe_daily(drawn, days_a_year=1).annual,
            level=0.9, seed=seed, replicates=200,
        )  # fmt: skip
        held += found.low <= 0.1 <= found.high
    assert 82 <= held <= 97


def test_resamples_without_the_figure_are_left_out_and_counted() -> None:
    found = bootstrap(np.array([1.0, -1.0, 0.0]), profit_factor, block=1.0, replicates=500)
    assert found.undefined == pytest.approx(1 / 27, abs=0.03)
    assert found.high == math.inf
    nothing = bootstrap(np.empty(0), profit_factor)
    assert math.isnan(nothing.value)
    assert nothing.undefined == 1.0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf], ids=str)
def test_trade_whose_profit_is_not_known_is_refused_and_not_left_out(bad: float) -> None:
    net = np.r_[np.ones(120), bad, -np.ones(50)]
    for figure in (profit_factor, profit_factor_p5, lambda each: score(each, 0.1)):
        with pytest.raises(ValueError, match=r"trade 120: a finite net profit is needed"):
            figure(net)


def test_drawdown_that_is_not_known_has_no_score() -> None:
    with pytest.raises(ValueError, match="max_drawdown: a finite share is needed, nan came"):
        score(np.r_[np.ones(120), -np.ones(50)], math.nan)


def test_overfitting_of_a_return_that_is_not_known_is_refused() -> None:
    returns = np.random.default_rng(0).normal(0.0, 0.01, (40, 3))
    returns[7, 2] = math.nan
    with pytest.raises(ValueError, match="nan came on day 7 of setting 2"):
        overfitting(returns)


def test_growth_of_minutes_is_infinite_where_a_year_of_it_is_beyond_any_number() -> None:
    assert cagr(100.0, 103.0, 15 * 60_000) == math.inf
    assert cagr(100.0, 97.0, 15 * 60_000) == -1.0


def test_equal_returns_have_no_sharpe_ratio_whatever_rounding_leaves_of_them() -> None:
    assert np.full(365, 0.001).std(ddof=1) > 0  # the rounding
    for returns in (np.full(365, 0.001), np.full(365, -0.07), np.zeros(9)):
        assert math.isnan(sharpe_daily(returns).annual)
        assert math.isnan(probabilistic_sharpe(shape_of(returns)))


def test_error_of_a_ratio_where_the_variance_vanishes_is_zero_and_proves_nothing() -> None:
    # two values: kurtosis is 1 + skewness², and at ratio 2/skewness nothing is left of the error
    for skewness in np.linspace(0.1, 3.0, 400):
        found = sharpe_error(2 / skewness, 100, float(skewness), 1 + float(skewness) ** 2)
        assert found < 1e-6
    assert math.isnan(probabilistic_sharpe(Shape(2.0, 100, 1.0, 2.0)))
