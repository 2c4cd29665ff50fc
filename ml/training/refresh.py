"""Brings the training data up to date: M15 and M1 bars, and what is published about the coin.

Bars are kept in one store, `datasets/bars.sqlite`: each page is durable before the next is asked
for, so a stopped refresh goes on where it stopped. When all of a timeframe is there it is written
to a Parquet file for training.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx
import pyarrow as pa
import pyarrow.parquet as pq

from broker.contract.errors import BrokerError
from market.bars import Bars
from market.instrument import Instrument
from market.sources.binance import PAGE_ROWS, SPOT, Binance, download_klines
from market.sources.bridge import RatesReader, top_up
from market.sources.errors import SourceError
from market.sources.onchain import download_onchain
from market.store import BarStore
from market.timeframe import Timeframe
from market.whole_file import whole_file

# Our symbols → Binance's pairs.
PAIRS = {"BTCUSD": "BTCUSDT"}

Said = Callable[[str, int], None]


class RefreshError(SourceError):
    """A refresh that did not get to its end. Says what is kept and how to go on."""


class BarSource(Protocol):
    """Whoever can fill a store with bars, page by page."""

    @property
    def name(self) -> str: ...

    def fill(
        self,
        store: BarStore,
        instrument: Instrument,
        timeframe: Timeframe,
        from_ms: int,
        now_ms: int,
    ) -> Iterator[int]:
        """Merges closed bars that open from `from_ms` on; yields how many each page added."""
        ...  # fmt: skip


@dataclass(frozen=True, slots=True)
class BridgeBars:
    """Bars of the broker itself, through the bridge, with its own spreads."""

    reader: RatesReader
    name: str = "the bridge"

    def fill(
        self, store: BarStore, instrument: Instrument, timeframe: Timeframe, from_ms: int,
        now_ms: int,
    ) -> Iterator[int]:  # fmt: skip
        yield top_up(
            store, self.reader, instrument.symbol, timeframe, now_ms=now_ms, need_from_ms=from_ms,
            sessions=instrument.sessions,
        ).added  # fmt: skip


@dataclass(frozen=True, slots=True)
class BinanceBars:
    """Spot bars of Binance, with the instrument's usual spread."""

    binance: Binance
    name: str = "Binance"

    def fill(
        self, store: BarStore, instrument: Instrument, timeframe: Timeframe, from_ms: int,
        now_ms: int,
    ) -> Iterator[int]:  # fmt: skip
        pair, venue = pair_of(instrument.symbol), SPOT
        for start_ms, end_ms in _backwards(store, instrument, timeframe, from_ms):
            pages = self.binance.klines(
                instrument, timeframe, pair=pair, venue=venue,
                from_ms=start_ms, to_ms=end_ms, now_ms=now_ms,
            )  # fmt: skip
            for page in pages:
                yield store.merge(page, observed_ms=now_ms, sessions=instrument.sessions).added
        newer = download_klines(
            self.binance, store, instrument, timeframe,
            pair=pair, venue=venue, from_ms=from_ms, now_ms=now_ms,
        )  # fmt: skip
        for report in newer:
            yield report.added


def _backwards(
    store: BarStore, instrument: Instrument, timeframe: Timeframe, from_ms: int
) -> Iterator[tuple[int, int]]:
    """Spans of a page before what the store has, the newest first: a stop leaves no hole."""
    first_ms = store.first_open_ms(instrument.symbol, timeframe)
    end_ms = from_ms if first_ms is None else first_ms
    while end_ms > from_ms:
        start_ms = max(from_ms, end_ms - PAGE_ROWS * timeframe.ms)
        yield start_ms, end_ms
        end_ms = start_ms


def pair_of(symbol: str) -> str:
    """Binance's pair of a symbol; `RefreshError` where it has none."""
    if symbol not in PAIRS:
        raise RefreshError(
            f"Binance: bars of {', '.join(PAIRS)} are there, {symbol} was asked for: refresh "
            "through the bridge (--refresh-from bridge)"
        )
    return PAIRS[symbol]


def refresh_bars(
    source: BarSource,
    instrument: Instrument,
    timeframe: Timeframe,
    folder: Path,
    *,
    from_ms: int,
    now_ms: int,
    said: Said,
) -> Path:
    """Fills the folder's store and writes `<symbol>_<timeframe>.parquet`; returns its path.

    `said(text, bars added so far)` is told after each page. Raises `RefreshError`.
    """
    kept_in = folder / "bars.sqlite"
    what = f"{instrument.symbol} {timeframe.name} from {source.name}"
    store, added = BarStore(kept_in), 0
    try:
        for count in source.fill(store, instrument, timeframe, from_ms, now_ms):
            added += count
            said(what, added)
        bars = store.load(instrument.symbol, timeframe, from_ms=from_ms, to_ms=now_ms)
    except (SourceError, BrokerError, httpx.HTTPError) as error:
        raise RefreshError(
            f"refresh of {what}: {error}; {added} new bars are kept in {kept_in}, and the same "
            "command goes on from there. To train on what there is, leave --refresh out and give "
            "--data FILE"
        ) from error
    finally:
        store.close()
    if len(bars) == 0:
        raise RefreshError(f"refresh of {what}: no bars came; check the symbol and the span")
    path = folder / f"{instrument.symbol.lower()}_{timeframe.name.lower()}.parquet"
    write_bars(path, bars)
    return path


def refresh_onchain(
    client: httpx.Client, folder: Path, symbol: str, *, from_ms: int, now_ms: int
) -> Path:
    """Brings the folder's three on-chain files up to date; returns the folder."""
    try:
        download_onchain(client, folder, pair=pair_of(symbol), from_ms=from_ms, now_ms=now_ms)
    except (SourceError, httpx.HTTPError) as error:
        raise RefreshError(
            f"refresh of on-chain data: {error}; pages so far are kept in {folder}, and the same "
            "command goes on from there"
        ) from error
    return folder


def write_bars(path: Path, bars: Bars) -> None:
    """A Parquet file that `market.sources.files.read_bars` reads back, whole or not at all."""
    stamps = pa.array(bars.open_ms, pa.timestamp("ms", "UTC"))
    columns = {
        "time": stamps, "open": bars.open, "high": bars.high, "low": bars.low,
        "close": bars.close, "tick_volume": bars.tick_volume, "spread": bars.spread_points,
    }  # fmt: skip
    with whole_file(path) as part:
        pq.write_table(pa.table(columns), part)
