"""The record that the feature group `onchain` reads, made of funding, open interest and the index.

Here stands when each value was known. Files that were collected afterwards do not say it, so the
lags are assumptions on the late side; live and in training they are the same.
"""

import time
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np

from market.onchain import OnChain, Published
from market.sources.binance import Binance, download_funding
from market.sources.errors import BinanceError, SourceError
from market.sources.fear_greed import FearGreed, download_fear_greed, read_fear_greed
from market.sources.funding import FundingRates, read_funding
from market.sources.open_interest import (
    OpenInterest,
    download_open_interest,
    read_open_interest,
)
from market.sources.polite import PoliteClient

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
# Binance stamps a charge some milliseconds after the hour and files round it: both count from the
# next minute on.
FUNDING_LAG_MS = MINUTE_MS
FUNDING_MAX_AGE_MS = 24 * HOUR_MS
OPEN_INTEREST_LAG_MS = 5 * MINUTE_MS
CHANGE_MS = 4 * HOUR_MS  # 16 M15 bars
# The service counts down to 00:00 UTC, the stamp of a day's index; it is there a little later.
FEAR_GREED_LAG_MS = HOUR_MS
FEAR_GREED_MAX_AGE_MS = 48 * HOUR_MS

FUNDING_FILE, OPEN_INTEREST_FILE = "funding.csv", "open_interest.csv"
FEAR_GREED_FILE = "fear_greed.csv"


def onchain(funding: FundingRates, open_interest: OpenInterest, index: FearGreed) -> OnChain:
    """What the features read, each value from the instant it was published."""
    return OnChain(
        published_funding(funding),
        published_change(open_interest),
        Published(index.time_ms + FEAR_GREED_LAG_MS, index.index, FEAR_GREED_MAX_AGE_MS),
    )


def read_onchain(*, funding: Path, open_interest: Path, fear_greed: Path) -> OnChain:
    """The record of three files; `SourceError` names the one that cannot be read."""
    return onchain(
        read_funding(funding), read_open_interest(open_interest), read_fear_greed(fear_greed)
    )


def onchain_files(folder: Path) -> tuple[Path, Path, Path]:
    """A folder's files of funding, open interest and the index; `.csv.gz` and `.parquet` too.

    Raises `SourceError` that names what is missing.
    """
    funding, open_interest, index = (
        _there(folder, Path(name).stem)
        for name in (FUNDING_FILE, OPEN_INTEREST_FILE, FEAR_GREED_FILE)
    )
    return funding, open_interest, index


def _there(folder: Path, stem: str) -> Path:
    for suffix in (".csv", ".csv.gz", ".parquet"):
        if (folder / (stem + suffix)).is_file():
            return folder / (stem + suffix)
    raise SourceError(
        f"{folder}: {stem}.csv, .csv.gz or .parquet must be there; --refresh downloads it"
    )


def download_onchain(
    client: httpx.Client,
    folder: Path,
    *,
    pair: str,
    from_ms: int,
    now_ms: int,
    sleep: Callable[[float], None] = time.sleep,
) -> OnChain:
    """The record of a folder's three files, each brought up to `now_ms` first.

    A file that is not there begins at `from_ms`, that of open interest 29 days ago at the earliest,
    that of the index with its first day.
    """
    binance = PoliteClient(client, name="Binance", error=BinanceError, sleep=sleep)
    index = PoliteClient(client, name="alternative.me", sleep=sleep)
    span = {"from_ms": from_ms, "now_ms": now_ms}
    return onchain(
        download_funding(Binance(client, sleep=sleep), folder / FUNDING_FILE, pair=pair, **span),
        download_open_interest(binance, folder / OPEN_INTEREST_FILE, pair=pair, **span),
        download_fear_greed(index, folder / FEAR_GREED_FILE, now_ms=now_ms),
    )


def published_funding(rates: FundingRates) -> Published:
    """Each rate from the minute after its charge on, for a day."""
    known_ms = rates.time_ms // MINUTE_MS * MINUTE_MS + FUNDING_LAG_MS
    return Published(known_ms, rates.rate, FUNDING_MAX_AGE_MS)


def published_change(snapshots: OpenInterest) -> Published:
    """Each snapshot against the last one at least four hours older, as a fraction.

    A snapshot without such a one, or whose nearest is more than a step older still, is left out.
    """
    time_ms, amount, step_ms = snapshots.time_ms, snapshots.amount, snapshots.step_ms
    base = np.searchsorted(time_ms, time_ms - CHANGE_MS, side="right") - 1
    farthest_ms = max(CHANGE_MS, step_ms) + step_ms
    there = (base >= 0) & (time_ms - time_ms[base] <= farthest_ms)
    return Published(
        time_ms[there] + OPEN_INTEREST_LAG_MS,
        amount[there] / amount[base[there]] - 1.0,
        max(HOUR_MS, 2 * step_ms),
    )
