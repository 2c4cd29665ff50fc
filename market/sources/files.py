"""Bars from files: Parquet, a MetaTrader 5 export, Binance klines.

The format is recognised by name and first line. A file is read as it is or refused with its name;
nothing is sorted, filled or dropped.
"""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from market.bars import Bars, BarsError
from market.instrument import Instrument
from market.server_clock import ServerClock, ServerClockError
from market.sources import binance_csv, mt5_csv, table
from market.sources.columns import RawColumns, commonest_timeframe
from market.sources.errors import SourceError
from market.sources.text import first_line

_ALLOWED = "a .parquet file, an MT5 export .csv or a Binance kline .csv (.csv.gz too)"
_WHAT_TO_DO = "correct or export the file again; nothing was repaired"

__all__ = ["SourceError", "read_bars"]


def read_bars(path: Path, instrument: Instrument, *, server_zone: str = "UTC") -> Bars:
    """Checked bars of `instrument` from one file, the timeframe told from the rows.

    Prices are put on the instrument's grid; traded volume counts in thousandths of a coin; the
    spread column is kept, and is `instrument.spread_points` where there is none. Times without a
    zone are the server's wall clock in `server_zone` (see `market.server_clock`).

    Raises `SourceError` for a file that cannot be read and `BarsError` for bars that cannot be
    true; both name the file.
    """
    if not path.is_file():
        raise SourceError(f"{path}: there is no such file; check the name and the folder")
    clock = ServerClock(server_zone)
    try:
        raw = _reader(path)(path, clock)
        if len(raw.open_ms) == 0:
            raise SourceError("the file has no bars, at least 2 are needed")
        return raw.bars(instrument, commonest_timeframe(raw.open_ms))
    except BarsError as error:
        raise BarsError(f"{path.name}: {error}; {_WHAT_TO_DO}") from error
    except (SourceError, ServerClockError, pa.ArrowException, OSError, UnicodeError) as error:
        raise SourceError(f"{path.name}: {error}; {_WHAT_TO_DO}") from error


def _reader(path: Path) -> Callable[[Path, ServerClock], RawColumns]:
    name = path.name.lower()
    if name.endswith((".parquet", ".pq")):
        return table.read_parquet
    if not name.endswith((".csv", ".csv.gz")):
        raise SourceError(f"{_ALLOWED} is allowed, {path.suffix or 'no extension'} came")
    line = first_line(path)
    if mt5_csv.recognises(line):
        return mt5_csv.read
    if binance_csv.recognises(line):
        return binance_csv.read
    if table.recognises(line):
        return table.read_csv
    raise SourceError(
        f"{_ALLOWED}, or the columns time, open, high, low, close, volume are allowed, but the "
        f"first line is {line[:60]!r}"
    )
