"""A risk label is the size that the next trades from a state pay best at."""

from dataclasses import replace

import numpy as np
import pytest

from backtest.statistics import stationary_blocks
from market.bars import Float64s
from ml.training.models import TrainingError
from ml.training.risk_folds import risk_folds
from ml.training.risk_labels import (
    MULTIPLIERS,
    SEGMENT_TRADES,
    RiskTrades,
    account_states,
    best_multipliers,
    growth_share,
    next_growth,
    orders,
    risk_samples,
)
from ml.training.risk_scores import require_spread, require_trades

HOUR_MS = 3_600_000


def trades(r: Float64s | list[float], hour: Float64s | None = None) -> RiskTrades:
    """One trade every four hours, open for three."""
    r = np.array(r, dtype=np.float64)
    opened = np.arange(len(r), dtype=np.int64) * 4 * HOUR_MS
    hours = opened / HOUR_MS % 24 if hour is None else hour
    market = np.column_stack([np.full(len(r), 0.002), np.full(len(r), 0.003), hours])
    return RiskTrades(r, market, opened, opened + 3 * HOUR_MS)


def labels_of(
    of: list[RiskTrades], risk_share: float, *, next_trades: int = 10, augmented: int = 2
) -> Float64s:
    samples = risk_samples(
        of, risk_share=risk_share, share=risk_share, next_trades=next_trades, augmented=augmented,
        seed=1,
    )  # fmt: skip
    return best_multipliers(samples.growth)


def drawn(win_rate: float, count: int = 1500) -> Float64s:
    """+1 R and −1 R, `win_rate` of them won, in a drawn order."""
    won = np.arange(count) < round(win_rate * count)
    return np.where(np.random.default_rng(8).permutation(won), 1.0, -1.0)


def test_states_follow_an_account_that_risks_a_tenth_each_time() -> None:
    """100 % → 110 % → 99 % → 89.1 %, by hand."""
    states = account_states(np.array([1.0, -1.0, -1.0, 1.0]), 0.1)
    assert states[0].tolist() == [0.0, 1.0, 0.5, 0.0]
    assert states[1] == pytest.approx([0.0, 1.1, 10.5 / 20, 0.0])
    assert states[2] == pytest.approx([10.0, 0.99, 10 / 20, 1.0])
    assert states[3] == pytest.approx([19.0, 0.891, 9.5 / 20, 2.0])


def test_a_known_coin_gets_the_size_that_kelly_gives() -> None:
    """11 of 20 won at 1 : 1: Kelly says 0.55 − 0.45 = 10 % of equity; multiplier 1 is 10 %."""
    pattern = [1.0] * 11 + [-1.0] * 9
    labels = labels_of([trades(pattern * 12)], 0.10, next_trades=20, augmented=0)
    assert (labels == 1.0).all()
    twice_the_risk = labels_of([trades(pattern * 12)], 0.20, next_trades=20, augmented=0)
    assert (twice_the_risk == 0.5).all()


def test_multiplier_1_stands_for_what_grows_all_trades_together_fastest() -> None:
    """55 of 100 won at 1 : 1: 10 % of equity. The configured risk only where it is larger."""
    source = trades(drawn(0.55, 1000))
    assert growth_share([source], 0.02) == pytest.approx(0.10)
    assert growth_share([source], 0.15) == 0.15
    assert growth_share([trades(drawn(0.45))], 0.02) == 0.02
    assert growth_share([trades([])], 0.02) == 0.02


def test_multiplier_1_is_defined_where_every_trade_loses_or_every_trade_wins() -> None:
    assert growth_share([trades([-1.0] * 50)], 0.02) == 0.02
    assert growth_share([trades([-60.0] * 50)], 0.02) == 0.02
    assert growth_share([trades([1.0] * 50)], 0.02) == pytest.approx(0.499)


@pytest.mark.parametrize(
    ("next_r", "label"),
    [
        ([-1.0, -1.0, -1.0], 0.10),
        ([-1.0, 1.0, -1.0], 0.10),
        ([1.0, 1.0, 1.0], 1.25),
        # Kelly: 2/3 − 1/3 = 1/3 of equity; multiplier 1 is a half, so 0.667 of it.
        ([1.0, -1.0, 1.0], 0.65),
        ([-1.0, 1.0, 1.0], 0.65),
        # 2/3 − (1/3)/0.55 = 6 % of equity
        ([0.55, 0.55, -1.0], 0.10),
        # 2/3 − (1/3)/0.8 = 25 % of equity
        ([0.8, -1.0, 0.8], 0.50),
    ],
    ids=["all lose", "most lose", "all win", "most win", "another order", "small wins", "mixed"],
)
def test_the_three_trades_after_a_state_are_its_label(next_r: list[float], label: float) -> None:
    growth = next_growth(np.array(next_r), 0.5, 3)
    assert best_multipliers(growth).tolist() == [label]


def test_a_state_is_labelled_by_what_follows_it_alone() -> None:
    """Three losses, three wins, three losses; no state lends another its future."""
    source = trades([-1.0] * 3 + [1.0] * 3 + [-1.0] * 3)
    labels = labels_of([source], 0.5, next_trades=3, augmented=0)
    assert labels.tolist() == [0.10, 0.10, 0.65, 1.25, 0.65, 0.10, 0.10]
    beside = labels_of([source, trades([1.0] * 9)], 0.5, next_trades=3, augmented=0)
    assert beside.tolist() == [*labels.tolist(), *[1.25] * 7]


def test_block_bootstraps_of_the_next_trades_have_the_same_expectation() -> None:
    """What the label takes exactly, drawn 4000 times."""
    r = np.array([1.0, -1.0, 0.4, 2.0, -1.0, -1.0, 1.0, 0.7])
    (exact,) = next_growth(r, 0.2, len(r))
    drawn_growth = [
        next_growth(r[rows], 0.2, len(r))[0]
        for rows in stationary_blocks(len(r), 2.0, 4000, seed=3)
    ]
    assert np.mean(drawn_growth, axis=0) == pytest.approx(exact, abs=2e-3)


def test_trades_that_lose_a_little_still_tell_states_apart() -> None:
    """47.5 of 100 won at 1 : 1. What follows differs, and both ends occur."""
    source = trades(drawn(0.475))
    labels = labels_of([source], 0.02, next_trades=20)
    require_spread(labels, [source], 0.02)
    assert 0.3 < labels.mean() < 0.7
    assert 0.5 < np.mean(labels == 0.10) < 0.8
    assert np.mean(labels == 1.25) > 0.2


def test_multipliers_reach_from_a_tenth_to_one_and_a_quarter() -> None:
    assert MULTIPLIERS[0] == 0.10
    assert MULTIPLIERS[-1] == 1.25
    assert np.diff(MULTIPLIERS) == pytest.approx(np.full(23, 0.05))


def test_a_trade_that_loses_everything_does_not_break_the_arithmetic() -> None:
    labels = labels_of([trades([1.0, 1.0, -60.0] * 100)], 0.02, augmented=1)
    assert np.isfinite(labels).all()
    assert (labels == 0.10).all()


def test_the_real_order_comes_first_in_segments() -> None:
    found = list(orders(600, 0, seed=1, source=0))
    assert [len(each) for each in found] == [SEGMENT_TRADES, SEGMENT_TRADES, 100]
    assert np.concatenate(found).tolist() == list(range(600))


def test_copies_have_draws_of_their_own_key() -> None:
    """More copies, or another gate, leave the earlier copies as they were."""
    few = [each.tolist() for each in orders(300, 2, seed=1, source=0)]
    many = [each.tolist() for each in orders(300, 5, seed=1, source=0)]
    assert many[: len(few)] == few
    assert [each.tolist() for each in orders(300, 2, seed=1, source=1)] != few
    assert [each.tolist() for each in orders(300, 2, seed=2, source=0)] != few


def test_copies_keep_neighbours_together() -> None:
    for copy in list(orders(240, 3, seed=1, source=0))[1:]:
        assert np.mean(np.diff(copy) == 1) > 0.6
        assert len(set(copy.tolist())) < 240


def test_a_label_ends_when_the_last_trade_it_looks_at_has_closed() -> None:
    source = trades(drawn(0.5, 60))
    source.closed_ms[30] += 1000 * HOUR_MS
    samples = risk_samples(
        [source], risk_share=0.02, share=0.02, next_trades=5, augmented=0, seed=1
    )
    assert samples.ended_ms[0] == source.closed_ms[4]
    assert samples.ended_ms[25] == source.closed_ms[29]
    assert set(samples.ended_ms[26:31].tolist()) == {int(source.closed_ms[30])}


def test_labels_of_a_training_part_do_not_change_with_later_trades() -> None:
    one = trades(drawn(0.5, 400))
    for number, fold in enumerate(risk_folds([one], 3, 24 * HOUR_MS)):
        later = one.opened_ms >= fold.test_from_ms
        other = replace(one, r=np.where(later, 9.0, one.r))
        same = list(risk_folds([other], 3, 24 * HOUR_MS))[number]
        words = {"risk_share": 0.02, "share": 0.02, "next_trades": 20, "augmented": 3, "seed": 1}
        seen = risk_samples(fold.train, **words)
        assert seen.growth.tolist() == risk_samples(same.train, **words).growth.tolist()
        assert seen.ended_ms.max() < fold.test_from_ms - 24 * HOUR_MS


def test_the_last_trades_of_a_segment_have_no_whole_future() -> None:
    words = {"risk_share": 0.02, "share": 0.02, "next_trades": 10, "augmented": 0, "seed": 1}
    assert len(risk_samples([trades(drawn(0.5, 100))], **words)) == 91
    assert len(risk_samples([trades([1.0] * 9)], **words)) == 0


def test_labels_that_are_all_the_floor_fail_and_say_that_the_evidence_is_against_trading() -> None:
    source = trades([-1.0, -1.0, 1.0] * 100)
    with pytest.raises(TrainingError) as failure:
        require_spread(labels_of([source], 0.02, next_trades=20), [source], 0.02)
    text = str(failure.value)
    assert (
        "no spread" in text
        and "are 0.10" in text
        and "at least 0.02 is needed, and at most 95% of one size" in text
    )
    assert "300 trades made -0.3333 R each on average: whatever the state" in text
    assert "The evidence is against trading this signal model at all" in text
    assert "No risk model was written; without one every trade takes risk_percent" in text


def test_labels_that_are_all_the_cap_fail_and_say_that_they_saturate() -> None:
    source = trades([1.0, 1.0, -1.0] * 100)
    with pytest.raises(TrainingError, match=r"are 1\.25.*saturate.*risk_percent alone decides"):
        require_spread(labels_of([source], 0.02, next_trades=20), [source], 0.02)


def test_labels_with_spread_pass() -> None:
    require_spread(np.array([0.1, 0.5, 1.25] * 10), [trades([1.0])], 0.02)


def test_too_few_different_trades_are_refused() -> None:
    """The same trade through two gates counts once."""
    same = [trades(drawn(0.5, 200)), trades(drawn(0.5, 200))]
    require_trades(same, 200)
    with pytest.raises(TrainingError, match="200 came out of the backtests, at least 201"):
        require_trades(same, 201)


def test_folds_train_on_trades_that_ended_an_embargo_before_the_test() -> None:
    source = trades(drawn(0.5, 400))
    embargo_ms = 24 * HOUR_MS
    folds = list(risk_folds([source], 3, embargo_ms))
    assert len(folds) == 3
    tested = np.concatenate([fold.test[0].opened_ms for fold in folds])
    assert len(tested) == len(set(tested.tolist())) >= 198
    for fold in folds:
        assert fold.train[0].closed_ms.max() < fold.test_from_ms - embargo_ms
        assert fold.train[0].closed_ms.max() >= fold.test_from_ms - embargo_ms - 5 * HOUR_MS
        assert fold.test[0].opened_ms.min() == fold.test_from_ms


def test_a_trade_that_is_open_over_the_border_is_in_neither_part() -> None:
    source = trades(drawn(0.5, 100))
    source.closed_ms[49] = source.opened_ms[60]
    (fold,) = risk_folds([source], 1, 0)
    assert fold.test_from_ms == source.opened_ms[50]
    both = np.concatenate([fold.train[0].opened_ms, fold.test[0].opened_ms])
    assert source.opened_ms[49] not in both
