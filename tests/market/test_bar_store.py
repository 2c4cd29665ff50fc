"""The durable bar store: idempotent, exact, and open about what changed."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from market.bars import Bars, BarsError
from market.gaps import Gap
from market.instruments import instrument
from market.sessions import FX_WEEK
from market.sources.generated import FIRST_MS, generated_bars
from market.store import BarStore, StoreError
from market.timeframe import Timeframe
from tests.builders import MONDAY_MS, make_bars

QUARTER_MS = Timeframe.M15.ms
LATER_MS = MONDAY_MS + 365 * 86_400_000
FOREVER_MS = 2**60


@pytest.fixture
def store(tmp_path: Path) -> Iterator[BarStore]:
    opened = BarStore(tmp_path / "state" / "bars.sqlite")
    yield opened
    opened.close()


def flat_bars(count: int, *, price: float = 100.0, first: int = 0) -> Bars:
    start_ms = MONDAY_MS + first * QUARTER_MS
    return make_bars([(price, price, price, price)] * count, start_ms=start_ms)


def everything(store: BarStore, symbol: str = "BTCUSD") -> Bars:
    return store.load(symbol, Timeframe.M15, from_ms=0, to_ms=FOREVER_MS)


def test_merged_bars_come_back_bit_for_bit(store: BarStore) -> None:
    bars = generated_bars(
        instrument("EURUSD"), seed=3, from_ms=FIRST_MS, to_ms=FIRST_MS + 30 * 86_400_000
    )
    report = store.merge(bars, observed_ms=LATER_MS, sessions=FX_WEEK)
    assert (report.added, report.revised, report.gaps) == (len(bars), (), ())
    assert everything(store, "EURUSD").sha256() == bars.sha256()


def test_merging_again_changes_nothing(store: BarStore) -> None:
    bars = flat_bars(50)
    store.merge(bars, observed_ms=LATER_MS)
    report = store.merge(bars, observed_ms=LATER_MS + 1)
    assert (report.added, report.revised) == (0, ())
    assert everything(store).sha256() == bars.sha256()


def test_changed_bar_replaces_the_old_one_and_reports_both(store: BarStore) -> None:
    store.merge(flat_bars(10), observed_ms=LATER_MS)
    newer = flat_bars(3, first=4)
    newer.close[1] = newer.high[1] = 100.5
    report = store.merge(newer, observed_ms=LATER_MS + 1)
    (revision,) = report.revised
    assert revision.open_ms == newer.open_ms[1]
    assert (revision.before.close, revision.after.close) == (100.0, 100.5)
    assert everything(store).close.tolist() == [100.0] * 5 + [100.5] + [100.0] * 4
    assert store.revisions("BTCUSD", Timeframe.M15) == ((revision.open_ms, revision.before),)


def test_changed_spread_alone_is_a_revision(store: BarStore) -> None:
    store.merge(flat_bars(2), observed_ms=LATER_MS)
    report = store.merge(
        replace(flat_bars(2), spread_points=np.array([0, 7])), observed_ms=LATER_MS
    )
    assert [each.after.spread_points for each in report.revised] == [7]


def test_hole_between_two_merges_is_reported(store: BarStore) -> None:
    store.merge(flat_bars(4), observed_ms=LATER_MS)
    report = store.merge(flat_bars(4, first=6), observed_ms=LATER_MS)
    from_ms = MONDAY_MS + 4 * QUARTER_MS
    assert report.gaps == (Gap(from_ms, from_ms + 2 * QUARTER_MS, 2),)


def test_filled_hole_is_no_longer_reported(store: BarStore) -> None:
    store.merge(flat_bars(4), observed_ms=LATER_MS)
    store.merge(flat_bars(4, first=6), observed_ms=LATER_MS)
    assert store.merge(flat_bars(2, first=4), observed_ms=LATER_MS).gaps == ()


def test_symbols_and_timeframes_do_not_mix(store: BarStore) -> None:
    store.merge(flat_bars(4), observed_ms=LATER_MS)
    store.merge(make_bars([(1.0, 1.0, 1.0, 1.0)], symbol="EURUSD"), observed_ms=LATER_MS)
    hourly = make_bars([(2.0, 2.0, 2.0, 2.0)], timeframe=Timeframe.H1)
    store.merge(hourly, observed_ms=LATER_MS)
    assert len(everything(store)) == 4
    assert everything(store, "EURUSD").close.tolist() == [1.0]


def test_edges_are_the_first_and_the_last_open(store: BarStore) -> None:
    assert store.first_open_ms("BTCUSD", Timeframe.M15) is None
    assert store.last_open_ms("BTCUSD", Timeframe.M15) is None
    store.merge(flat_bars(4), observed_ms=LATER_MS)
    assert store.first_open_ms("BTCUSD", Timeframe.M15) == MONDAY_MS
    assert store.last_open_ms("BTCUSD", Timeframe.M15) == MONDAY_MS + 3 * QUARTER_MS


def test_load_is_half_open(store: BarStore) -> None:
    store.merge(flat_bars(10), observed_ms=LATER_MS)
    from_ms, to_ms = MONDAY_MS + 2 * QUARTER_MS, MONDAY_MS + 5 * QUARTER_MS
    loaded = store.load("BTCUSD", Timeframe.M15, from_ms=from_ms, to_ms=to_ms)
    assert loaded.open_ms.tolist() == [from_ms, from_ms + QUARTER_MS, from_ms + 2 * QUARTER_MS]


def test_forming_bar_is_refused(store: BarStore) -> None:
    with pytest.raises(BarsError, match=r"only bars closed by .* leave the forming bar out"):
        store.merge(flat_bars(4), observed_ms=MONDAY_MS + 4 * QUARTER_MS - 1)
    assert len(everything(store)) == 0


def test_impossible_bars_are_refused_whole(store: BarStore) -> None:
    bars = flat_bars(4)
    bars.high[2] = 1.0
    with pytest.raises(BarsError, match="row 2"):
        store.merge(bars, observed_ms=LATER_MS)
    assert len(everything(store)) == 0


def test_store_opened_again_holds_what_was_merged(tmp_path: Path) -> None:
    first = BarStore(tmp_path / "bars.sqlite")
    first.merge(flat_bars(4), observed_ms=LATER_MS)
    first.close()
    again = BarStore(tmp_path / "bars.sqlite")
    assert len(everything(again)) == 4
    again.close()


def test_merge_that_fails_midway_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "bars.sqlite"
    store = BarStore(path)
    store.merge(flat_bars(4), observed_ms=LATER_MS)
    with sqlite3.connect(path) as other:
        other.execute(
            "CREATE TRIGGER full_disk BEFORE INSERT ON bars WHEN NEW.close > 150 "
            "BEGIN SELECT raise(ABORT, 'disk full'); END"
        )
    other.close()
    mixed = flat_bars(4, first=4)
    mixed.close[3] = mixed.high[3] = 200.0
    with pytest.raises(sqlite3.IntegrityError, match="disk full"):
        store.merge(mixed, observed_ms=LATER_MS)
    assert len(everything(store)) == 4
    assert store.merge(flat_bars(4, first=4), observed_ms=LATER_MS).added == 4
    store.close()


def test_file_that_is_no_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "bars.sqlite"
    path.write_bytes(b"something else entirely" * 100)
    with pytest.raises(StoreError, match=r"bars\.sqlite: it cannot be opened .* move it away"):
        BarStore(path)
    assert path.read_bytes() == b"something else entirely" * 100
