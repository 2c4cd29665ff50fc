"""Public market data of Binance: klines (spot, USDT-M perpetual) and funding rates.

Reads need no account. Pages are asked for one after the other; the used weight that Binance
reports with each answer is watched, and the client waits before the limit is reached. Failures
that may pass are tried again (`market.sources.polite`).

Source: https://developers.binance.com/docs/binance-spot-api-docs/rest-api
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from market.bars import Bars
from market.instrument import Instrument
from market.sources.columns import RawColumns, volume_units
from market.sources.errors import BinanceError
from market.sources.funding import FundingRates, read_funding, save_funding
from market.sources.polite import PoliteClient
from market.store import BarStore, MergeReport
from market.timeframe import Timeframe

PAGE_ROWS = 1000

_USED_WEIGHT = "X-MBX-USED-WEIGHT-1M"
_INTERVALS = {
    Timeframe.M1: "1m", Timeframe.M5: "5m", Timeframe.M15: "15m", Timeframe.M30: "30m",
    Timeframe.H1: "1h", Timeframe.H4: "4h", Timeframe.D1: "1d", Timeframe.W1: "1w",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Venue:
    """One of Binance's markets: where it answers and how much weight a minute may use."""

    klines_url: str
    weight_per_minute: int


SPOT = Venue("https://api.binance.com/api/v3/klines", 6000)
PERPETUAL = Venue("https://fapi.binance.com/fapi/v1/klines", 2400)
_FUNDING_URL = "https://fapi.binance.com/fapi/v1/fundingRate"


class Binance:
    """Binance's public data over a given HTTP client. `sleep` takes seconds."""

    def __init__(self, client: httpx.Client, *, sleep: Callable[[float], None] = time.sleep):
        self._client = PoliteClient(client, name="Binance", error=BinanceError, sleep=sleep)

    def klines(
        self,
        instrument: Instrument,
        timeframe: Timeframe,
        *,
        pair: str,
        venue: Venue,
        from_ms: int,
        to_ms: int,
        now_ms: int,
    ) -> Iterator[Bars]:
        """Pages of bars that open in [from_ms, to_ms) and are closed at `now_ms`, oldest first.

        `pair` is Binance's name (`BTCUSDT`), whose bars become those of `instrument`, with its
        usual spread. Raises `BinanceError`, and `BarsError` for bars that cannot be true.
        """
        end_ms = min(to_ms, timeframe.floor_ms(now_ms))
        query = {"symbol": pair, "interval": _INTERVALS[timeframe]}
        for page in self._pages(venue.klines_url, query, from_ms, end_ms, venue.weight_per_minute):
            yield _kline_columns(page).bars(instrument, timeframe)

    def funding_rates(self, pair: str, *, from_ms: int, to_ms: int) -> Iterator[FundingRates]:
        """Pages of funding rates charged in [from_ms, to_ms), oldest first."""
        query = {"symbol": pair}
        for page in self._pages(_FUNDING_URL, query, from_ms, to_ms, PERPETUAL.weight_per_minute):
            yield _funding_columns(page)

    def _pages(
        self, url: str, query: Mapping[str, str], from_ms: int, to_ms: int, weight_limit: int
    ) -> Iterator[list[Any]]:
        """Rows of [from_ms, to_ms) by thousands, each page started after the row before it."""
        while from_ms < to_ms:
            span: dict[str, str | int] = {"startTime": from_ms, "endTime": to_ms - 1}
            params = {**query, **span, "limit": PAGE_ROWS}
            rows = self._get(url, params, weight_limit)
            if rows:
                yield rows
            if len(rows) < PAGE_ROWS:
                return
            from_ms = _row_ms(rows[-1]) + 1

    def _get(self, url: str, params: dict[str, str | int], weight_limit: int) -> list[Any]:
        answer = self._client.get(url, params)
        rows = _rows(answer, url)
        if int(answer.headers.get(_USED_WEIGHT, 0)) > 0.8 * weight_limit:
            self._client.sleep(60.0)  # the weight is counted per minute
        return rows


def download_klines(
    binance: Binance,
    store: BarStore,
    instrument: Instrument,
    timeframe: Timeframe,
    *,
    pair: str,
    venue: Venue,
    from_ms: int,
    now_ms: int,
) -> Iterator[MergeReport]:
    """Merge closed klines page by page into the store, on from the store's last bar if it has one.

    Nothing is fetched until the reports are iterated; each page is durable before the next.
    """
    last_ms = store.last_open_ms(instrument.symbol, timeframe)
    start_ms = from_ms if last_ms is None else max(from_ms, last_ms)
    pages = binance.klines(
        instrument, timeframe, pair=pair, venue=venue,
        from_ms=start_ms, to_ms=now_ms, now_ms=now_ms,
    )  # fmt: skip
    for bars in pages:
        yield store.merge(bars, observed_ms=now_ms, sessions=instrument.sessions)


def download_funding(
    binance: Binance, path: Path, *, pair: str, from_ms: int, now_ms: int
) -> FundingRates:
    """All rates of a CSV brought up to `now_ms`, on from its last row if it is there.

    The file is replaced whole after each page, so that it is never half-written.
    """
    rates = read_funding(path) if path.is_file() else FundingRates.none()
    start_ms = int(rates.time_ms[-1]) + 1 if len(rates) else from_ms
    for page in binance.funding_rates(pair, from_ms=start_ms, to_ms=now_ms):
        rates = rates.followed_by(page)
        save_funding(path, rates)
    return rates


def _rows(answer: httpx.Response, url: str) -> list[Any]:
    try:
        content = answer.json()
    except ValueError as error:
        raise BinanceError(
            f"Binance: JSON is expected from {url}, {answer.text[:80]!r} came; "
            "check the network (a proxy or a blocked region answers with a page)"
        ) from error
    if answer.status_code != 200 or not isinstance(content, list):
        raise BinanceError(
            f"Binance: a list is expected from {url}, status {answer.status_code} with "
            f"{str(content)[:120]} came; check the pair's name and the time span"
        )
    return content


def _row_ms(row: Any) -> int:
    return int(row["fundingTime"] if isinstance(row, dict) else row[0])


def _kline_columns(page: list[Any]) -> RawColumns:
    table = np.array([row[1:6] for row in page], dtype=np.float64)
    open_, high, low, close, coins = (np.ascontiguousarray(column) for column in table.T)
    open_ms = np.array([row[0] for row in page], dtype=np.int64)
    return RawColumns(open_ms, (open_, high, low, close), volume_units(coins))


def _funding_columns(page: list[Any]) -> FundingRates:
    return FundingRates(
        np.array([row["fundingTime"] for row in page], dtype=np.int64),
        np.array([row["fundingRate"] for row in page], dtype=np.float64),
    )
