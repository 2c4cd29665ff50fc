"""Trades whose truth is known, through the gates: the short form, without a pipeline."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from backtest.gate_settings import GoLiveSettings
from backtest.gates import Verdict
from backtest.planted import (
    DAYS,
    PLANTED,
    TRADES,
    Planted,
    error_rates,
    good,
    lucky,
    planted_verdict,
)
from backtest.statistics import deflated_sharpe, profit_factor_p5, shape_of

SETTINGS = GoLiveSettings()


def test_leak_lucky_good_and_dead_get_their_verdicts_over_20_seeds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rates = error_rates(20, SETTINGS)
    with capsys.disabled():
        print("\n" + "\n".join(rate.text for rate in rates))
    expected = [Verdict.ALARM, Verdict.NOT_PROVEN, Verdict.PROVEN, Verdict.NOT_PROVEN]
    assert [rate.expected for rate in rates] == expected
    assert [rate.wrong for rate in rates] == [0, 0, 0, 0]


@pytest.mark.parametrize("make", [make for make, _ in PLANTED.values()], ids=PLANTED)
def test_fakes_are_drawn_from_their_seed(make: Callable[[int], Planted]) -> None:
    first, again, other = make(1), make(1), make(2)
    assert first.r.tolist() == again.r.tolist()
    assert first.daily.tolist() == again.daily.tolist()
    assert first.r.tolist() != other.r.tolist()


def test_luck_passes_every_criterion_that_does_not_count_the_trials() -> None:
    """Without the count the best of 1,000 coin flips looks like an edge."""
    found = lucky(0)
    assert len(found.r) == TRADES
    assert len(found.daily) == DAYS
    assert found.trials.count == 1000
    assert found.r.mean() > 0.1
    assert profit_factor_p5(found.r) > 1
    shape = shape_of(found.daily)
    alone = type(found.trials)(1, 1, math.nan)
    assert deflated_sharpe(shape, alone) > 0.99
    assert deflated_sharpe(shape, found.trials) < 0.95


def test_count_of_trials_catches_luck_where_the_sweep_is_not_there_to_judge() -> None:
    for seed in range(5):
        alone = replace(lucky(seed), sweep=None)
        assert planted_verdict(alone, SETTINGS, seed=seed) is Verdict.NOT_PROVEN


def test_good_one_wins_60_percent_at_1_to_1() -> None:
    won = np.mean([(good(seed).r > 0).mean() for seed in range(50)])
    assert won == pytest.approx(0.60, abs=0.01)
    assert set(good(0).r) == {-1.0, 1.0}
