"""Binance kline files (data.binance.vision and the API's columns): 12 columns, header or not.

Open times are epoch milliseconds, in spot files since 2025 epoch microseconds; one file may hold
both where months were joined.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa

from market.bars import Int64s
from market.server_clock import ServerClock
from market.sources.columns import RawColumns, volume_units
from market.sources.table import floats, integers, prices
from market.sources.text import first_line, read_table

_NAMES = [
    "open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume",
    "trades", "taker_buy_base", "taker_buy_quote", "ignore",
]  # fmt: skip
_TYPES = {
    **dict.fromkeys(("open", "high", "low", "close", "volume"), pa.float64()),
    "open_time": pa.int64(),
}
# Epoch milliseconds stay below this until the year 5138, microseconds passed it in 1973.
_FIRST_MICROSECOND = 100_000_000_000_000


def recognises(line: str) -> bool:
    """Whether a first line is a kline or the header of klines."""
    cells = line.strip().split(",")
    return len(cells) == len(_NAMES) and (cells[0].isdigit() or _is_header(line))


def read(path: Path, clock: ServerClock) -> RawColumns:
    """Columns of a kline file. Its times are UTC, whatever the clock."""
    skip_rows = 1 if _is_header(first_line(path)) else 0
    table = read_table(path, _TYPES, names=_NAMES, skip_rows=skip_rows)
    return RawColumns(
        _milliseconds(integers(table, "open_time")),
        prices(table, "open", "high", "low", "close"),
        volume_units(floats(table, "volume")),
    )


def _is_header(line: str) -> bool:
    return line.strip().lower().replace(" ", "_").startswith("open_time,")


def _milliseconds(epoch: Int64s) -> Int64s:
    return np.where(epoch >= _FIRST_MICROSECOND, epoch // 1000, epoch)
