"""The truncation check: a row must not change when the bars after it are taken away.

The tests run it for every feature; the daemon runs it once at start on the account's own history.
"""

from collections.abc import Callable

import numpy as np

from market.bars import Bars, Float64s, utc_text


class FutureLeakError(ValueError):
    """A feature that changes with bars after its row's close."""


def require_known_at_close(
    bars: Bars,
    features: Callable[[Bars, int], Float64s],
    columns: tuple[str, ...],
    *,
    rows: int = 8,
) -> None:
    """Raise `FutureLeakError` if a row has other bits when the history ends with it.

    `features(bars, first_row)` gives the matrix from `first_row` on, `columns` names its columns.
    `rows` rows are tried, spread over the second half of `bars`.
    """
    first = len(bars) // 2
    whole = features(bars, first)
    for row in np.unique(np.linspace(first, len(bars) - 1, rows, dtype=np.int64)):
        alone = features(bars.rows(0, int(row) + 1), int(row))[0]
        changed = np.flatnonzero(alone.view(np.int64) != whole[row - first].view(np.int64))
        if len(changed):
            raise FutureLeakError(
                f"feature {columns[changed[0]]}: only bars up to its row's close may count, but at "
                f"{utc_text(int(bars.open_ms[row]))} UTC it changes with later bars"
            )
