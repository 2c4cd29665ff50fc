"""Open interest of a perpetual: Binance's last month, and files of longer histories.

Binance keeps 30 days of it and gives at most 500 rows, the newest of the span that was asked for;
so spans of 500 rows are asked for one after the other.

Source: https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np

from market.bars import Float64s, Int64s
from market.sources.errors import BinanceError, SourceError
from market.sources.polite import PoliteClient
from market.sources.series import read_series, rising, save_series
from market.timeframe import Timeframe

PAGE_ROWS = 500
STEP_MS = Timeframe.M5.ms
# Binance refuses a span that starts before its last 30 days; a day less leaves room for clocks.
KEPT_MS = 29 * Timeframe.D1.ms

_URL = "https://fapi.binance.com/futures/data/openInterestHist"
_COLUMNS = ("sum_open_interest", "oi_close")


@dataclass(frozen=True, slots=True, eq=False)
class OpenInterest:
    """What was open at `time_ms` (epoch ms UTC), in coins or in USD, every `step_ms`."""

    time_ms: Int64s
    amount: Float64s
    step_ms: int

    def __len__(self) -> int:
        return len(self.time_ms)

    @staticmethod
    def none() -> "OpenInterest":
        """No snapshots."""
        return OpenInterest(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64), STEP_MS)

    def followed_by(self, later: "OpenInterest") -> "OpenInterest":
        """These snapshots, then the later ones of the same step."""
        return OpenInterest(
            np.concatenate([self.time_ms, later.time_ms]),
            np.concatenate([self.amount, later.amount]),
            self.step_ms,
        ).checked()

    def checked(self) -> "OpenInterest":
        """These snapshots, if they rise in time and something is open at each."""
        rising(self.time_ms)
        bad = np.flatnonzero(~(np.isfinite(self.amount) & (self.amount > 0)))
        if len(bad):
            raise SourceError(
                f"open interest: above 0 is allowed, row {bad[0]} is {self.amount[bad[0]]}"
            )
        return self


def read_open_interest(path: Path) -> OpenInterest:
    """Snapshots of a CSV (.gz too) or Parquet with `time` and `sum_open_interest` (each counted at
    its time), or of a daily one with `oi_close` (counted at the end of the day that `time` starts).
    """
    time_ms, amount, column = read_series(path, *_COLUMNS)
    daily = column == "oi_close"
    step_ms = Timeframe.D1.ms if daily else _commonest_step_ms(time_ms)
    try:
        return OpenInterest(time_ms + daily * Timeframe.D1.ms, amount, step_ms).checked()
    except SourceError as error:
        raise SourceError(f"{path.name}: {error}; correct the file") from error


def _commonest_step_ms(time_ms: Int64s) -> int:
    if len(time_ms) < 2:
        return STEP_MS
    steps, counts = np.unique(np.diff(time_ms), return_counts=True)
    return int(steps[counts.argmax()])


def open_interest_pages(
    client: PoliteClient, pair: str, *, from_ms: int, to_ms: int
) -> Iterator[OpenInterest]:
    """Pages of 5-minute snapshots counted in [from_ms, to_ms), in coins, oldest first."""
    for start_ms in range(from_ms, to_ms, PAGE_ROWS * STEP_MS):
        end_ms = min(start_ms + PAGE_ROWS * STEP_MS, to_ms) - 1
        span: dict[str, str | int] = {"startTime": start_ms, "endTime": end_ms}
        query = {"symbol": pair, "period": "5m", "limit": PAGE_ROWS, **span}
        page = _page(client.get(_URL, query))
        if len(page):
            yield page


def download_open_interest(
    client: PoliteClient, path: Path, *, pair: str, from_ms: int, now_ms: int
) -> OpenInterest:
    """All snapshots of a CSV brought up to `now_ms`, on from its last row if it is there.

    What is older than 29 days cannot be had any more: there the file has a hole. It is replaced
    whole after each page, so that it is never half-written.
    """
    kept = read_open_interest(path) if path.is_file() else OpenInterest.none()
    wanted_ms = int(kept.time_ms[-1]) + 1 if len(kept) else from_ms
    start_ms = max(wanted_ms, now_ms - KEPT_MS)
    for page in open_interest_pages(client, pair, from_ms=start_ms, to_ms=now_ms):
        kept = kept.followed_by(page)
        save_series(path, _COLUMNS[0], kept.time_ms, kept.amount)
    return kept


def _page(answer: httpx.Response) -> OpenInterest:
    try:
        rows = answer.json()
    except ValueError as error:
        raise BinanceError(
            f"Binance: JSON is expected from {_URL}, {answer.text[:80]!r} came; "
            "check the network (a proxy or a blocked region answers with a page)"
        ) from error
    if answer.status_code != 200 or not isinstance(rows, list):
        raise BinanceError(
            f"Binance: a list is expected from {_URL}, status {answer.status_code} with "
            f"{str(rows)[:120]} came; check the pair's name and the time span"
        )
    return OpenInterest(
        np.array([row["timestamp"] for row in rows], dtype=np.int64),
        np.array([row["sumOpenInterest"] for row in rows], dtype=np.float64),
        STEP_MS,
    )
