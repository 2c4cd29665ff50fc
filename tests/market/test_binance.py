"""Binance's public data, paged, limited and resumed.

`FakeBinance` is a stand-in behind httpx.MockTransport: it knows klines and funding rates, the page
limit, the weight header and errors; it knows no accounts, no order book and no real prices.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from market.instruments import instrument
from market.sources.binance import (
    PAGE_ROWS,
    PERPETUAL,
    SPOT,
    Binance,
    Venue,
    download_funding,
    download_klines,
)
from market.sources.errors import BinanceError
from market.sources.funding import read_funding
from market.store import BarStore
from market.timeframe import Timeframe
from tests.builders import MONDAY_MS

BTCUSD = instrument("BTCUSD")
QUARTER_MS = Timeframe.M15.ms
FUNDING_MS = 8 * 3_600_000
COUNT = 2500
NOW_MS = MONDAY_MS + COUNT * QUARTER_MS + 60_000  # the bar that opened a minute ago is forming


class FakeBinance:
    """A stand-in for api.binance.com and fapi.binance.com; `faults` are answered first."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.faults: list[httpx.Response | httpx.TransportError] = []
        self.used_weight = 2
        self.slept_s: list[float] = []

    def client(self) -> Binance:
        http = httpx.Client(transport=httpx.MockTransport(self._answer))
        return Binance(http, sleep=self.slept_s.append)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.faults:
            fault = self.faults.pop(0)
            if isinstance(fault, httpx.TransportError):
                raise fault
            return fault
        row = self._funding if "fundingRate" in request.url.path else self._kline
        step_ms = FUNDING_MS if "fundingRate" in request.url.path else QUARTER_MS
        rows = self._rows(request.url.params, step_ms, row)
        return httpx.Response(
            200, json=rows, headers={"X-MBX-USED-WEIGHT-1M": str(self.used_weight)}
        )

    def _rows(
        self, asked: httpx.QueryParams, step_ms: int, row: Callable[[int], object]
    ) -> list[object]:
        first = max(0, -((MONDAY_MS - int(asked["startTime"])) // step_ms))
        opens = range(MONDAY_MS + first * step_ms, int(asked["endTime"]) + 1, step_ms)
        return [row(each) for each in opens[: int(asked["limit"])]]

    def _kline(self, open_ms: int) -> list[object]:
        prices = ["100.00", "102.00", "99.00", "101.00"]
        return [open_ms, *prices, "1.25", open_ms + QUARTER_MS - 1, "0", 5, "0", "0", "0"]

    def _funding(self, time_ms: int) -> dict[str, object]:
        return {"symbol": "BTCUSDT", "fundingTime": time_ms, "fundingRate": "0.00010000"}


@pytest.fixture
def binance() -> FakeBinance:
    return FakeBinance()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[BarStore]:
    opened = BarStore(tmp_path / "bars.sqlite")
    yield opened
    opened.close()


def download(fake: FakeBinance, store: BarStore, *, venue: Venue = SPOT) -> list[int]:
    reports = download_klines(
        fake.client(), store, BTCUSD, Timeframe.M15,
        pair="BTCUSDT", venue=venue, from_ms=MONDAY_MS, now_ms=NOW_MS,
    )  # fmt: skip
    return [report.added for report in reports]


def test_klines_come_in_pages_and_end_before_the_forming_bar(
    binance: FakeBinance, store: BarStore
) -> None:
    assert download(binance, store) == [1000, 1000, 500]
    assert store.last_open_ms("BTCUSD", Timeframe.M15) == MONDAY_MS + (COUNT - 1) * QUARTER_MS
    starts = [int(each.url.params["startTime"]) for each in binance.requests]
    assert starts[0] == MONDAY_MS
    assert starts[1] == MONDAY_MS + (PAGE_ROWS - 1) * QUARTER_MS + 1


@pytest.mark.parametrize(
    ("venue", "url"),
    [
        (SPOT, "https://api.binance.com/api/v3/klines"),
        (PERPETUAL, "https://fapi.binance.com/fapi/v1/klines"),
    ],
)
def test_venue_decides_the_address(
    binance: FakeBinance, store: BarStore, venue: Venue, url: str
) -> None:
    download(binance, store, venue=venue)
    assert str(binance.requests[0].url.copy_with(query=None)) == url
    assert binance.requests[0].url.params["symbol"] == "BTCUSDT"
    assert binance.requests[0].url.params["interval"] == "15m"


def test_klines_become_bars_of_the_instrument(binance: FakeBinance, store: BarStore) -> None:
    download(binance, store)
    bars = store.load("BTCUSD", Timeframe.M15, from_ms=0, to_ms=NOW_MS)
    assert (bars.open[0], bars.high[0], bars.low[0], bars.close[0]) == (100.0, 102.0, 99.0, 101.0)
    assert bars.tick_volume[0] == 1250
    assert bars.spread_points[0] == BTCUSD.spread_points


def test_download_resumes_at_the_stores_last_bar(binance: FakeBinance, store: BarStore) -> None:
    pages = download_klines(
        binance.client(), store, BTCUSD, Timeframe.M15,
        pair="BTCUSDT", venue=SPOT, from_ms=MONDAY_MS, now_ms=NOW_MS,
    )  # fmt: skip
    next(pages)
    binance.requests.clear()
    assert download(binance, store) == [999, 501]
    first_start_ms = int(binance.requests[0].url.params["startTime"])
    assert first_start_ms == MONDAY_MS + 999 * QUARTER_MS


def test_weight_near_the_limit_waits_a_minute(binance: FakeBinance, store: BarStore) -> None:
    binance.used_weight = 4801
    download(binance, store)
    assert binance.slept_s == [60.0] * 3


def test_weight_below_the_limit_does_not_wait(binance: FakeBinance, store: BarStore) -> None:
    binance.used_weight = 4800
    download(binance, store)
    assert binance.slept_s == []


@pytest.mark.parametrize("status", [418, 429])
def test_too_fast_waits_as_long_as_binance_says(
    binance: FakeBinance, store: BarStore, status: int
) -> None:
    binance.faults = [httpx.Response(status, headers={"Retry-After": "17"})]
    assert download(binance, store) == [1000, 1000, 500]
    assert binance.slept_s == [17.0]


@pytest.mark.parametrize(
    "fault", [httpx.Response(503), httpx.ReadTimeout("silence"), httpx.ConnectError("refused")]
)
def test_passing_failure_is_tried_again(
    binance: FakeBinance, store: BarStore, fault: httpx.Response | httpx.TransportError
) -> None:
    binance.faults = [fault]
    assert download(binance, store) == [1000, 1000, 500]
    assert len(binance.slept_s) == 1


def test_lasting_failure_is_told_after_six_attempts(binance: FakeBinance, store: BarStore) -> None:
    binance.faults = [httpx.Response(503) for _ in range(6)]
    with pytest.raises(BinanceError, match=r"status 503 from .* after 6 attempts; try again"):
        download(binance, store)
    assert len(binance.requests) == 6
    assert store.last_open_ms("BTCUSD", Timeframe.M15) is None


def test_unknown_pair_is_refused_at_once(binance: FakeBinance, store: BarStore) -> None:
    binance.faults = [httpx.Response(400, json={"code": -1121, "msg": "Invalid symbol."})]
    with pytest.raises(BinanceError, match=r"status 400 .*Invalid symbol.*check the pair's name"):
        download(binance, store)
    assert len(binance.requests) == 1


def test_page_that_is_no_json_is_refused(binance: FakeBinance, store: BarStore) -> None:
    binance.faults = [httpx.Response(200, text="<html>blocked</html>")]
    with pytest.raises(BinanceError, match=r"JSON is expected .*<html>blocked"):
        download(binance, store)


def test_funding_is_kept_in_a_file_and_resumed(binance: FakeBinance, tmp_path: Path) -> None:
    path = tmp_path / "funding.csv"
    end_ms = MONDAY_MS + 1500 * FUNDING_MS
    query = {"pair": "BTCUSDT", "from_ms": MONDAY_MS}
    first = download_funding(binance.client(), path, now_ms=end_ms, **query)
    assert len(first) == 1500
    binance.requests.clear()
    again = download_funding(binance.client(), path, now_ms=end_ms + 2 * FUNDING_MS, **query)
    assert len(again) == 1502
    assert len(binance.requests) == 1
    kept = read_funding(path)
    assert kept.time_ms.tolist() == again.time_ms.tolist()
    assert set(kept.rate) == {0.0001}


def test_real_funding_file_is_read(shared_data: Path) -> None:
    rates = read_funding(shared_data / "btcusdt_funding_8h.csv.gz")
    assert len(rates) == 4200
    assert rates.time_ms[0] == 1_640_995_200_000
