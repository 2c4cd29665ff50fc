"""The window of closed bars: what is asked of the broker for it, and no more."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from market.bars import Bars
from market.instruments import instrument
from market.store import BarStore
from market.timeframe import Timeframe
from tests.builders import MONDAY_MS, make_bars
from trading.feed import BarFeed

BAR_MS = Timeframe.M15.ms
DAY_MS = 86_400_000


class Reader:
    """Has bars from Monday on, and remembers what it was asked."""

    def __init__(self) -> None:
        self.bars = make_bars([(100.0, 101.0, 99.0, 100.0)] * (4 * 96))
        self.asked: list[tuple[int, int]] = []

    def rates(self, symbol: str, timeframe: Timeframe, *, from_ms: int, to_ms: int) -> Bars:
        self.asked.append((from_ms, to_ms))
        return self.bars.between(from_ms, to_ms)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[BarStore]:
    opened = BarStore(tmp_path / "bars.sqlite")
    yield opened
    opened.close()


def test_history_that_starts_later_than_the_window_is_not_asked_for_at_every_close(
    store: BarStore,
) -> None:
    reader, now_ms = Reader(), MONDAY_MS + 2 * DAY_MS
    broker: object = reader
    feed = BarFeed(store, broker, instrument("BTCUSD"), Timeframe.M15, lookback_ms=30 * DAY_MS)  # type: ignore[arg-type]
    feed.start(now_ms, need_from_ms=now_ms - 30 * DAY_MS)
    reader.asked.clear()
    for row in range(1, 4):
        assert feed.top_up(now_ms + row * BAR_MS).added == 1
    assert len(reader.asked) == 3
    assert min(from_ms for from_ms, _ in reader.asked) >= now_ms - 3 * BAR_MS
    assert len(feed.window) == 2 * 96 + 3
