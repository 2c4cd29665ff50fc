"""SL/TP labels are the pair that would have served the trade: prices by hand, ATR 1.00."""

import numpy as np
import pytest

from market.fills import ticks
from market.instruments import INSTRUMENTS
from ml.training.sltp_labels import (
    PAIRS,
    TradePaths,
    best_pairs,
    outcomes,
    outcomes_of,
    sides,
    trade_paths,
)
from tests.builders import make_bars

FLAT = (100.0, 100.05, 99.95, 100.0)
UP_TWO = (100.0, 102.1, 99.9, 102.0)
UP_LITTLE = (100.0, 101.3, 99.9, 101.0)
CRASH = (101.0, 101.0, 97.0, 97.0)
ATR_TICKS = 100.0


def paths(
    rows: list[tuple[float, float, float, float]], side: int = 1, spread_points: int = 0
) -> TradePaths:
    """One trade decided at the first bar, over the others."""
    prices = ticks(make_bars(rows, spread_points=spread_points), 0.01, 0.01)
    return TradePaths(prices, np.array([0]), np.array([side]), np.array([ATR_TICKS]), len(rows) - 1)


def r_of(of: TradePaths, stop: float, target: float) -> float:
    return float(outcomes_of(of, np.array([[stop, target]]))[0])


def outcome_of(of: TradePaths, stop: float, target: float) -> float:
    return float(outcomes(of, np.array([[stop, target]]))[1][0, 0])


def label(of: TradePaths, static: tuple[float, float] = (1.0, 1.0)) -> list[float]:
    return best_pairs(outcomes(of, PAIRS)[1], static)[0].tolist()


def test_a_path_of_two_atr_prefers_one_to_two_over_one_to_one() -> None:
    of = paths([FLAT, UP_TWO, FLAT])
    assert r_of(of, 1.0, 2.0) == 2.0
    assert r_of(of, 1.0, 1.0) == 1.0
    assert outcome_of(of, 1.0, 2.0) > outcome_of(of, 1.0, 1.0)


def test_a_path_that_turns_prefers_the_target_it_reaches() -> None:
    of = paths([FLAT, UP_LITTLE, CRASH])
    assert r_of(of, 1.0, 1.25) == 1.25
    assert r_of(of, 1.0, 2.0) == -1.0
    assert label(of) == [0.5, 1.25]


def test_a_dip_before_the_rise_needs_a_stop_that_survives_it() -> None:
    of = paths([FLAT, (100.0, 100.1, 99.2, 99.5), (99.5, 102.6, 99.5, 102.5)])
    assert r_of(of, 0.75, 2.5) == -1.0
    assert r_of(of, 1.0, 2.5) == 2.5
    assert label(of) == [1.0, 2.5]


def test_the_worst_open_loss_takes_half_of_itself_from_the_outcome() -> None:
    """2 R either way; a dip of 0.6 ATR on the way is worth 0.3 R less."""
    calm = paths([FLAT, (100.0, 102.1, 100.0, 102.0)])
    shaken = paths([FLAT, (100.0, 100.1, 99.4, 100.0), (100.0, 102.1, 100.0, 102.0)])
    assert r_of(calm, 1.0, 2.0) == r_of(shaken, 1.0, 2.0) == 2.0
    assert outcome_of(calm, 1.0, 2.0) == pytest.approx(2.0)
    assert outcome_of(shaken, 1.0, 2.0) == pytest.approx(1.7)


def test_a_loss_at_the_stop_is_minus_one_and_a_half() -> None:
    of = paths([FLAT, (100.0, 100.1, 98.0, 98.5)])
    assert outcome_of(of, 1.0, 2.0) == pytest.approx(-1.5)


def test_a_gap_through_the_stop_loses_more_than_the_stop() -> None:
    of = paths([FLAT, FLAT, (97.0, 97.5, 96.5, 97.0)])
    assert r_of(of, 1.0, 2.0) == -3.0
    assert outcome_of(of, 1.0, 2.0) == pytest.approx(-4.5)


def test_a_trade_that_reaches_nothing_leaves_at_the_close_of_the_horizon() -> None:
    rises = [FLAT, FLAT, (100.0, 100.5, 99.95, 100.4)]
    assert r_of(paths(rises), 1.0, 2.0) == pytest.approx(0.4)
    assert r_of(paths(rises, side=-1), 1.0, 2.0) == pytest.approx(-0.4)


@pytest.mark.parametrize("side", [1, -1], ids=["long", "short"])
def test_the_spread_is_paid_once(side: int) -> None:
    """20 points: the long at the way in, the short at the way out."""
    of = paths([FLAT, FLAT, FLAT], side=side, spread_points=20)
    assert r_of(of, 1.0, 2.0) == pytest.approx(-0.2)


def test_a_short_earns_on_the_way_down() -> None:
    of = paths([FLAT, (100.0, 100.1, 97.9, 98.0)], side=-1)
    assert r_of(of, 1.0, 2.0) == 2.0


def test_a_wider_stop_risks_the_same_money_and_earns_less_r() -> None:
    of = paths([FLAT, UP_TWO])
    assert r_of(of, 2.0, 2.0) == 1.0


def test_a_path_that_does_not_care_keeps_the_static_pair() -> None:
    """All pairs but the widest stops lose their stop: the tie goes to the nearest."""
    of = paths([FLAT, (100.0, 100.0, 60.0, 60.0)])
    assert label(of, (1.0, 1.25)) == [1.0, 1.25]
    assert label(of, (2.5, 4.0)) == [2.5, 4.0]


def test_every_pair_of_the_grid_has_its_target_beyond_its_stop() -> None:
    assert (PAIRS[:, 1] > PAIRS[:, 0]).all()
    assert len(PAIRS) == len(np.unique(PAIRS, axis=0)) == 44


def test_paths_that_leave_the_bars_are_refused() -> None:
    bars = make_bars([FLAT] * 10)
    with pytest.raises(ValueError, match="5 bars after each row"):
        trade_paths(bars, INSTRUMENTS["BTCUSD"], np.array([5]), np.array([1]), 5)


def test_the_side_is_that_of_the_larger_probability() -> None:
    said = np.array([[0.4, 0.3, 0.3], [0.2, 0.3, 0.5], [0.3, 0.3, 0.4]])
    assert sides(said).tolist() == [1, -1, 0]
