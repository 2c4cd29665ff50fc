"""Overlapping labels share their weight; recent rows and rare classes get more."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.training.weights import class_balance, recency, sample_weights, uniqueness

DAY_MS = 86_400_000


def slow_uniqueness(first: np.ndarray, last: np.ndarray) -> list[float]:
    """The definition, by bar and label."""
    span = [set(range(a, b + 1)) for a, b in zip(first, last, strict=True)]
    count = {bar: sum(bar in other for other in span) for bar in set().union(*span)}
    return [sum(1 / count[bar] for bar in each) / len(each) for each in span]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 80), st.integers(0, 15)), min_size=1, max_size=40))
def test_any_spans_equal_the_slow_definition(spans: list[tuple[int, int]]) -> None:
    first = np.array(sorted(start for start, _ in spans))
    last = first + np.array([length for _, length in spans])
    assert uniqueness(first, last) == pytest.approx(slow_uniqueness(first, last))


def test_labels_alone_are_unique_and_equal_ones_share() -> None:
    assert uniqueness(np.array([0, 5]), np.array([4, 9])) == pytest.approx([1, 1])
    assert uniqueness(np.array([3, 3, 3]), np.array([6, 6, 6])) == pytest.approx([1 / 3] * 3)


def test_a_half_life_halves_the_weight() -> None:
    assert recency(np.array([0, 10, 20]) * DAY_MS, 10) == pytest.approx([0.25, 0.5, 1])


def test_classes_get_equal_totals_and_weights_the_mean_one() -> None:
    rng = np.random.default_rng(1)
    label = rng.choice(3, size=500, p=[0.6, 0.3, 0.1]).astype(np.int8)
    first = np.arange(500)
    weight = sample_weights(label, first, first + 5, first * DAY_MS, 100)
    assert weight.mean() == pytest.approx(1)
    assert np.bincount(label, weights=weight) == pytest.approx([500 / 3] * 3)
    assert class_balance(label, np.ones(500))[label == 0] == pytest.approx(500 / (label == 0).sum())
