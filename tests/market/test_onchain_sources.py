"""Funding, open interest and fear & greed: files, downloads, and from when each value is known.

`FakeServices` stands in behind httpx.MockTransport for the public data of Binance and
alternative.me: it knows spans, the page limit, the newest-first order and errors, no real values.
"""

import json
from pathlib import Path

import httpx
import numpy as np
import pytest

from market.onchain import OnChain, OnChainError, Published
from market.sources.errors import BinanceError, SourceError
from market.sources.fear_greed import (
    FearGreed,
    download_fear_greed,
    fear_greed_days,
    read_fear_greed,
)
from market.sources.funding import FundingRates
from market.sources.onchain import (
    download_onchain,
    onchain,
    published_change,
    published_funding,
    read_onchain,
)
from market.sources.open_interest import (
    KEPT_MS,
    OpenInterest,
    download_open_interest,
    read_open_interest,
)
from market.sources.polite import PoliteClient
from tests.builders import MONDAY_MS

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
STEP_MS = 5 * MINUTE_MS
NOW_MS = MONDAY_MS + 40 * DAY_MS + 7 * MINUTE_MS
START_MS = MONDAY_MS + 40 * DAY_MS - 3 * DAY_MS


class FakeServices:
    """A stand-in for fapi.binance.com and api.alternative.me; `faults` are answered first."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.faults: list[httpx.Response] = []
        self.slept_s: list[float] = []
        self.now_ms = NOW_MS

    def http(self) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(self._answer))

    def client(self, name: str = "Binance") -> PoliteClient:
        error = BinanceError if name == "Binance" else SourceError
        return PoliteClient(self.http(), name=name, error=error, sleep=self.slept_s.append)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.faults:
            return self.faults.pop(0)
        if request.url.host == "api.alternative.me":
            return httpx.Response(200, json={"data": self._days(request.url.params)})
        if "fundingRate" in request.url.path:
            return httpx.Response(200, json=self._funding(request.url.params))
        return self._open_interest(request.url.params)

    def _open_interest(self, asked: httpx.QueryParams) -> httpx.Response:
        start_ms, end_ms = int(asked["startTime"]), int(asked["endTime"])
        if start_ms < self.now_ms - 30 * DAY_MS:
            said = {"code": -1130, "msg": "parameter 'startTime' is invalid."}
            return httpx.Response(400, json=said)
        first_ms = -(-start_ms // STEP_MS) * STEP_MS
        stamps = range(first_ms, min(end_ms, self.now_ms) + 1, STEP_MS)
        rows = [
            {"symbol": asked["symbol"], "sumOpenInterest": str(1000 + each // STEP_MS % 7),
             "sumOpenInterestValue": "1", "timestamp": each}
            for each in stamps
        ][-int(asked["limit"]) :]  # fmt: skip
        return httpx.Response(200, json=rows)

    def _funding(self, asked: httpx.QueryParams) -> list[dict[str, object]]:
        first_ms = -(-int(asked["startTime"]) // (8 * HOUR_MS)) * 8 * HOUR_MS
        stamps = range(first_ms, int(asked["endTime"]) + 1, 8 * HOUR_MS)
        return [{"fundingTime": each + 4, "fundingRate": "0.0001"} for each in stamps]

    def _days(self, asked: httpx.QueryParams) -> list[dict[str, str]]:
        today_s = self.now_ms // DAY_MS * 86_400
        count = int(asked["limit"]) or 100
        return [
            {"value": str(20 + day % 60), "timestamp": str(today_s - day * 86_400)}
            for day in range(count)
        ]


@pytest.fixture
def services() -> FakeServices:
    return FakeServices()


def download(services: FakeServices, path: Path, *, from_ms: int = START_MS) -> OpenInterest:
    return download_open_interest(
        services.client(), path, pair="BTCUSDT", from_ms=from_ms, now_ms=services.now_ms
    )


def test_open_interest_comes_in_spans_of_500_rows_without_a_hole(
    services: FakeServices, tmp_path: Path
) -> None:
    got = download(services, tmp_path / "oi.csv")
    assert len(got) == 3 * 288 + 2
    assert set(np.diff(got.time_ms)) == {STEP_MS}
    spans = [(int(each.url.params["startTime"]), int(each.url.params["endTime"]))
             for each in services.requests]  # fmt: skip
    assert spans == [
        (START_MS, START_MS + 500 * STEP_MS - 1),
        (START_MS + 500 * STEP_MS, services.now_ms - 1),
    ]
    assert services.requests[0].url.path == "/futures/data/openInterestHist"
    assert services.requests[0].url.params["period"] == "5m"


def test_open_interest_is_kept_in_a_file_and_resumed(
    services: FakeServices, tmp_path: Path
) -> None:
    path = tmp_path / "oi.csv"
    first = download(services, path)
    services.requests.clear()
    services.now_ms += 2 * STEP_MS
    again = download(services, path)
    assert len(again) == len(first) + 2
    assert int(services.requests[0].url.params["startTime"]) == first.time_ms[-1] + 1
    kept = read_open_interest(path)
    assert kept.time_ms.tolist() == again.time_ms.tolist()
    assert kept.amount.tolist() == again.amount.tolist()
    assert kept.step_ms == STEP_MS


def test_open_interest_broken_off_goes_on_after_the_last_page(
    services: FakeServices, tmp_path: Path
) -> None:
    path = tmp_path / "oi.csv"
    pages = 0

    def stop_after_one(request: httpx.Request) -> httpx.Response:
        nonlocal pages
        pages += 1
        return services._answer(request) if pages == 1 else httpx.Response(400, json={})

    broken = httpx.Client(transport=httpx.MockTransport(stop_after_one))
    with pytest.raises(BinanceError, match="status 400"):
        download_open_interest(
            PoliteClient(broken, name="Binance", error=BinanceError), path,
            pair="BTCUSDT", from_ms=START_MS, now_ms=services.now_ms,
        )  # fmt: skip
    assert len(read_open_interest(path)) == 500
    assert len(download(services, path)) == 3 * 288 + 2


def test_open_interest_starts_where_binance_still_has_it(
    services: FakeServices, tmp_path: Path
) -> None:
    got = download(services, tmp_path / "oi.csv", from_ms=MONDAY_MS)
    assert services.now_ms - KEPT_MS <= got.time_ms[0] < services.now_ms - KEPT_MS + STEP_MS


@pytest.mark.parametrize("status", [418, 429])
def test_too_fast_waits_as_long_as_it_is_told(
    services: FakeServices, tmp_path: Path, status: int
) -> None:
    services.faults = [httpx.Response(status, headers={"Retry-After": "9"})]
    assert len(download(services, tmp_path / "oi.csv")) == 3 * 288 + 2
    assert services.slept_s == [9.0]


def test_lasting_failure_is_told_after_six_attempts(services: FakeServices, tmp_path: Path) -> None:
    services.faults = [httpx.Response(502) for _ in range(6)]
    with pytest.raises(BinanceError, match=r"Binance: status 502 from .* after 6 attempts"):
        download(services, tmp_path / "oi.csv")
    assert len(services.slept_s) == 5
    assert not (tmp_path / "oi.csv").exists()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(400, json={"msg": "Invalid symbol."}), "status 400 .*Invalid symbol"),
        (httpx.Response(200, text="<html>"), "JSON is expected .*<html>"),
    ],
)
def test_open_interest_that_is_no_list_is_refused(
    services: FakeServices, tmp_path: Path, answer: httpx.Response, said: str
) -> None:
    services.faults = [answer]
    with pytest.raises(BinanceError, match=said):
        download(services, tmp_path / "oi.csv")


def test_nothing_open_is_refused_with_its_row(tmp_path: Path) -> None:
    path = tmp_path / "oi.csv"
    path.write_text("time,sum_open_interest\n2025-01-01T00:00:00Z,5\n2025-01-01T00:05:00Z,0\n")
    with pytest.raises(SourceError, match=r"oi\.csv: open interest: above 0 .* row 1 is 0\.0"):
        read_open_interest(path)


def test_file_that_goes_back_in_time_or_lacks_its_column_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "oi.csv"
    path.write_text("time,sum_open_interest\n2025-01-02T00:00:00Z,5\n2025-01-01T00:05:00Z,6\n")
    with pytest.raises(SourceError, match=r"oi\.csv: time: oldest first, each once; row 1 is not"):
        read_open_interest(path)
    path.write_text("time,other\n2025-01-02T00:00:00Z,5\n")
    with pytest.raises(SourceError, match="time and sum_open_interest or oi_close must be there"):
        read_open_interest(path)
    with pytest.raises(SourceError, match="there is no such file"):
        read_open_interest(tmp_path / "none.csv")


def test_index_is_asked_for_whole_once_and_then_only_what_is_new(
    services: FakeServices, tmp_path: Path
) -> None:
    path, client = tmp_path / "index.csv", services.client("alternative.me")
    first = download_fear_greed(client, path, now_ms=services.now_ms)
    assert len(first) == 100
    assert services.requests[0].url.params["limit"] == "0"
    assert np.all(np.diff(first.time_ms) == DAY_MS)
    assert first.time_ms[-1] == services.now_ms // DAY_MS * DAY_MS
    services.now_ms += 2 * DAY_MS
    again = download_fear_greed(client, path, now_ms=services.now_ms)
    assert services.requests[1].url.params["limit"] == "3"
    assert len(again) == 102
    assert again.index[:100].tolist() == first.index.tolist()
    assert read_fear_greed(path).time_ms.tolist() == again.time_ms.tolist()
    download_fear_greed(client, path, now_ms=services.now_ms)
    assert len(services.requests) == 2


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(200, json={"data": None}), "a list of days is expected"),
        (httpx.Response(404, json=[]), "status 404"),
        (httpx.Response(200, text="<html>"), "JSON is expected .*<html>"),
        (
            httpx.Response(200, json={"data": [{"value": "101", "timestamp": "0"}]}),
            r"0 … 100 is allowed, row 0 is 101\.0",
        ),
    ],
)
def test_index_that_cannot_be_is_refused(
    services: FakeServices, answer: httpx.Response, said: str
) -> None:
    services.faults = [answer]
    with pytest.raises(SourceError, match=said):
        fear_greed_days(services.client("alternative.me"), 2)


def test_index_is_tried_again_after_a_passing_failure(services: FakeServices) -> None:
    services.faults = [httpx.Response(503)]
    assert len(fear_greed_days(services.client("alternative.me"), 2)) == 2
    assert len(services.slept_s) == 1


def test_rate_is_known_a_minute_after_its_charge_however_it_is_stamped() -> None:
    stamps = np.array([MONDAY_MS, MONDAY_MS + 8 * HOUR_MS + 7], dtype=np.int64)
    known = published_funding(FundingRates(stamps, np.array([0.1, 0.2])))
    assert known.known_ms.tolist() == [
        MONDAY_MS + MINUTE_MS,
        MONDAY_MS + 8 * HOUR_MS + MINUTE_MS,
    ]


def test_daily_open_interest_is_known_only_after_its_day(tmp_path: Path) -> None:
    path = tmp_path / "daily.csv"
    path.write_text(
        "time,oi_open,oi_high,oi_low,oi_close\n2024-12-30T00:00:00Z,1,1,1,100\n"
        "2024-12-31T00:00:00Z,1,1,1,110\n2025-01-01T00:00:00Z,1,1,1,99\n"
    )
    change = published_change(read_open_interest(path))
    assert change.value.tolist() == pytest.approx([0.1, -0.1])
    assert change.known_ms.tolist() == [
        MONDAY_MS + 2 * DAY_MS + 5 * MINUTE_MS,
        MONDAY_MS + 3 * DAY_MS + 5 * MINUTE_MS,
    ]
    assert change.max_age_ms == 2 * DAY_MS


def test_snapshot_is_compared_with_the_one_four_hours_older() -> None:
    time_ms = MONDAY_MS + np.arange(100, dtype=np.int64) * STEP_MS
    amount = 100.0 + np.arange(100)
    change = published_change(OpenInterest(time_ms, amount, STEP_MS))
    assert change.known_ms.tolist() == (time_ms[48:] + STEP_MS).tolist()
    assert change.value[0] == pytest.approx(48 / 100)
    assert change.max_age_ms == HOUR_MS


def test_snapshot_whose_older_one_is_lost_is_left_out() -> None:
    time_ms = MONDAY_MS + np.arange(100, dtype=np.int64) * STEP_MS
    whole = ~np.isin(np.arange(100), [10, 20, 21])
    change = published_change(OpenInterest(time_ms[whole], np.ones(97), STEP_MS))
    missing = set(time_ms[48:].tolist()) - set((change.known_ms - STEP_MS).tolist())
    assert missing == {int(time_ms[69])}  # 10 and 20 have a neighbour one step older, 21 has none


def test_index_is_known_an_hour_after_its_stamp() -> None:
    index = FearGreed(np.array([MONDAY_MS], dtype=np.int64), np.array([44.0]))
    record = onchain(FundingRates.none(), OpenInterest.none(), index)
    assert record.fear_greed.known_ms.tolist() == [MONDAY_MS + HOUR_MS]
    assert len(record.funding_rate) == len(record.open_interest_change) == 0


def test_record_of_a_folder_is_downloaded_and_read_again(
    services: FakeServices, tmp_path: Path
) -> None:
    span = {"from_ms": START_MS, "now_ms": NOW_MS, "sleep": services.slept_s.append}
    record = download_onchain(services.http(), tmp_path, pair="BTCUSDT", **span)
    files = {name: tmp_path / f"{name}.csv" for name in ("funding", "open_interest", "fear_greed")}
    again = read_onchain(**files)
    for got, kept in zip(record.in_catalogue_order(), again.in_catalogue_order(), strict=True):
        assert got.known_ms.tolist() == kept.known_ms.tolist()
        assert got.value.tolist() == kept.value.tolist()
        assert len(got) > 0
    hosts = {each.url.host for each in services.requests}
    assert hosts == {"fapi.binance.com", "api.alternative.me"}


@pytest.mark.parametrize(
    ("known_ms", "value", "said"),
    [
        ([1, 1], [0.0, 0.0], "fear & greed: oldest first, each once; row 1 is not"),
        ([1, 2], [0.0, np.nan], "fear & greed: a number is allowed, row 1 is nan"),
        ([1, 2], [0.0], "fear & greed: .* 1 values for 2 instants came"),
    ],
)
def test_series_that_cannot_be_true_is_refused(
    known_ms: list[int], value: list[float], said: str
) -> None:
    none = Published.always(0.0)
    series = Published(np.array(known_ms, dtype=np.int64), np.array(value), HOUR_MS)
    with pytest.raises(OnChainError, match=said):
        OnChain(none, none, series)


def test_real_files_are_read(shared_data: Path) -> None:
    record = read_onchain(
        funding=shared_data / "btcusdt_funding_8h.csv.gz",
        open_interest=shared_data / "btc_open_interest_daily_all_exchanges.csv.gz",
        fear_greed=shared_data / "fear_greed_daily.csv.gz",
    )
    assert [len(each) for each in record.in_catalogue_order()] == [4200, 2073, 2826]
    day_ms = 1_582_761_600_000  # 2020-02-27
    assert record.open_interest_change.known_ms[0] == day_ms + 2 * DAY_MS + 5 * MINUTE_MS
    change = 3030810420.0 / 3527345802.0 - 1
    assert record.open_interest_change.value[0] == pytest.approx(change)
    fine = read_open_interest(shared_data / "btcusdt_open_interest_5m_2023.parquet")
    assert (len(fine), fine.step_ms, fine.amount[0]) == (21229, STEP_MS, 112084.682)
    assert np.abs(published_change(fine).value).max() < 0.2


def test_saved_files_hold_iso_times(services: FakeServices, tmp_path: Path) -> None:
    download_fear_greed(services.client("x"), tmp_path / "i.csv", now_ms=services.now_ms)
    lines = (tmp_path / "i.csv").read_text().splitlines()
    assert lines[0] == "time,value"
    assert lines[1].split(",")[0].endswith("T00:00:00.000Z")
    assert json.loads(lines[-1].split(",")[1]) == 20.0
