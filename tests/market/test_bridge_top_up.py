"""Filling the bar store from a broker and keeping it up to date."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from market.bars import Bars
from market.sessions import FX_WEEK
from market.sources.bridge import top_up
from market.store import BarStore, MergeReport
from market.timeframe import Timeframe
from tests.builders import MONDAY_MS, make_bars

QUARTER_MS = Timeframe.M15.ms
COUNT = 100
NOW_MS = MONDAY_MS + COUNT * QUARTER_MS + 61_000


class Broker:
    """A reader over given bars that remembers what was asked, in bars since Monday.

    A stand-in: no network, no forming bar. `breaks_at` and `short_answers` make it fail.
    """

    def __init__(self, bars: Bars) -> None:
        self.bars = bars
        self.asked: list[tuple[int, int]] = []
        self.breaks_at: int | None = None
        self.short_answers = 0

    def rates(self, symbol: str, timeframe: Timeframe, *, from_ms: int, to_ms: int) -> Bars:
        self.asked.append(((from_ms - MONDAY_MS) // QUARTER_MS, (to_ms - MONDAY_MS) // QUARTER_MS))
        if len(self.asked) == self.breaks_at:
            raise ConnectionError("the bridge is gone")
        bars = self.bars.between(from_ms, to_ms)
        if self.short_answers:
            self.short_answers -= 1
            return bars.rows(0, len(bars) // 2)
        return bars


@pytest.fixture
def store(tmp_path: Path) -> Iterator[BarStore]:
    opened = BarStore(tmp_path / "bars.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def broker() -> Broker:
    return Broker(make_bars([(100.0 + i, 101.0 + i, 99.0 + i, 100.0 + i) for i in range(COUNT)]))


def fill(store: BarStore, broker: Broker, *, need: int = 0, now_ms: int = NOW_MS) -> MergeReport:
    return top_up(
        store, broker, "BTCUSD", Timeframe.M15,
        now_ms=now_ms, need_from_ms=MONDAY_MS + need * QUARTER_MS, chunk_bars=40,
    )  # fmt: skip


def stored(store: BarStore) -> Bars:
    return store.load("BTCUSD", Timeframe.M15, from_ms=0, to_ms=2**60)


def test_empty_store_is_filled_in_chunks(store: BarStore, broker: Broker) -> None:
    report = fill(store, broker)
    assert (report.added, report.gaps) == (COUNT, ())
    assert broker.asked == [(0, 40), (40, 80), (80, 100)]
    assert stored(store).sha256() == broker.bars.sha256()


def test_next_bar_is_one_read_that_repeats_the_last_three(store: BarStore, broker: Broker) -> None:
    fill(store, broker, now_ms=NOW_MS - QUARTER_MS)
    broker.asked.clear()
    assert fill(store, broker).added == 1
    assert broker.asked == [(96, 100)]


def test_revised_bar_is_noticed(store: BarStore, broker: Broker) -> None:
    fill(store, broker)
    broker.bars.high[98] += 5
    (revision,) = fill(store, broker).revised
    assert revision.open_ms == broker.bars.open_ms[98]
    assert revision.after.high == revision.before.high + 5


def test_need_for_older_bars_fills_backwards(store: BarStore, broker: Broker) -> None:
    fill(store, broker, need=90)
    broker.asked.clear()
    fill(store, broker)
    assert broker.asked == [(80, 90), (40, 80), (0, 40), (97, 100)]
    assert stored(store).sha256() == broker.bars.sha256()


@pytest.mark.parametrize("need_first", [0, 90])
@pytest.mark.parametrize("breaks_at", [2, 3])
def test_interrupted_fill_resumes_without_a_hole(
    store: BarStore, broker: Broker, need_first: int, breaks_at: int
) -> None:
    if need_first:
        fill(store, broker, need=need_first)
        broker.asked.clear()
    broker.breaks_at = breaks_at
    with pytest.raises(ConnectionError):
        fill(store, broker)
    kept = stored(store)
    assert len(kept) > 0
    assert set(kept.open_ms[1:] - kept.open_ms[:-1]) == {QUARTER_MS}
    broker.breaks_at = None
    assert fill(store, broker).added == COUNT - len(kept)
    assert stored(store).sha256() == broker.bars.sha256()


def test_short_answer_is_asked_once_more(store: BarStore, broker: Broker) -> None:
    broker.short_answers = 1
    assert fill(store, broker).added == COUNT
    assert broker.asked == [(0, 40), (0, 40), (40, 80), (80, 100)]


def test_answer_that_stays_short_is_reported_as_a_gap(store: BarStore, broker: Broker) -> None:
    broker.short_answers = 2
    report = fill(store, broker)
    assert [gap.missing_bars for gap in report.gaps] == [20]


def test_weekend_is_neither_asked_again_nor_a_gap(store: BarStore) -> None:
    slots = MONDAY_MS + np.arange(8 * 96, dtype=np.int64) * QUARTER_MS
    week = make_bars([(1.0, 1.0, 1.0, 1.0)] * 768, symbol="EURUSD")
    which = np.flatnonzero(FX_WEEK.are_open(slots))
    bars = Bars("EURUSD", week.timeframe, *(
        getattr(week, name)[which] for name in (
            "open_ms", "open", "high", "low", "close", "tick_volume", "spread_points")
    ))  # fmt: skip
    broker = Broker(bars)
    report = top_up(
        store, broker, "EURUSD", Timeframe.M15, now_ms=MONDAY_MS + 8 * 96 * QUARTER_MS,
        need_from_ms=MONDAY_MS, sessions=FX_WEEK,
    )  # fmt: skip
    assert (report.added, report.gaps) == (len(bars), ())
    assert len(broker.asked) == 1


def test_forming_bar_is_left_to_the_next_call(store: BarStore, broker: Broker) -> None:
    fill(store, broker, now_ms=NOW_MS - 62_000)
    assert len(stored(store)) == COUNT - 1
