"""What each leak of the design's table seems to earn on real bars, and what catches it.

The trainer's audits are switched off here, so that there is a leaking model to be backtested.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from market.bars import Bars, Int64s
from tests.evaluation.leak_earnings import DEEP, earned
from tests.evaluation.planted_leaks import DAY_MS, LEAKS, real_bars, utc_ms

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

FIRST, CUTOFF, END = (utc_ms(*day) for day in ((2024, 1, 1), (2024, 12, 25), (2025, 10, 31)))
_TWO_MONTHS_MS = 59 * DAY_MS
_STARTS_MS = [utc_ms(2025, 1, 1) + 12 * DAY_MS * each for each in range(20)]
# The first one is January and February.
WINDOWS = [(start_ms, start_ms + _TWO_MONTHS_MS) for start_ms in _STARTS_MS]


@pytest.fixture(scope="module")
def bars(shared_data: Path) -> Bars:
    return real_bars(shared_data, FIRST, END + DAY_MS)


@pytest.fixture
def of(bars: Bars, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Trains, decides the windows, and prints what that earned."""

    def told(name: str, **words: Any) -> Any:
        times = {"cutoff_ms": CUTOFF, "windows": WINDOWS} | words
        found = earned(bars, tmp_path, **times)
        with capsys.disabled():
            print(f"\n{name}: {found.line}")
        assert found.said["proven"] == 0
        return found

    return told


@pytest.mark.parametrize("name", LEAKS)
def test_leak_in_features_is_named_by_lookahead_and_raises_the_alarm_where_it_earns(
    name: str, of: Callable[..., Any]
) -> None:
    found = of(name, features=LEAKS[name].features, tp=2.0 if name == "forming-h4-d1" else 1.0)
    assert found.named in LEAKS[name].columns
    assert bool(found.too_good) == (name != "forming-d1")  # too weak to reach 0.65 at all


def test_honest_features_raise_no_alarm_of_too_good(of: Callable[..., Any]) -> None:
    found = of("honest")
    assert (found.too_good, found.named) == ((), "")


def _in_sample(bar: Int64s, first_bar: int, gap_bars: int) -> tuple[Int64s, Int64s]:
    """The calibrators see what the base models have learned."""
    return np.arange(len(bar)), np.arange(np.searchsorted(bar, first_bar), len(bar))


def _shuffled(bar: Int64s, first_bar: int, gap_bars: int) -> tuple[Int64s, Int64s]:
    """Rows at random, neighbours on both sides of the split."""
    rows = np.random.default_rng(1).permutation(len(bar))
    base, calibration, _ = np.array_split(rows, [len(bar) // 2, len(bar) * 2 // 3])
    return np.sort(base), np.sort(calibration)


@pytest.mark.parametrize("split", [_in_sample, _shuffled], ids=["in-sample", "shuffled-split"])
def test_leak_by_the_split_raises_the_alarm(
    split: Callable[..., Any], of: Callable[..., Any]
) -> None:
    """Features are honest: lookahead has nothing to say, and need not. The window that is scored
    is the last one that trained."""
    first = WINDOWS[:1]
    found = of(
        split.__name__.strip("_"), params=DEEP, cutoff_ms=first[0][1], windows=first,
        final_split=split,
    )  # fmt: skip
    assert found.too_good
    assert found.named == ""
