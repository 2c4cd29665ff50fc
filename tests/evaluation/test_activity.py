"""Exposure, turnover and costs, on ledgers small enough to add up by hand."""

import math

import numpy as np
import pytest

from backtest.statistics import cost_share, exposure, spread_cost, turnover_a_year
from broker.contract.constants import DealEntry, DealType
from tests.builders import MONDAY_MS, make_bars, make_deal, make_input

BAR = 900_000
TERMS = make_input().instrument
YEAR_MS = 365 * 86_400_000


def test_exposure_counts_overlapping_positions_once_and_stops_at_the_window() -> None:
    opened, closed = np.array([10, 15, 60, -5]), np.array([20, 30, 200, 5])
    assert exposure(opened, closed, from_ms=0, to_ms=100) == pytest.approx((5 + 20 + 40) / 100)
    assert exposure(np.empty(0, np.int64), np.empty(0, np.int64), from_ms=0, to_ms=9) == 0.0
    assert math.isnan(exposure(opened, closed, from_ms=5, to_ms=5))


def test_exposure_equals_the_share_of_instants_with_something_open() -> None:
    rng = np.random.default_rng(1)
    opened = rng.integers(-50, 1000, 30)
    closed = opened + rng.integers(0, 60, 30)
    instants = np.arange(1000)
    held = ((instants[:, None] >= opened) & (instants[:, None] < closed)).any(axis=1)
    assert exposure(opened, closed, from_ms=0, to_ms=1000) == pytest.approx(held.mean())


def test_turnover_is_half_of_what_was_bought_and_sold_over_equity_and_years() -> None:
    deals = [
        make_deal(1, 1, volume=0.5, price=100_000.0),
        make_deal(2, 2, type=DealType.SELL, entry=DealEntry.OUT, volume=0.5, price=102_000.0),
    ]
    per_price = TERMS.tick_value / TERMS.tick_size
    expected = 0.5 * 202_000 * per_price / 2 / 10_000 * 2
    found = turnover_a_year(deals, TERMS, mean_equity=10_000.0, span_ms=YEAR_MS // 2)
    assert found == pytest.approx(expected)
    assert math.isnan(turnover_a_year(deals, TERMS, mean_equity=0.0, span_ms=YEAR_MS))


def test_what_is_bought_pays_the_spread_of_the_bar_and_at_its_open_of_the_bar_before() -> None:
    bars = make_bars([(100_000, 100_100, 99_900, 100_000)] * 3, spread_points=1000)
    spreads = np.array([1000, 2000, 3000])
    object.__setattr__(bars, "spread_points", spreads)
    at = MONDAY_MS + BAR
    sold = {"type": DealType.SELL, "volume": 0.1}
    deals = [
        make_deal(1, at, volume=0.1), make_deal(2, at + 5, volume=0.1), make_deal(3, at, **sold),
        make_deal(4, MONDAY_MS, volume=0.1),
    ]  # fmt: skip
    per_price = TERMS.tick_value / TERMS.tick_size
    expected = [0.1 * points * TERMS.point * per_price for points in (1000, 2000, 0, 1000)]
    assert spread_cost(deals, bars, TERMS).tolist() == pytest.approx(expected)


def test_costs_are_a_share_of_what_trades_earned_before_them() -> None:
    net, cost = np.array([8.0, -12.0, -1.0]), np.array([2.0, 2.0, 2.0])
    assert cost_share(net, cost) == pytest.approx(6 / 11)
    assert math.isnan(cost_share(np.array([-5.0]), np.array([1.0])))
