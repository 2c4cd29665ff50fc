"""Each statistic against a published example, an independent implementation, or by hand."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from backtest.statistics import (
    daily_returns,
    mean_block,
    profit_factor,
    profit_factor_p5,
    score,
    sharpe_daily,
    sharpe_error,
    stationary_blocks,
    wilson,
)
from trading.equity import EquityCurve

DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611),
     (1, 29, 0.0061, 0.1718)],
    ids=["81-of-263", "15-of-148", "0-of-20", "1-of-29"],
)  # fmt: skip
def test_wilson_interval_equals_newcombes_published_examples(
    hits: int, count: int, low: float, high: float
) -> None:
    found = wilson(hits, count)
    assert found.share == hits / count
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_wilson_interval_equals_scipys_everywhere() -> None:
    for count in (1, 2, 7, 100):
        for hits in range(count + 1):
            theirs = stats.binomtest(hits, count).proportion_ci(method="wilson")
            ours = wilson(hits, count)
            assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_wilson_interval_of_nothing_is_nan_and_more_hits_than_trials_are_refused() -> None:
    assert math.isnan(wilson(0, 0).low)
    with pytest.raises(ValueError, match="0 … 3 hits are allowed, 4 came"):
        wilson(4, 3)


@pytest.mark.parametrize(
    ("net", "expected"),
    [([3.0, -1.0, 2.0, -1.5, 0.0], 2.0), ([1.0, 2.0], math.inf), ([-1.0], 0.0), ([0.0], math.nan),
     ([], math.nan)],
    ids=["gains-and-losses", "no-loss", "no-gain", "neither", "no-trade"],
)  # fmt: skip
def test_profit_factor_is_gains_over_losses(net: Sequence[float], expected: float) -> None:
    assert profit_factor(np.array(net)) == pytest.approx(expected, nan_ok=True)


def test_stationary_blocks_run_on_with_geometric_lengths_and_wrap_at_the_end() -> None:
    count, block = 200, 5.0
    drawn = np.array(list(stationary_blocks(count, block, 300, seed=1)))
    assert drawn.min() == 0
    assert drawn.max() == count - 1
    goes_on = (drawn[:, 1:] - drawn[:, :-1]) % count == 1
    # a block ends with probability 1/5; a new one starts just behind the old one once in 200
    assert goes_on.mean() == pytest.approx(1 - 1 / block + 1 / block / count, abs=0.005)
    wraps = (drawn[:, 1:] == 0) & (drawn[:, :-1] == count - 1)
    assert wraps.any()
    assert np.bincount(drawn.ravel(), minlength=count) / 300 == pytest.approx(1.0, abs=0.4)


def test_block_of_one_trade_is_the_plain_bootstrap() -> None:
    drawn = np.array(list(stationary_blocks(50, 1.0, 400, seed=2)))
    goes_on = (drawn[:, 1:] - drawn[:, :-1]) % 50 == 1
    assert goes_on.mean() == pytest.approx(1 / 50, abs=0.005)


def test_bootstrap_variance_of_a_mean_equals_its_closed_form() -> None:
    """Politis and Romano (1994): the resample is stationary, with autocovariances q^lag · C(lag),
    C the circular ones of the sample."""
    rng = np.random.default_rng(3)
    noise = rng.normal(size=301)
    series = noise[1:] + 0.8 * noise[:-1]
    count, block = len(series), 8.0
    spread = series - series.mean()
    circular = np.array([(spread * np.roll(spread, -lag)).mean() for lag in range(count)])
    lag = np.arange(1, count)
    weights = (1 - lag / count) * (1 - 1 / block) ** lag
    exact = (circular[0] + 2 * (weights * circular[1:]).sum()) / count
    means = [series[rows].mean() for rows in stationary_blocks(count, block, 20_000, seed=4)]
    assert np.var(means) == pytest.approx(exact, rel=0.05)


def test_pf5_covers_the_true_profit_factor_about_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(5)
    truth, below = 1.2, 0
    for seed in range(120):
        won = rng.random(300) < truth / (1 + truth)
        below += profit_factor_p5(np.where(won, 1.0, -1.0), seed=seed, replicates=300) <= truth
    assert 0.89 <= below / 120 <= 0.99


def test_pf5_is_an_order_statistic_that_the_seed_repeats() -> None:
    net = np.random.default_rng(6).normal(0.1, 1, 150)
    assert profit_factor_p5(net, seed=1) == profit_factor_p5(net, seed=1)
    assert profit_factor_p5(net, seed=1) != profit_factor_p5(net, seed=2)
    drawn = [profit_factor(net[rows]) for rows in stationary_blocks(150, mean_block(150), 2000, 1)]
    assert profit_factor_p5(net, seed=1) in drawn
    assert np.mean(np.array(drawn) < profit_factor_p5(net, seed=1)) == pytest.approx(0.05, abs=1e-3)


def test_pf5_of_trades_that_never_lose_has_no_limit_and_of_none_is_nan() -> None:
    assert profit_factor_p5(np.ones(5)) == math.inf
    assert profit_factor_p5(-np.ones(5)) == 0.0
    assert math.isnan(profit_factor_p5(np.empty(0)))


def test_score_is_log_pf5_less_drawdown_in_percent() -> None:
    net = np.random.default_rng(7).normal(0.2, 1, 400)
    found = score(net, 0.08, seed=3)
    p5 = profit_factor_p5(net, seed=3)
    assert found.profit_factor_p5 == p5
    assert found.value == 100 * math.log(p5) - 8.0
    assert (found.trades, found.max_drawdown, found.why_not) == (400, 0.08, "")


@pytest.mark.parametrize("count", [0, 1, 99])
def test_fewer_than_100_trades_are_not_comparable(count: int) -> None:
    found = score(np.where(np.arange(count) % 2, 1.0, -0.5), 0.0)
    assert found.value is None
    assert found.why_not == f"{count} trades; fewer than 100 are not comparable"
    assert score(np.where(np.arange(100) % 2, 1.0, -0.5), 0.0).value is not None


def test_trades_without_a_loss_have_no_score_because_it_would_be_infinite() -> None:
    found = score(np.ones(200), 0.0)
    assert found.value is None
    assert "inf" in found.why_not


@pytest.mark.parametrize(
    ("ratio", "count", "error"),
    [(0.5, 12, 0.306), (1.0, 12, 0.354), (1.5, 24, 0.298), (3.0, 60, 0.303)],
    ids=["0.5-of-12", "1.0-of-12", "1.5-of-24", "3.0-of-60"],
)
def test_sharpe_error_of_normal_returns_equals_lo_2002_table_1(
    ratio: float, count: int, error: float
) -> None:
    assert round(sharpe_error(ratio, count + 1), 3) == error  # Lo divides by T, this by T − 1


def test_sharpe_error_gives_the_published_probabilistic_sharpe_ratios() -> None:
    """Bailey and López de Prado (2012): mean 3.6 %, deviation 7.9 %, 24 months, two cases."""
    monthly = 0.036 / 0.079
    normal = stats.norm.cdf(monthly / sharpe_error(monthly, 24))
    skewed = stats.norm.cdf(monthly / sharpe_error(monthly, 24, -2.448, 10.164))
    assert (round(normal, 3), round(skewed, 3)) == (0.981, 0.913)


def test_sharpe_is_annual_and_takes_shape_from_the_returns() -> None:
    returns = stats.skewnorm.rvs(-6, size=500, random_state=8) / 100
    found = sharpe_daily(returns, days_a_year=252)
    daily = returns.mean() / returns.std(ddof=1)
    error = sharpe_error(
        daily, 500, float(stats.skew(returns)), float(stats.kurtosis(returns, fisher=False))
    )
    assert found.annual == pytest.approx(daily * math.sqrt(252))
    assert found.standard_error == pytest.approx(error * math.sqrt(252))
    assert found.days == 500


def test_sharpe_error_is_the_spread_of_sharpe_ratios_over_many_histories() -> None:
    rng = np.random.default_rng(9)
    many = [sharpe_daily(rng.normal(0.1, 1, 250), days_a_year=1).annual for _ in range(2000)]
    assert np.std(many) == pytest.approx(sharpe_error(0.1, 250), rel=0.06)


@pytest.mark.parametrize("returns", [[], [0.01], [0.0, 0.0]], ids=["none", "one", "flat"])
def test_sharpe_without_variation_is_nan(returns: Sequence[float]) -> None:
    assert math.isnan(sharpe_daily(np.array(returns)).annual)


def test_daily_returns_go_from_the_last_close_of_a_utc_day_to_the_next() -> None:
    time_ms = np.array([1, 2, 3, 4]) * DAY_MS // 2  # closes at noon and at midnight
    close = np.array([110.0, 120.0, 90.0, 60.0])
    curve = EquityCurve(time_ms, close, close, np.zeros(4))
    assert daily_returns(curve, 100.0).tolist() == pytest.approx([0.2, -0.5])
