"""Calibrated values are the frequencies, rise with the probability and have no cliffs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.predictors.session import open_session
from ml.training.calibration import FLOOR, MAX_SLOPE, Table, calibrated, fit_table
from ml.training.export import segments
from ml.training.scores import auc, calibration_error


def said_and_true(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that are too shy: the truth is three times as far from a half."""
    rng = np.random.default_rng(seed)
    said = (0.5 + 0.04 * rng.normal(size=n)).astype(np.float32)
    return said, rng.random(n) < np.clip(0.5 + 3 * (said - 0.5), 0, 1)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3000), st.integers(0, 2**16), st.integers(1, 6))
def test_any_sample_gives_a_rising_table_without_cliffs(n: int, seed: int, digits: int) -> None:
    said, hit = said_and_true(n, seed)
    table = fit_table(np.round(said, digits).astype(np.float32), hit)
    assert (np.diff(table.x) > 0).all()
    assert (np.diff(table.y) >= 0).all()
    assert (np.diff(table.y) <= 1.01 * MAX_SLOPE * np.diff(table.x) + 1e-6).all()
    assert ((table.y >= np.float32(FLOOR)) & (table.y <= 1 - np.float32(FLOOR))).all()


def test_shy_probabilities_become_frequencies() -> None:
    table = fit_table(*said_and_true(40_000, 1))
    fresh, hit = said_and_true(40_000, 2)
    assert calibration_error(fresh.astype(np.float64), hit) > 0.05
    assert calibration_error(table.apply(fresh), hit) < 0.02


def test_one_value_alone_becomes_its_frequency() -> None:
    table = fit_table(np.full(10, 0.5, dtype=np.float32), np.arange(10) < 3)
    assert table.x.tolist() == [0.5]
    assert table.apply(np.array([0.1, 0.5, 0.9])) == pytest.approx([0.3] * 3)


def test_rows_of_calibrated_classes_sum_to_one() -> None:
    rng = np.random.default_rng(3)
    low = Table(np.array([0.2], np.float32), np.array([FLOOR], np.float32))
    values = calibrated([[low] * 3] * 3, rng.random((50, 3, 3)))
    assert values == pytest.approx(np.full((50, 3, 3), 1 / 3))


def test_segments_are_the_table() -> None:
    table = fit_table(*said_and_true(5000, 4))
    x = np.random.default_rng(5).uniform(0.3, 0.7, 1000).astype(np.float32)
    x = np.r_[
        x, table.x, np.nextafter(table.x, np.float32(0)), np.nextafter(table.x, np.float32(1))
    ]
    x0, y0, slope = segments(table).astype(np.float64)[np.searchsorted(table.x, x)].T
    assert y0 + slope * (x - x0) == pytest.approx(table.apply(x), abs=2e-7)


def test_auc_counts_ties_half_and_is_none_without_one_class() -> None:
    score = np.array([0.1, 0.4, 0.4, 0.9])
    assert auc(score, np.array([False, False, True, True])) == pytest.approx(0.875)
    assert auc(score, np.array([True] * 4)) is None


def test_bytes_that_are_no_graph_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"ONNX Runtime .* refuses the graph"):
        open_session(b"no graph")
