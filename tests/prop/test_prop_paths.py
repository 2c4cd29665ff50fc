"""Paths by hand, by closed form, and against the rules of the decision core."""

import math

import numpy as np
import pytest

from backtest.prop.days import TradingDays
from backtest.prop.paths import PAYOUT_DAYS, End, Game, draw_rows, floors, play
from tests.prop.paths import days_of, in_order, profile_of
from trading.decision.prop_rules import PropProfile, daily_floor, total_floor
from trading.decision.records import DayState, PropState


def ended(days: TradingDays, profile: PropProfile, *, scale: float = 1.0) -> tuple[str, int]:
    """How the one path of the days in their order ends, and on which day."""
    played = play(days, Game(profile, "challenge"), in_order(days), scale=scale)
    return End(int(played.end[0])).name, int(played.day[0])


UP, DOWN = 0.04, -0.04
BY_HAND = {
    "passes_on_the_third_day": (days_of([UP, UP, UP]), profile_of(), ("PASSED", 3)),
    "target_is_reached_exactly": (days_of([0.1]), profile_of(), ("PASSED", 1)),
    "not_there_yet": (days_of([UP, UP]), profile_of(), ("OPEN", 2)),
    "waits_for_its_days": (
        days_of([0.06, 0.06, 0, 0], traded=[True, True, False, True]), profile_of(min_days=3),
        ("PASSED", 4),
    ),
    "daily_limit_by_closed_loss": (days_of([UP, -0.05]), profile_of(), ("DAILY_LIMIT", 2)),
    "daily_limit_inside_the_day": (
        days_of([0.0, 0.02], low=[0, -0.051]), profile_of(), ("DAILY_LIMIT", 2)
    ),
    "just_above_the_daily_limit": (days_of([-0.05]), profile_of(), ("OPEN", 1)),
    "total_limit_after_bad_days": (
        days_of([DOWN, DOWN, DOWN]), profile_of(), ("TOTAL_LIMIT", 3)
    ),
    "limit_comes_before_the_target_of_its_day": (
        days_of([0.2], low=[-0.06]), profile_of(), ("DAILY_LIMIT", 1)
    ),
    "base_is_the_initial_balance": (
        days_of([0.09, -0.05]), profile_of(), ("DAILY_LIMIT", 2)
    ),
    "base_is_the_days_own": (
        days_of([0.09, -0.05]), profile_of(daily={"of": "reference"}), ("OPEN", 2)
    ),
    "open_profit_raises_the_floor": (
        days_of([0.0, 0.0], low=[0, -0.02], floating=[0.04, 0]),
        profile_of(daily={"of": "reference", "reference": "higher_of_balance_and_equity"}),
        ("DAILY_LIMIT", 2),
    ),
    "open_profit_is_nothing_to_the_balance": (
        days_of([0.0, 0.0], low=[0, -0.02], floating=[0.04, 0]), profile_of(), ("OPEN", 2)
    ),
    "static_floor_stays": (
        days_of([0.09, -0.045, -0.045, -0.03]), profile_of(target_pct=50), ("OPEN", 4)
    ),
    "trailing_floor_rises_with_midnight_balances": (
        days_of([0.09, -0.045, -0.045, -0.03]),
        profile_of(target_pct=50, total={"trailing": "end_of_day"}), ("TOTAL_LIMIT", 4),
    ),
    "best_day_holds_the_pass_back": (
        days_of([0.08, 0.02, 0.02, 0.04]), profile_of(best_day_pct=50), ("PASSED", 4)
    ),
    "nothing_to_pass": (days_of([0.5, 0.5]), profile_of(target_pct=None), ("OPEN", 2)),
}  # fmt: skip


@pytest.mark.parametrize(("days", "profile", "expected"), BY_HAND.values(), ids=list(BY_HAND))
def test_days_by_hand_end_as_the_rules_say(
    days: TradingDays, profile: PropProfile, expected: tuple[str, int]
) -> None:
    assert ended(days, profile) == expected


def test_funded_account_pays_out_and_goes_on_as_it_began() -> None:
    """29 days of gain, then 5 % of what is there: too much for an account that kept its profit."""
    days = days_of([0.01] * (PAYOUT_DAYS - 1) + [0.0, -0.05])
    assert ended(days, profile_of(target_pct=None)) == ("OPEN", PAYOUT_DAYS + 1)
    early = days_of([0.01] * (PAYOUT_DAYS - 1) + [-0.05])
    assert ended(early, profile_of(target_pct=None)) == ("DAILY_LIMIT", PAYOUT_DAYS)


def test_half_the_risk_takes_half_of_each_day() -> None:
    days = days_of([0.0, 0.12], low=[-0.08, 0])
    assert ended(days, profile_of()) == ("DAILY_LIMIT", 1)
    assert ended(days, profile_of(target_pct=6), scale=0.5) == ("PASSED", 2)


@pytest.mark.parametrize("reference", ["initial", "balance", "higher_of_balance_and_equity"])
@pytest.mark.parametrize("of", ["initial", "reference"])
@pytest.mark.parametrize("trailing", ["static", "end_of_day"])
def test_floors_are_those_of_the_decision_core(reference: str, of: str, trailing: str) -> None:
    profile = profile_of(
        daily={"pct": 4, "of": of, "reference": reference}, total={"pct": 7, "trailing": trailing}
    )
    rng = np.random.default_rng(3)
    balance, equity = rng.uniform(0.9, 1.1, 40), rng.uniform(0.9, 1.1, 40)
    highest = np.maximum(balance, rng.uniform(0.9, 1.2, 40))
    daily, total = floors(profile, balance, equity, highest)
    for i in range(40):
        state = PropState(
            DayState(0, 50_000 * balance[i], 50_000 * equity[i]), 50_000.0, 50_000 * highest[i],
            0, 0.0, 0.0,
        )  # fmt: skip
        assert daily[i] * 50_000 == pytest.approx(daily_floor(profile.daily, state), rel=1e-12)
        assert total[i] * 50_000 == pytest.approx(total_floor(profile.total, state), rel=1e-12)


# A coin: each day multiplies the balance by 1 + STEP or divides it by that.
STEP = 0.01


@pytest.mark.parametrize("heads", [0.5, 0.55, 0.45])
def test_coin_flip_ends_as_the_gamblers_ruin_does(heads: float) -> None:
    """Up steps to the target 10, down steps to the floor 8: P and E[T] in closed form."""
    up, down = 10, 8
    ups = round(1000 * heads)
    days = days_of([STEP] * ups + [1 / (1 + STEP) - 1] * (1000 - ups))
    profile = profile_of(
        target_pct=100 * ((1 + STEP) ** up - 1),
        total={"pct": 100 * (1 - (1 + STEP) ** -(down - 0.5))}, daily={"pct": 100},
    )  # fmt: skip
    rows = draw_rows(len(days), 20_000, 3000, seed=5, block=1)
    played = play(days, Game(profile, "challenge"), rows)
    odds = (1 - heads) / heads
    wins = down / (up + down)
    mean_days = float(up * down)
    if odds != 1:
        wins = (1 - odds**down) / (1 - odds ** (up + down))
        mean_days = (down - (up + down) * wins) / (1 - 2 * heads)
    share = played.share(End.PASSED).share
    assert abs(share - wins) < 4 * math.sqrt(wins * (1 - wins) / 20_000)
    assert played.share(End.OPEN).share == 0
    error = played.day.std() / math.sqrt(20_000)
    assert abs(played.day.mean() - mean_days) < 4 * error


def steady(mean: float = 0.002) -> TradingDays:
    rng = np.random.default_rng(1)
    net = rng.normal(mean, 0.012, 120)
    return days_of(net.tolist(), low=(np.minimum(net, 0) - 0.002).tolist())


def shares(days: TradingDays, profile: PropProfile, scale: float = 1.0) -> tuple[float, float]:
    """(passes, breaks) on the same paths."""
    played = play(days, Game(profile, "challenge"), draw_rows(120, 4000, 250, seed=2), scale=scale)
    broken = played.share(End.DAILY_LIMIT, End.TOTAL_LIMIT).share
    return played.share(End.PASSED).share, broken


def test_better_days_pass_more_and_break_less() -> None:
    found = [shares(steady(mean), profile_of()) for mean in (-0.002, 0.0, 0.002, 0.004)]
    assert [each[0] for each in found] == sorted(each[0] for each in found)
    assert [each[1] for each in found] == sorted((each[1] for each in found), reverse=True)


def test_harder_rules_pass_less_path_by_path() -> None:
    rows = draw_rows(120, 4000, 250, seed=2)
    easy = play(steady(), Game(profile_of(), "challenge"), rows)
    for harder in (
        profile_of(target_pct=12), profile_of(daily={"pct": 3}), profile_of(total={"pct": 6}),
        profile_of(total={"trailing": "end_of_day"}), profile_of(min_days=20),
        profile_of(best_day_pct=20),
    ):  # fmt: skip
        hard = play(steady(), Game(harder, "challenge"), rows)
        passed = hard.end == End.PASSED
        assert 0 < passed.sum() < len(passed)
        assert (easy.end[passed] == End.PASSED).all()
        assert (hard.day[passed] >= easy.day[passed]).all()
        assert (hard.day != easy.day).any()


def test_more_risk_breaks_more() -> None:
    broken = [shares(steady(), profile_of(), scale)[1] for scale in (0.25, 0.5, 1.0, 2.0, 4.0)]
    assert broken == sorted(broken)
    assert broken[0] < 0.01 < broken[-1]


def test_paths_are_those_of_the_seed() -> None:
    assert np.array_equal(draw_rows(50, 10, 30, seed=1), draw_rows(50, 10, 30, seed=1))
    assert not np.array_equal(draw_rows(50, 10, 30, seed=1), draw_rows(50, 10, 30, seed=2))


def test_blocks_go_on_where_they_are_and_are_as_long_as_asked() -> None:
    rows = draw_rows(100, 2000, 200, seed=1, block=5.0)
    goes_on = (rows[1:] == (rows[:-1] + 1) % 100).mean()
    assert abs(goes_on - (0.8 + 0.2 / 100)) < 0.005
    assert abs(np.bincount(rows.ravel(), minlength=100) / rows.size - 0.01).max() < 0.001
