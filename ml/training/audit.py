"""What a model has seen, checked on the rows it was really given; the trainers refuse a leak.

- `require_apart`: the parts of a fit lie apart in time, and no label of one looks into the next.
- `require_known`: rows of the table are the features of a history that ends with their bar.
- `require_blind`: bars that end where a test part begins give the same rows and the same model, so
  nothing (scaler, weight, calibrator, label) was made with what came later.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from market.bars import Bars, Float64s, Int64s, utc_text
from ml.training.models import TrainingError
from ml.training.splits import Fold
from ml.training.table import TrainingTable


class LeakError(TrainingError):
    """The training would use what was not known. Nothing is installed."""


class Timed(Protocol):
    """Rows: `bar` is the bar each was decided at, `end_bar` the last that its label looks at."""

    @property
    def bar(self) -> Int64s: ...

    @property
    def end_bar(self) -> Int64s: ...

    @property
    def open_ms(self) -> Int64s: ...


class TimedRows(Timed, Protocol):
    """A training table: float32 rows (n, k), columns `feature_names`."""

    @property
    def rows(self) -> NDArray[np.float32]: ...

    @property
    def feature_names(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """The times of rows whose table keeps them elsewhere."""

    bar: Int64s
    end_bar: Int64s
    open_ms: Int64s


def require_apart(table: Timed, parts: Mapping[str, Int64s], gap_bars: int) -> None:
    """Raises `LeakError` unless the parts, named in time order, are disjoint and purged.

    `parts`: rows as the fit and the scores used them. Between two parts lie more than `gap_bars`
    bars (label horizon and embargo), and every label of the earlier one ends before the later one
    begins.
    """
    for one, other in combinations(parts, 2):
        both = np.intersect1d(parts[one], parts[other])
        if len(both):
            raise LeakError(
                f"split: {len(both)} rows are in {one} and in {other}, the first of "
                f"{_when(table, int(both[0]))}"
            )
    for earlier, later in pairwise(parts):
        _require_gap(table, earlier, parts[earlier], later, parts[later], gap_bars)


def require_ended(closed_ms: Int64s, opened_ms: Int64s, embargo_ms: int) -> None:
    """Raises `LeakError` unless trades that train closed `embargo_ms` before the first judged one.

    `closed_ms` of the trades that train, `opened_ms` of those that judge.
    """
    if len(closed_ms) == 0 or len(opened_ms) == 0:
        return
    closed, opened = int(closed_ms.max()), int(opened_ms.min())
    if closed + embargo_ms > opened:
        raise LeakError(
            f"split: a trade that trains closed at {utc_text(closed)} UTC, the first judged one "
            f"opened at {utc_text(opened)} UTC; {embargo_ms // 60_000} minutes between are needed"
        )


def require_known(
    bars: Bars, table: TimedRows, features: Callable[[Bars, int], Float64s], *, rows: int = 16
) -> None:
    """Raises `LeakError` for a feature in the table that knows bars after its row's close.

    `features(bars, first_row)` gives the matrix from `first_row` on, as the daemon computes it; its
    columns are the table's first ones. `rows` rows are tried, spread over the table.
    """
    for row in np.unique(np.linspace(0, len(table.rows) - 1, rows, dtype=np.int64)):
        bar = int(table.bar[row])
        alone = features(bars.rows(0, bar + 1), bar)[0].astype(np.float32)
        changed = np.flatnonzero(alone != table.rows[row, : len(alone)])
        if len(changed):
            raise LeakError(
                f"feature {table.feature_names[changed[0]]}: only bars up to its row's close may "
                f"count, but at {_when(table, int(row))} the training table has another value; no "
                "model is trained on such a feature"
            )


def require_blind(
    bars: Bars,
    table: TrainingTable,
    fold: Fold,
    gap_bars: int,
    table_of: Callable[[Bars], TrainingTable],
    fit: Callable[[TrainingTable, Int64s, Int64s], bytes],
) -> None:
    """Raises `LeakError` if the bars of a fold's test part, or later ones, shape what it learns.

    The fold is held against `require_apart` first. `table_of` makes a table of bars as `table` was
    made; `fit` makes a model of a table's base and calibration rows. Both are called again with the
    bars before the test part alone.
    """
    parts = {"base": fold.base, "calibration": fold.calibration, "test": fold.test}
    require_apart(table, parts, gap_bars)
    first_test = int(table.bar[fold.test].min())
    blind = table_of(bars.rows(0, first_test))
    for name, part in (("base", fold.base), ("calibration", fold.calibration)):
        _require_same_rows(table, blind, name, part)
    if fit(blind, fold.base, fold.calibration) != fit(table, fold.base, fold.calibration):
        raise LeakError(
            "model: without the bars of the test part the same rows give another model; something "
            "(a scaler, a weight, a calibrator) is fitted on rows after the split at "
            f"{_when(table, int(fold.test[0]))}"
        )


def _require_gap(
    table: Timed, earlier: str, before: Int64s, later: str, after: Int64s, gap_bars: int
) -> None:
    first = int(table.bar[after].min())
    latest = before[int(table.end_bar[before].argmax())]
    if table.end_bar[latest] >= first:
        raise LeakError(
            f"split: the label of the {earlier} row of {_when(table, latest)} looks into {later}, "
            f"which begins at {_when(table, int(after[table.bar[after].argmin()]))}: purge the "
            "label horizon"
        )
    gap = first - int(table.bar[before].max()) - 1
    if gap < gap_bars:
        raise LeakError(
            f"split: {gap_bars} bars between {earlier} and {later} are needed (label horizon and "
            f"embargo), {gap} are left out"
        )


def _require_same_rows(table: TrainingTable, blind: TrainingTable, name: str, part: Int64s) -> None:
    if part.max() >= len(blind):
        row = int(part[part >= len(blind)][0])
        raise LeakError(
            f"split: the {name} row of {_when(table, row)} is not known before the test part "
            "begins: it, or its label, needs later bars"
        )
    for column, feature in enumerate(table.feature_names):
        changed = part[table.rows[part, column] != blind.rows[part, column]]
        if len(changed):
            raise LeakError(
                f"feature {feature}: the {name} row of {_when(table, int(changed[0]))} has another "
                "value without the bars of the test part; something is fitted on all rows"
            )
    for word in ("bar", "end_bar", "label"):
        changed = part[getattr(table, word)[part] != getattr(blind, word)[part]]
        if len(changed):
            raise LeakError(
                f"{word}: the {name} row of {_when(table, int(changed[0]))} has another one "
                "without the bars of the test part"
            )


def _when(table: Timed, row: int) -> str:
    return f"{utc_text(int(table.open_ms[row]))} UTC"
