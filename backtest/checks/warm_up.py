"""Warm-up: how much history a row needs until it has the bits of the whole history.

A row is made again from histories that begin ever later. With the published look-back or more it
must be equal bit for bit; with less it may be missing (NaN), but never another number.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backtest.checks.lookahead import same_bits
from market.bars import Bars, Float64s

# Look-backs tried between one bar and the longest published one, beside the published ones.
STEPS = 32

Columns = Callable[[Bars, int], Float64s]


@dataclass(frozen=True, slots=True)
class WarmUp:
    """One column over all rows that were tried.

    `needed_ms`: the shortest look-back tried from which on every row was equal; None where the
    longest did not suffice. `wrong_ms`: the longest look-back that gave another number instead of
    none (0: none did), on the bar that opened at `wrong_bar_ms`.
    """

    name: str
    published_ms: int
    needed_ms: int | None
    wrong_ms: int
    wrong_bar_ms: int

    @property
    def holds(self) -> bool:
        """Whether the published look-back suffices, and less never gives another number."""
        enough = self.needed_ms is not None and self.needed_ms <= self.published_ms
        return enough and self.wrong_ms == 0


def look_backs(published_ms: Sequence[int], bar_ms: int) -> list[int]:
    """Look-backs to try, rising: every published one, and steps from one bar to the longest."""
    longest = max(published_ms)
    grid = np.geomspace(bar_ms, max(longest, bar_ms), STEPS) // bar_ms * bar_ms
    return sorted({*published_ms, *grid.astype(np.int64).tolist()})


def warm_up(
    history: Bars, columns: Columns, names: Sequence[str], published_ms: Sequence[int],
    rows: Sequence[int],
) -> list[WarmUp]:  # fmt: skip
    """How much history each column needs, at the given rows of `history`.

    `columns(bars, first_row)` gives the values (n, k) from `first_row` on, `names` their names,
    `published_ms` what is said to suffice: a window whose first bar opens at or before the row's
    open less that. `ValueError` where `history` does not hold the longest before a row.
    """
    tried = look_backs(published_ms, history.timeframe.ms)
    _require_room(history, rows, tried[-1])
    whole = columns(history, 0)
    equal = np.ones((len(tried), len(names)), dtype=np.bool_)
    wrong = np.full((len(tried), len(names)), -1, dtype=np.int64)
    for row in rows:
        for place, look_back in enumerate(tried):
            alone = _alone(history, columns, row, look_back)
            same = same_bits(whole[row], alone)
            equal[place] &= same
            wrong[place, ~same & ~np.isnan(alone)] = row
    return [
        _found(name, published_ms[column], tried, equal[:, column], wrong[:, column], history)
        for column, name in enumerate(names)
    ]


def _alone(history: Bars, columns: Columns, row: int, look_back_ms: int) -> Float64s:
    """The values (k,) of a row whose history begins that long before it."""
    since_ms = int(history.open_ms[row]) - look_back_ms
    start = max(int(np.searchsorted(history.open_ms, since_ms, side="right")) - 1, 0)
    return columns(history.rows(start, row + 1), row - start)[0]


def _found(
    name: str, published_ms: int, tried: Sequence[int], equal: NDArray[np.bool_],
    wrong: NDArray[np.int64], history: Bars,
) -> WarmUp:  # fmt: skip
    unequal = np.flatnonzero(~equal)
    first = int(unequal[-1]) + 1 if len(unequal) else 0
    needed = tried[first] if first < len(tried) else None
    bad = np.flatnonzero(wrong >= 0)
    if len(bad) == 0:
        return WarmUp(name, published_ms, needed, 0, 0)
    at = int(bad[-1])
    return WarmUp(name, published_ms, needed, tried[at], int(history.open_ms[wrong[at]]))


def _require_room(history: Bars, rows: Sequence[int], longest_ms: int) -> None:
    first = int(history.open_ms[min(rows)])
    have_ms = first - int(history.open_ms[0])
    if have_ms < longest_ms:
        raise ValueError(
            f"recursive: {longest_ms / 86_400_000:.1f} days of history before the first tried bar "
            f"are needed, {have_ms / 86_400_000:.1f} are there; use a longer file or a later --from"
        )
