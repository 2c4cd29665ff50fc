"""The rolling floor: an exact order statistic, the same in batch and alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.bars import Float64s, Int64s
from trading.decision.quantile import floor_at, rolling_floor

BAR_MS = 900_000
margins = st.one_of(st.floats(0, 1, allow_nan=False), st.just(float("nan")), st.just(0.25))


def slow_floor(open_ms: Int64s, margin: Float64s, row: int, bars: int, share: float) -> float:
    start = open_ms[row] - bars * BAR_MS
    seen = [m for at, m in zip(open_ms[:row], margin[:row], strict=True) if at >= start]
    seen = sorted((m for m in seen if m == m), reverse=True)
    if len(seen) < np.ceil(bars * 0.5):
        return float("nan")
    return float(seen[max(1, int(len(seen) * share)) - 1])


@settings(deadline=None)  # the first call compiles
@given(
    st.lists(st.tuples(st.integers(1, 3), margins), min_size=1, max_size=60),
    st.integers(1, 20),
    st.sampled_from([0.01, 0.05, 0.3, 0.5]),
)
def test_floor_equals_a_slow_reference_rolling_and_alone(
    rows: list[tuple[int, float]], bars: int, share: float
) -> None:
    open_ms = np.cumsum([step for step, _ in rows]).astype(np.int64) * BAR_MS
    margin = np.array([value for _, value in rows])
    options = {"lookback_ms": bars * BAR_MS, "top_share": share, "min_filled_share": 0.5}
    rolled = rolling_floor(open_ms, margin, **options)  # type: ignore[arg-type]
    for row, at in enumerate(open_ms.tolist()):
        expected = slow_floor(open_ms, margin, row, bars, share)
        alone = floor_at(open_ms, margin, at, **options)  # type: ignore[arg-type]
        assert np.array([alone]).tobytes() == np.array([expected]).tobytes()
        assert np.array_equal(rolled[row], expected, equal_nan=True)


def test_a_bars_own_margin_does_not_count() -> None:
    open_ms = np.arange(4, dtype=np.int64) * BAR_MS
    floor = rolling_floor(
        open_ms, np.array([0.1, 0.2, 0.9, 0.3]),
        lookback_ms=2 * BAR_MS, top_share=0.5, min_filled_share=1.0,
    )  # fmt: skip
    assert np.isnan(floor[:2]).all()
    assert floor[2:].tolist() == [0.2, 0.9]


def test_future_margins_change_nothing() -> None:
    rng = np.random.default_rng(0)
    open_ms, margin = np.arange(500, dtype=np.int64) * BAR_MS, rng.random(500)
    options = {"lookback_ms": 100 * BAR_MS, "top_share": 0.05, "min_filled_share": 0.6}
    whole = rolling_floor(open_ms, margin, **options)  # type: ignore[arg-type]
    cut = rolling_floor(open_ms[:300], margin[:300], **options)  # type: ignore[arg-type]
    assert whole[:300].tobytes() == cut.tobytes()


@pytest.mark.parametrize("share", [0.02, 0.1])
def test_about_the_top_share_reaches_the_floor(share: float) -> None:
    rng = np.random.default_rng(1)
    open_ms, margin = np.arange(20_000, dtype=np.int64) * BAR_MS, rng.random(20_000)
    floor = rolling_floor(
        open_ms, margin, lookback_ms=1000 * BAR_MS, top_share=share, min_filled_share=1.0
    )
    reached = np.mean(margin[1000:] >= floor[1000:])
    assert reached == pytest.approx(share, rel=0.1)
