"""Bars from a broker: fill the store back to where it is needed, then keep it up to date.

Every chunk is durable before the next is asked for, and the store never gets a hole in between
(older bars are fetched from the newest chunk backwards), so that a stopped fill resumes where it
stopped.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from market.bars import Bars, Int64s
from market.sessions import ALWAYS_OPEN, Sessions
from market.store import BarStore, MergeReport
from market.timeframe import Timeframe

# A terminal may answer short while it still downloads history: a short answer is asked once more.
_ATTEMPTS = 2
# So many of the last bars are read again, because brokers revise them.
REREAD_BARS = 3


class RatesReader(Protocol):
    """Whoever can read closed bars; `broker.contract.port.Broker` is one."""

    def rates(self, symbol: str, timeframe: Timeframe, *, from_ms: int, to_ms: int) -> Bars:
        """Closed bars that open in [from_ms, to_ms), oldest first."""
        ...


def top_up(
    store: BarStore,
    reader: RatesReader,
    symbol: str,
    timeframe: Timeframe,
    *,
    now_ms: int,
    need_from_ms: int,
    reread_bars: int = REREAD_BARS,
    chunk_bars: int = 5000,
    sessions: Sessions = ALWAYS_OPEN,
) -> MergeReport:
    """Bring the store to every bar that opens from `need_from_ms` on and is closed at `now_ms`.

    The last `reread_bars` stored bars are read again, because brokers revise them; differences are
    in the report. Gaps are those of the touched spans; whoever needs contiguity asks
    `market.gaps`. What the reader raises passes through, with the chunks before it kept.
    """
    reports = []
    spans = _spans(store, symbol, timeframe, need_from_ms, now_ms, reread_bars, sessions)
    for from_ms, to_ms in _chunks(spans, chunk_bars * timeframe.ms):
        bars = _read(reader, symbol, timeframe, from_ms, to_ms, sessions)
        reports.append(store.merge(bars, observed_ms=now_ms, sessions=sessions))
    return _joined(reports)


@dataclass(frozen=True, slots=True)
class _Span:
    """Open times [from_ms, to_ms) to ask for; `backwards` where the newest chunk comes first."""

    from_ms: int
    to_ms: int
    backwards: bool = False


def _spans(
    store: BarStore,
    symbol: str,
    timeframe: Timeframe,
    need_from_ms: int,
    now_ms: int,
    reread_bars: int,
    sessions: Sessions,
) -> Iterator[_Span]:
    end_ms = timeframe.floor_ms(now_ms)
    first_ms = store.first_open_ms(symbol, timeframe)
    last_ms = store.last_open_ms(symbol, timeframe)
    if first_ms is None or last_ms is None:
        yield _Span(need_from_ms, end_ms)
        return
    if len(_trading_opens(need_from_ms, first_ms, timeframe, sessions)):
        yield _Span(need_from_ms, first_ms, backwards=True)
    yield _Span(last_ms - (reread_bars - 1) * timeframe.ms, end_ms)


def _chunks(spans: Iterable[_Span], chunk_ms: int) -> Iterator[tuple[int, int]]:
    for span in spans:
        starts = range(span.from_ms, span.to_ms, chunk_ms)
        for start in reversed(starts) if span.backwards else starts:
            yield start, min(start + chunk_ms, span.to_ms)


def _read(
    reader: RatesReader,
    symbol: str,
    timeframe: Timeframe,
    from_ms: int,
    to_ms: int,
    sessions: Sessions,
) -> Bars:
    """One chunk. Asked again while bars of trading hours are missing; the fullest answer counts."""
    expected = _trading_opens(from_ms, to_ms, timeframe, sessions)
    answers = []
    for _ in range(_ATTEMPTS):
        bars = reader.rates(symbol, timeframe, from_ms=from_ms, to_ms=to_ms)
        answers.append(bars.between(from_ms, to_ms))
        if np.isin(expected, bars.open_ms).all():
            break
    return max(answers, key=len)


def _trading_opens(from_ms: int, to_ms: int, timeframe: Timeframe, sessions: Sessions) -> Int64s:
    """Open times in [from_ms, to_ms) at which the market is open."""
    first_ms = timeframe.floor_ms(from_ms + timeframe.ms - 1)
    opens = np.arange(first_ms, to_ms, timeframe.ms, dtype=np.int64)
    return opens[sessions.are_open(opens)]


def _joined(reports: Sequence[MergeReport]) -> MergeReport:
    """One report of many. A gap at the seam of two chunks is seen by both, and named once."""
    gaps = {gap.from_ms: gap for report in reports for gap in report.gaps}
    return MergeReport(
        added=sum(report.added for report in reports),
        revised=tuple(each for report in reports for each in report.revised),
        gaps=tuple(gaps[from_ms] for from_ms in sorted(gaps)),
    )
