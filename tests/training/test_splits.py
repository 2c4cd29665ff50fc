"""No training row's label, and no feature close to it, reaches into the part that judges it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.training.splits import SplitError, final_split, walk_forward


@st.composite
def rows_with_holes(draw: st.DrawFn) -> np.ndarray:
    """Sorted bar numbers of usable rows, some missing."""
    n_bars = draw(st.integers(400, 1500))
    seed = draw(st.integers(0, 2**16))
    kept = np.random.default_rng(seed).random(n_bars) < draw(st.floats(0.5, 1.0))
    return np.flatnonzero(kept)


@settings(max_examples=60, deadline=None)
@given(rows_with_holes(), st.integers(1, 5), st.integers(1, 30), st.integers(0, 20))
def test_any_rows_keep_base_calibration_and_test_apart(
    bar: np.ndarray, n_splits: int, horizon: int, embargo: int
) -> None:
    gap = horizon + embargo
    folds = list(
        walk_forward(bar, n_splits=n_splits, gap_bars=gap, calibration_bars=60, min_base_rows=1)
    )
    assert len(folds) == n_splits
    for fold in folds:
        assert bar[fold.base[-1]] + horizon < bar[fold.calibration[0]] - embargo
        assert bar[fold.calibration[-1]] + horizon < bar[fold.test[0]] - embargo
        for part in (fold.base, fold.calibration, fold.test):
            assert np.array_equal(part, np.arange(part[0], part[-1] + 1))


def test_folds_expand_and_their_tests_follow_each_other_to_the_end() -> None:
    bar = np.arange(5000)
    folds = list(walk_forward(bar, n_splits=4, gap_bars=50, calibration_bars=300))
    assert [len(fold.base) for fold in folds] == sorted(len(fold.base) for fold in folds)
    assert folds[0].base[0] == folds[-1].base[0] == 0
    tests = np.concatenate([fold.test for fold in folds])
    assert np.array_equal(tests, np.arange(2500, 5000))


def test_purge_and_embargo_leave_exactly_the_gap_out() -> None:
    base, calibration = final_split(np.arange(3000), 2000, 144, min_base_rows=1)
    assert base[-1] == 1855
    assert calibration[0] == 2000


def test_too_few_rows_say_how_many_there_are() -> None:
    with pytest.raises(SplitError, match="900 usable rows leave 356 for the base models"):
        final_split(np.arange(900), 500, 144)
    with pytest.raises(SplitError, match="too few for 3 folds"):
        list(walk_forward(np.arange(40), n_splits=3, gap_bars=50, calibration_bars=9))
