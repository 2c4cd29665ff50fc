"""A random twin trades a run's own forecasts at other times."""

from dataclasses import replace

import numpy as np
import pytest

from backtest.driver import BacktestRun, run_backtest
from backtest.walk_forward.random_twin import random_twin
from market.instruments import instrument
from tests.backtest.markets import decided, random_probabilities, random_walk, rules

BTC = instrument("BTCUSD")
# nothing that stops trading after losses: twins lose on other days
FREE = rules(
    risk_percent=0.25, max_daily_loss_pct=0, max_weekly_drawdown_pct=0,
    circuit_breaker={"enabled": False},
)  # fmt: skip


def run(bars: int = 96 * 20) -> BacktestRun:
    walk = random_walk(BTC, bars, seed=3, level=60_000, move=0.002)
    return run_backtest(decided(walk, random_probabilities(len(walk), seed=4)), FREE)


def test_twin_has_the_same_forecasts_at_other_bars() -> None:
    own = run()
    twin = random_twin(own, 1)
    before, after = own.bars.forecasts.probabilities, twin.bars.forecasts.probabilities
    assert not np.array_equal(before, after)
    assert np.array_equal(np.sort(before, axis=0), np.sort(after, axis=0))
    assert np.array_equal(own.bars.bars.close, twin.bars.bars.close)


def test_clusters_of_forecasts_stay_together() -> None:
    own = run()
    before = own.bars.forecasts.margin
    after = random_twin(own, 1).bars.forecasts.margin
    turns = [turn for turn in range(len(before)) if np.array_equal(np.roll(before, turn), after)]
    assert len(turns) == 1
    assert 96 <= turns[0] < len(before) - 96


def test_twin_trades_about_as_often_and_otherwise() -> None:
    own = run()
    twin = random_twin(own, 1)
    assert len(twin.trades) == pytest.approx(len(own.trades), rel=0.2)
    assert [each.opened_ms for each in twin.trades] != [each.opened_ms for each in own.trades]


def test_a_seed_gives_the_same_twin_and_another_seed_another() -> None:
    own = run()
    first, again, other = (random_twin(own, seed).deals for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_the_floor_turns_with_its_forecasts() -> None:
    own = run()
    floor = np.arange(len(own.bars), dtype=np.float64)
    turned = random_twin(run_backtest(replace(own.bars, margin_floor=floor), own.rules), 1)
    order = turned.bars.margin_floor.astype(np.int64)
    assert np.array_equal(turned.bars.forecasts.margin, own.bars.forecasts.margin[order])


def test_a_run_too_short_to_be_turned_is_refused() -> None:
    with pytest.raises(ValueError, match="288 decided bars"):
        random_twin(run(bars=287), 1)
