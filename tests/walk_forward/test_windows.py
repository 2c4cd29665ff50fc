"""All windows of some days: what each holds, and how many look like a headline."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from backtest.statistics import binomial_tail
from backtest.walk_forward.blocks import DAY_MS, pooled
from backtest.walk_forward.windows import Headline, all_windows, chance, quantiles, reached
from tests.walk_forward.records import MONDAY_MS, block

SEEDS = Headline(0.717, 5.46)


def won(*days: float) -> list[tuple[float, float]]:
    return [(day, 10.0) for day in days]


def test_one_window_begins_on_each_day_on_which_a_whole_one_is_left() -> None:
    windows = all_windows(pooled([block(0, [0.0] * 10)]), 4)
    assert windows.from_ms.tolist() == [MONDAY_MS + day * DAY_MS for day in range(7)]


@pytest.mark.parametrize(
    ("days", "windows", "disjoint"), [(10, 1, 1), (5, 6, 2), (4, 7, 2), (11, 0, 0)]
)
def test_windows_overlap_and_only_few_fit_side_by_side(
    days: int, windows: int, disjoint: int
) -> None:
    found = all_windows(pooled([block(0, [0.0] * 10)]), days)
    assert (len(found), found.disjoint) == (windows, disjoint)


def test_a_trade_belongs_to_the_windows_in_which_it_closed() -> None:
    windows = all_windows(pooled([block(0, [0.0] * 4, [(0.5, 10.0), (2.5, -5.0)])]), 2)
    assert windows.trades.tolist() == [1, 1, 1]
    assert windows.win_rate.tolist() == [1.0, 0.0, 0.0]
    assert windows.profit_factor[0] == np.inf
    assert windows.profit_factor[1] == 0.0


def test_a_window_without_a_trade_has_no_win_rate_and_no_profit_factor() -> None:
    windows = all_windows(pooled([block(0, [0.01, 0.0, 0.0])]), 2)
    assert windows.trades.tolist() == [0, 0]
    assert np.isnan(windows.win_rate).all()
    assert np.isnan(windows.profit_factor).all()


def test_return_and_drawdown_of_a_window_begin_at_its_own_begin() -> None:
    pool = pooled([block(0, [0.5, -0.2]), block(2, [0.1, -0.1])])
    windows = all_windows(pool, 2)
    assert windows.gain == pytest.approx([0.2, -0.12, -0.01])
    assert windows.max_drawdown == pytest.approx([0.2, 0.2, 0.1])


def test_what_is_lost_in_the_first_bar_of_a_window_is_its_loss() -> None:
    """As the return of its first day, which begins at the close before."""
    made = block(0, [0.0, 0.0, 0.0])
    falls = np.r_[np.full(4, 800.0), np.full(8, 720.0)]
    windows = all_windows(pooled([replace(made, close=falls, worst=falls.copy())]), 2)
    assert windows.gain == pytest.approx([-0.28, -0.1])  # the account began with 1000
    assert windows.max_drawdown == pytest.approx([0.28, 0.1])


def test_sharpe_of_a_window_is_that_of_its_days() -> None:
    windows = all_windows(pooled([block(0, [0.01, 0.03, -0.01])]), 2)
    expected = np.array([0.02, 0.01]) / np.std([[0.01, 0.03], [0.03, -0.01]], axis=1, ddof=1)
    assert windows.sharpe == pytest.approx(expected * np.sqrt(365))


def test_quantiles_leave_out_windows_without_the_figure() -> None:
    windows = all_windows(pooled([block(0, [0.0] * 6, won(0.5))]), 2)
    assert quantiles(windows, (0.0, 1.0))["win_rate"] == [1.0, 1.0]
    assert quantiles(windows, (0.0, 1.0))["trades"] == [0.0, 1.0]


def test_few_trades_reach_a_headline_and_prove_nothing() -> None:
    pool = pooled([block(0, [0.0] * 4, won(0.5, 1.5, 2.5, 3.5))])
    found = reached(all_windows(pool, 2), SEEDS)
    assert (found.windows, found.both, found.judged, found.proper) == (3, 3, 0, 0)
    assert found.alarmed == 3


def test_a_headline_needs_its_win_rate_and_its_profit_factor_at_once() -> None:
    wins = [(0.1 + 0.001 * i, 10.0) for i in range(75)]
    losses = [(0.5 + 0.001 * i, -10.0) for i in range(25)]
    found = reached(all_windows(pooled([block(0, [0.0, 0.0], wins + losses)]), 2), SEEDS)
    assert (found.win_rate, found.profit_factor, found.proper) == (1, 0, 0)


def test_a_win_rate_of_717_at_one_to_one_is_a_profit_factor_of_253() -> None:
    wins = [(0.1 + 0.0001 * i, 1.0) for i in range(717)]
    losses = [(0.5 + 0.0001 * i, -1.0) for i in range(283)]
    windows = all_windows(pooled([block(0, [0.0, 0.0], wins + losses)]), 2)
    assert windows.profit_factor[0] == pytest.approx(2.534, abs=0.001)


@pytest.mark.parametrize(
    ("hits", "count", "share"),
    [(0, 5, 0.3), (3, 5, 0.3), (5, 5, 0.9), (82, 114, 0.566), (600, 1000, 0.5), (6, 5, 0.5)],
)
def test_tail_of_the_binomial_is_exact(hits: int, count: int, share: float) -> None:
    assert binomial_tail(hits, count, share) == pytest.approx(
        stats.binom.sf(hits - 1, count, share), rel=1e-9
    )


def test_chance_of_a_win_rate_is_that_of_the_windows_own_number_of_trades() -> None:
    # 3 of 4 won at 10 : −10, so a trade wins 3 of 4 times, and pays from every second on
    pool = pooled([block(0, [0.0] * 4, [*won(0.2, 0.4, 0.6), (0.8, -10.0)])])
    found = chance(all_windows(pool, 2), pool, SEEDS)
    # windows have 4, 0 and 0 trades; 71.7 % of 4 is 3 or more
    assert found.as_measured == pytest.approx(stats.binom.sf(2, 4, 0.75) / 3)
    assert found.break_even == pytest.approx(stats.binom.sf(2, 4, 0.5) / 3)
