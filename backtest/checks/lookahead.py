"""Lookahead: what a bar's features, forecast and decision become when later bars do not exist.

The history is cut after a bar and everything is made again from what is left. Not one bit of what
was known at the bars up to the cut may change. Decisions are compared with the first tick of the
bar after the cut in place, because a decision is sent on it; features and forecasts without it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from backtest.checks.differences import differences
from backtest.checks.pipeline import Pipeline
from market.bars import Bars, Float64s, Int64s, utc_text
from trading.forecasts import ForecastColumns

# Rows before a cut that are compared: a bar of one day that is used while it forms shows in each.
TAIL_ROWS = 192

What = Literal["feature", "forecast", "decision"]
_CLASSES = ("p_buy", "p_sell", "p_hold")


@dataclass(frozen=True, slots=True, eq=False)
class FullRun:
    """What the whole history says of the decided bars: one forecast and one line each.

    `first`: the row of `history` that the first of them is.
    """

    history: Bars
    first: int
    forecasts: ForecastColumns
    lines: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.lines)


@dataclass(frozen=True, slots=True)
class Change:
    """What was otherwise on the bar that opened at `bar_ms` when history ended at `cut_ms`.

    `whole`, `cut`: the values with and without the later bars, as text.
    """

    what: What
    name: str
    bar_ms: int
    cut_ms: int
    whole: str
    cut: str


def full_run(pipeline: Pipeline, history: Bars, *, from_ms: int, to_ms: int) -> FullRun:
    """The run that the cut ones are held against."""
    run = pipeline.run(history, from_ms=from_ms, to_ms=to_ms)
    return FullRun(history, run.bars.first, run.bars.forecasts, tuple(run.lines()))


def cut_rows(full: FullRun, *, count: int, seed: int, stated_ms: Sequence[int] = ()) -> list[int]:
    """Decided rows to cut after: `count` at random, half of them where orders were wanted, and the
    bars that closed at or last before each stated instant.

    Rows count from the first decided bar. `ValueError` for an instant outside of the run.
    """
    rng = np.random.default_rng(seed)
    last = min(len(full), len(full.history) - 1 - full.first)  # a bar must follow
    wanted = [row for row in range(last) if '"intents":[]' not in full.lines[row]]
    some = rng.permutation(wanted)[: count // 2].tolist() if wanted else []
    rest = rng.permutation(last)[: count - len(some)].tolist()
    return sorted({*some, *rest, *(_row_of(full, each, last) for each in stated_ms)})


def lookahead(pipeline: Pipeline, full: FullRun, rows: Iterable[int]) -> Iterator[Change]:
    """The first changed feature, forecast and decision of every cut that changes any."""
    for row in rows:
        yield from _changes(pipeline, full, row)


def _changes(pipeline: Pipeline, full: FullRun, row: int) -> Iterator[Change]:
    history, bar = full.history, full.first + row
    cut_ms = int(history.close_ms[bar])
    known = pipeline.known_at(cut_ms)
    since = max(row - TAIL_ROWS + 1, 0)
    alone = known.forecasts(history.rows(0, bar + 1), full.first + since)
    yield from _forecast_changes(full.forecasts.rows(since, row + 1), alone, cut_ms)
    from_ms = int(history.open_ms[full.first])
    again = known.run(with_first_tick(history, bar), from_ms=from_ms, to_ms=cut_ms)
    for one, other in zip(full.lines, again.lines(), strict=False):
        found = next(differences(one, other), None) if one != other else None
        if found is not None:
            yield Change("decision", found.field, found.bar_ms, cut_ms, found.one, found.other)
            return


def _forecast_changes(
    whole: ForecastColumns, alone: ForecastColumns, cut_ms: int
) -> Iterator[Change]:
    if whole.features is None or alone.features is None:
        raise ValueError("lookahead: forecasts with their features are needed")
    votes = tuple(f"vote {place}" for place in range(whole.votes.shape[1]))
    compared: tuple[tuple[What, Sequence[str], Float64s, Float64s], ...] = (
        ("feature", whole.feature_names, whole.features, alone.features),
        ("forecast", _CLASSES, whole.probabilities, alone.probabilities),
        ("forecast", votes, whole.votes.astype(np.float64), alone.votes.astype(np.float64)),
    )
    for what, columns, one, other in compared:
        row, column = first_change(one, other)
        if row >= 0:
            yield Change(
                what, columns[column], int(whole.open_ms[row]), cut_ms,
                repr(float(one[row, column])), repr(float(other[row, column])),
            )  # fmt: skip
            if what == "forecast":
                return


def first_change(one: Float64s, other: Float64s) -> tuple[int, int]:
    """(row, column) of the first value (n, k) with other bits, by row; (−1, −1) where none has."""
    changed = ~same_bits(one, other)
    if not changed.any():
        return -1, -1
    row = int(changed.any(axis=1).argmax())
    return row, int(changed[row].argmax())


def same_bits(one: Float64s, other: Float64s) -> NDArray[np.bool_]:
    """Where two arrays of one shape have the same bits; every NaN has the same."""
    return _bits(one) == _bits(other)


def _bits(values: Float64s) -> Int64s:
    plain = np.where(np.isnan(values), np.nan, values)
    return np.ascontiguousarray(plain).view(np.int64)


def with_first_tick(history: Bars, bar: int) -> Bars:
    """The bars up to and with `bar`, and the first tick of the one after it, as a bar."""
    kept = history.rows(0, bar + 2)
    first = kept.open[-1]
    high, low, close = (column.copy() for column in (kept.high, kept.low, kept.close))
    volume = kept.tick_volume.copy()
    high[-1] = low[-1] = close[-1] = first
    volume[-1] = 1
    return replace(kept, high=high, low=low, close=close, tick_volume=volume)


def _row_of(full: FullRun, instant_ms: int, last: int) -> int:
    close_ms = full.history.close_ms[full.first : full.first + last]
    row = int(np.searchsorted(close_ms, instant_ms, side="right")) - 1
    if row < 0 or instant_ms > int(close_ms[-1]):
        raise ValueError(
            f"--at: an instant from {utc_text(int(close_ms[0]))} to {utc_text(int(close_ms[-1]))} "
            f"UTC is allowed, {utc_text(instant_ms)} came; give another, or a longer span"
        )
    return row
