"""Splits in time order: purged, embargoed, expanding.

Rows here are positions among the usable rows; `bar` is each row's position among all bars, so that
a purge counts bars of the market and not rows of the table. A label made at bar t looks at bars
t+1 … t+horizon; a training row may not look into the test part, and `embargo_bars` more are left
out, because features close to the border still resemble those behind it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from market.bars import Int64s


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """One fold: the base models see `base`, the calibrators `calibration`, nobody `test`."""

    base: Int64s
    calibration: Int64s
    test: Int64s


class SplitError(ValueError):
    """Too few rows for the asked split. Says how many there are and what is needed."""


def rows_before(bar: Int64s, first_bar: int, gap_bars: int) -> Int64s:
    """Rows whose bar lies more than `gap_bars` before `first_bar` (`bar` is sorted)."""
    return np.arange(np.searchsorted(bar, first_bar - gap_bars))


def final_split(
    bar: Int64s, first_bar: int, gap_bars: int, *, min_base_rows: int = 1000
) -> tuple[Int64s, Int64s]:
    """(base rows, calibration rows): calibration from `first_bar` on, base before a gap.

    `gap_bars` = label horizon + embargo.
    """
    calibration = np.arange(np.searchsorted(bar, first_bar), len(bar))
    base = rows_before(bar, first_bar, gap_bars)
    if len(base) < min_base_rows or len(calibration) == 0:
        raise SplitError(
            f"training rows: {len(bar)} usable rows leave {len(base)} for the base models and "
            f"{len(calibration)} for calibration, with a gap of {gap_bars} bars between; at least "
            f"{min_base_rows} and 1 are needed: use a longer history or fewer calibration_days"
        )
    return base, calibration


def walk_forward(
    bar: Int64s,
    *,
    n_splits: int,
    gap_bars: int,
    calibration_bars: int,
    first_test_share: float = 0.5,
    min_base_rows: int = 1000,
) -> Iterator[Fold]:
    """Expanding folds over the last part of the rows, oldest test first.

    The rows after `first_test_share` are cut into `n_splits` equal test parts. Each fold trains on
    the bars before its test part, less the gap; within them the last `calibration_bars`, at most a
    third of the rows, calibrate, again behind a gap.
    """
    first = round(len(bar) * first_test_share)
    edges = np.linspace(first, len(bar), n_splits + 1).astype(np.int64)
    for start, end in pairwise(edges):
        train = rows_before(bar, int(bar[start]), gap_bars) if start < end else np.empty(0)
        if len(train) == 0:
            raise SplitError(
                f"training rows: {len(bar)} usable rows are too few for {n_splits} folds with a "
                f"gap of {gap_bars} bars: use a longer history or fewer n_splits"
            )
        third = bar[train[-(len(train) // 3) - 1]]
        first_bar = max(int(bar[train[-1]]) - calibration_bars + 1, int(third))
        base, calibration = final_split(
            bar[train], first_bar, gap_bars, min_base_rows=min_base_rows
        )
        yield Fold(base, calibration, np.arange(start, end))


def expanding(
    bar: Int64s,
    end_bar: Int64s,
    *,
    n_splits: int,
    embargo_bars: int,
    first_test_share: float = 0.5,
    min_train_rows: int = 1000,
) -> Iterator[tuple[Int64s, Int64s]]:
    """(training rows, test rows) of expanding folds without calibrators, oldest test first.

    The rows after `first_test_share` are cut into `n_splits` equal test parts. A row trains where
    `end_bar`, the last bar its label looks at, lies more than `embargo_bars` before the first bar
    of the test part. `bar` is sorted.
    """
    first = round(len(bar) * first_test_share)
    edges = np.linspace(first, len(bar), n_splits + 1).astype(np.int64)
    for start, end in pairwise(edges):
        known = end_bar + embargo_bars < bar[start] if start < end else np.zeros(0, dtype=np.bool_)
        train = np.flatnonzero(known)
        if len(train) < min_train_rows:
            raise SplitError(
                f"training rows: {len(bar)} rows leave {len(train)} before a test part, at least "
                f"{min_train_rows} are needed: use a longer history or fewer n_splits"
            )
        yield train, np.arange(start, end)
