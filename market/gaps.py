"""Bars that should be there and are not. Closed markets are no gaps."""

from dataclasses import dataclass

import numpy as np

from market.bars import Bars, BarsError, utc_text
from market.sessions import Sessions


@dataclass(frozen=True, slots=True)
class Gap:
    """Bars missing between two that are there.

    `from_ms` is the open of the first missing bar, `to_ms` the open of the bar that ends the gap;
    `missing_bars` counts the bars in between whose open falls into trading hours.
    """

    from_ms: int
    to_ms: int
    missing_bars: int

    def __str__(self) -> str:
        plural = "s" if self.missing_bars > 1 else ""
        return f"{self.missing_bars} bar{plural} from {utc_text(self.from_ms)} UTC"


def find_gaps(bars: Bars, sessions: Sessions) -> tuple[Gap, ...]:
    """Every gap between the first and the last bar, oldest first.

    A bar is missing when the market was open at the instant it would open; holidays that the
    sessions do not know count as gaps.
    """
    step_ms = bars.timeframe.ms
    before = np.flatnonzero(np.diff(bars.open_ms) > step_ms)
    gaps = []
    for row in before:
        from_ms, to_ms = int(bars.open_ms[row]) + step_ms, int(bars.open_ms[row + 1])
        is_open = sessions.are_open(np.arange(from_ms, to_ms, step_ms, dtype=np.int64))
        if is_open.any():
            first_ms = from_ms + int(is_open.argmax()) * step_ms
            gaps.append(Gap(first_ms, to_ms, int(is_open.sum())))
    return tuple(gaps)


def require_few_gaps(
    bars: Bars,
    sessions: Sessions,
    *,
    max_gap_bars: int = 48,
    max_missing_share: float = 0.005,
) -> None:
    """Raise `BarsError` where one gap is too long or too many bars are missing in all."""
    gaps = find_gaps(bars, sessions)
    name = f"{bars.symbol} {bars.timeframe.name}"
    too_long = [gap for gap in gaps if gap.missing_bars > max_gap_bars]
    if too_long:
        more = f" and {len(too_long) - 1} more such" if len(too_long) > 1 else ""
        raise BarsError(
            f"{name}, gaps: at most {max_gap_bars} bars in a row may be missing, "
            f"but {too_long[0]} are{more}; fetch the missing bars or choose a span without them"
        )
    missing = sum(gap.missing_bars for gap in gaps)
    share = missing / max(1, len(bars) + missing)
    if share > max_missing_share:
        raise BarsError(
            f"{name}, gaps: at most {max_missing_share:.2%} of the bars may be missing, but "
            f"{share:.2%} are ({missing} bars in {len(gaps)} gaps, first {gaps[0]}); "
            "fetch the missing bars or choose a span without them"
        )
