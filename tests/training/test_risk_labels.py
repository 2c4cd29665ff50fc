"""Risk labels are the size that grows fastest from a state on; none where trades have no edge."""

import numpy as np
import pytest

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
    return best_multipliers(samples, samples.thinned(500))


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


@pytest.mark.parametrize(
    ("win_rate", "label"), [(0.42, 0.10), (0.60, 1.25)], ids=["no edge", "large edge"]
)
def test_trades_far_from_break_even_want_the_floor_or_the_ceiling(
    win_rate: float, label: float
) -> None:
    labels = labels_of([trades(drawn(win_rate))], 0.02)
    assert np.mean(labels == label) > 0.95


def test_hours_that_win_get_more_than_hours_that_lose() -> None:
    early = np.arange(1500) % 2 == 0
    r = np.where(early, drawn(0.62), drawn(0.40))
    samples = risk_samples(
        [trades(r, np.where(early, 3.0, 15.0))], risk_share=0.05, share=0.05, next_trades=1,
        augmented=2, seed=1,
    )  # fmt: skip
    labels = best_multipliers(samples, samples.thinned(400))
    hour = samples.thinned(400).rows[:, 6]
    assert labels[hour == 3.0].mean() > labels[hour == 15.0].mean() + 0.5
    assert labels.min() >= 0.10 and labels.max() <= 1.25


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


def test_odd_copies_keep_neighbours_together_and_even_ones_do_not() -> None:
    _, bootstrap, permutation = orders(240, 2, seed=1, source=0)
    assert np.mean(np.diff(bootstrap) == 1) > 0.6
    assert np.mean(np.diff(permutation) == 1) < 0.05
    assert sorted(permutation.tolist()) == list(range(240))
    assert len(set(bootstrap.tolist())) < 240


def test_the_last_trades_of_a_segment_have_no_whole_future() -> None:
    words = {"risk_share": 0.02, "share": 0.02, "next_trades": 10, "augmented": 0, "seed": 1}
    assert len(risk_samples([trades(drawn(0.5, 100))], **words)) == 91
    assert len(risk_samples([trades([1.0] * 9)], **words)) == 0


def test_labels_without_spread_fail_loudly_and_say_that_there_is_no_edge() -> None:
    source = trades(drawn(0.42))
    with pytest.raises(TrainingError) as failure:
        require_spread(labels_of([source], 0.02), [source], 0.02)
    text = str(failure.value)
    assert "no spread" in text and "are 0.10" in text
    assert "1500 trades made -0.1600 R each on average: they have no edge" in text
    assert "No risk model was written" in text


def test_labels_that_are_all_the_ceiling_fail_too() -> None:
    source = trades(drawn(0.60))
    with pytest.raises(TrainingError, match=r"are 1\.25.*risk_percent alone decides"):
        require_spread(labels_of([source], 0.02), [source], 0.02)


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
