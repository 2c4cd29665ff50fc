"""Refreshing the training data: whole files, resumed after a failure, words that say what to do.

The sources are stand-ins: `Pages` gives generated bars page by page and may fail; Binance's and the
bridge's own ways are tested in tests/market and tests/broker.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from broker.contract.errors import BridgeUnreachable
from market.bars import Bars
from market.instrument import Instrument
from market.instruments import INSTRUMENTS
from market.sources.binance import Binance
from market.sources.errors import BinanceError, SourceError
from market.sources.files import read_bars
from market.sources.generated import generated_bars
from market.store import BarStore
from market.timeframe import Timeframe
from ml.training.refresh import (
    BinanceBars,
    BridgeBars,
    RefreshError,
    refresh_bars,
    refresh_onchain,
    write_bars,
)
from tests.builders import MONDAY_MS

BTCUSD = INSTRUMENTS["BTCUSD"]
DAY_MS = 86_400_000
QUARTER_MS = 900_000
NOW_MS = MONDAY_MS + 20 * DAY_MS


@pytest.fixture(scope="module")
def bars() -> Bars:
    return generated_bars(BTCUSD, seed=1, from_ms=MONDAY_MS, to_ms=NOW_MS)


@dataclass
class Pages:
    """Pages of 500 bars, on from what the store has; fails after `good` pages."""

    bars: Bars
    good: int = 99
    failure: Exception = BinanceError("no answer from api.binance.com after 6 attempts")  # noqa: RUF009
    name: str = "a stand-in"

    def fill(
        self, store: BarStore, instrument: Instrument, timeframe: Timeframe, from_ms: int,
        now_ms: int,
    ) -> Iterator[int]:  # fmt: skip
        last_ms = store.last_open_ms(instrument.symbol, timeframe)
        rest = self.bars.between(from_ms if last_ms is None else last_ms + 1, now_ms)
        for page in range(0, len(rest), 500):
            if page // 500 == self.good:
                raise self.failure
            yield store.merge(rest.rows(page, page + 500), observed_ms=now_ms).added


def refresh(source: Pages, folder: Path) -> tuple[Path, list[int]]:
    counts: list[int] = []
    path = refresh_bars(
        source, BTCUSD, Timeframe.M15, folder, from_ms=MONDAY_MS, now_ms=NOW_MS,
        said=lambda text, added: counts.append(added),
    )  # fmt: skip
    return path, counts


def test_a_refresh_writes_the_bars_it_got_bit_for_bit(bars: Bars, tmp_path: Path) -> None:
    path, counts = refresh(Pages(bars), tmp_path)
    assert path == tmp_path / "btcusd_m15.parquet"
    assert counts == [500, 1000, 1500, 1920]
    assert read_bars(path, BTCUSD).sha256() == bars.sha256()


def test_a_failed_refresh_keeps_its_pages_and_the_next_one_goes_on(
    bars: Bars, tmp_path: Path
) -> None:
    with pytest.raises(RefreshError, match=r"1000 new bars are kept in .*bars\.sqlite") as caught:
        refresh(Pages(bars, good=2), tmp_path)
    assert "the same command goes on from there" in str(caught.value)
    assert "give --data FILE" in str(caught.value)
    assert not (tmp_path / "btcusd_m15.parquet").exists()
    path, counts = refresh(Pages(bars), tmp_path)
    assert counts == [500, 920]
    assert read_bars(path, BTCUSD).sha256() == bars.sha256()


def test_a_bridge_that_does_not_answer_says_the_same(bars: Bars, tmp_path: Path) -> None:
    silent = Pages(bars, good=0, failure=BridgeUnreachable("http://127.0.0.1:6542: no answer"))
    with pytest.raises(RefreshError, match="6542: no answer; 0 new bars are kept"):
        refresh(silent, tmp_path)


def test_the_bridge_is_read_by_the_broker_port(bars: Bars, tmp_path: Path) -> None:
    class Reader:
        def rates(self, symbol: str, timeframe: Timeframe, *, from_ms: int, to_ms: int) -> Bars:
            return bars.between(from_ms, to_ms)

    path = refresh_bars(
        BridgeBars(Reader()), BTCUSD, Timeframe.M15, tmp_path, from_ms=MONDAY_MS, now_ms=NOW_MS,
        said=lambda *_: None,
    )  # fmt: skip
    assert read_bars(path, BTCUSD).sha256() == bars.sha256()


def test_a_network_that_is_down_is_told_from_a_refusal(tmp_path: Path) -> None:
    def no_network(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("name resolution failed")

    client = httpx.Client(transport=httpx.MockTransport(no_network))
    source = BinanceBars(Binance(client, sleep=lambda _: None))
    with pytest.raises(RefreshError, match=r"name resolution failed.*leave --refresh out"):
        refresh_bars(source, BTCUSD, Timeframe.M1, tmp_path, from_ms=MONDAY_MS, now_ms=NOW_MS,
                     said=lambda *_: None)  # fmt: skip


def test_an_earlier_start_fills_the_store_backwards_without_a_hole(tmp_path: Path) -> None:
    """Each page is asked for from the newest backwards, so that a stop leaves no hole behind."""
    asked: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        first, end = (int(request.url.params[key]) for key in ("startTime", "endTime"))
        asked.append(first)
        opens = range(-(-first // QUARTER_MS) * QUARTER_MS, end + 1, QUARTER_MS)
        prices = ["100.00", "102.00", "99.00", "101.00", "1.0"]
        return httpx.Response(200, json=[[each, *prices, 0] for each in opens[:1000]])

    client = httpx.Client(transport=httpx.MockTransport(answer))
    source = BinanceBars(Binance(client, sleep=lambda _: None))
    for days in (10, 0):
        path = refresh_bars(
            source, BTCUSD, Timeframe.M15, tmp_path, from_ms=MONDAY_MS + days * DAY_MS,
            now_ms=NOW_MS, said=lambda *_: None,
        )  # fmt: skip
    opens = read_bars(path, BTCUSD).open_ms
    assert opens.tolist() == list(range(MONDAY_MS, NOW_MS, QUARTER_MS))
    backwards = [each for each in asked if each < MONDAY_MS + 10 * DAY_MS]
    assert backwards == sorted(backwards, reverse=True)


def test_binance_has_no_gold(tmp_path: Path) -> None:
    client = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, json=[])))
    with pytest.raises(RefreshError, match="--refresh-from bridge"):
        refresh_onchain(client, tmp_path, "XAUUSD", from_ms=MONDAY_MS, now_ms=NOW_MS)


def test_a_service_without_bars_is_an_error(tmp_path: Path, bars: Bars) -> None:
    with pytest.raises(RefreshError, match="no bars came"):
        refresh(Pages(bars.rows(0, 0)), tmp_path)


def test_a_file_is_never_half_written(
    bars: Bars, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bars.parquet"
    write_bars(path, bars.rows(0, 10))

    def fail(table: object, target: Path) -> None:
        target.write_bytes(b"half")
        raise SourceError("the disk is full")

    monkeypatch.setattr("ml.training.refresh.pq.write_table", fail)
    with pytest.raises(SourceError):
        write_bars(path, bars)
    assert len(read_bars(path, BTCUSD)) == 10
