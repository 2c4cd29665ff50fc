"""Tables with one named column per field: `time, open, high, low, close, volume | tick_volume`.

`volume` is traded base volume in coins, `tick_volume` a count of price changes. `spread` (points)
may be there; other columns are ignored.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from market.bars import Float64s, Int64s
from market.server_clock import ServerClock
from market.sources.columns import Prices, RawColumns, volume_units
from market.sources.errors import SourceError
from market.sources.text import read_table

_PRICES = ("open", "high", "low", "close")
_REQUIRED = ("time", *_PRICES)
_CSV_TYPES = {
    **dict.fromkeys((*_PRICES, "volume"), pa.float64()),
    **dict.fromkeys(("tick_volume", "spread"), pa.int64()),
}


def recognises(line: str) -> bool:
    """Whether a first line is this table's header."""
    return set(_REQUIRED) <= set(line.strip().lower().split(","))


def read_parquet(path: Path, clock: ServerClock) -> RawColumns:
    """Columns of a Parquet file."""
    return _columns(pq.read_table(path), clock)


def read_csv(path: Path, clock: ServerClock) -> RawColumns:
    """Columns of a comma-separated file with a header and ISO times."""
    return _columns(read_table(path, _CSV_TYPES), clock)


def _columns(table: pa.Table, clock: ServerClock) -> RawColumns:
    table = table.rename_columns([name.lower() for name in table.column_names])
    _require_columns(table.column_names)
    return RawColumns(
        _open_ms(table["time"], clock),
        prices(table, *_PRICES),
        integers(table, "tick_volume")
        if "tick_volume" in table.column_names
        else volume_units(floats(table, "volume")),
        integers(table, "spread") if "spread" in table.column_names else None,
    )


def _require_columns(names: list[str]) -> None:
    missing = [name for name in _REQUIRED if name not in names]
    if not {"volume", "tick_volume"} & set(names):
        missing.append("volume or tick_volume")
    if missing:
        raise SourceError(
            f"columns: {', '.join(missing)} must be there, but the file has {', '.join(names)}"
        )


def _open_ms(time: pa.ChunkedArray, clock: ServerClock) -> Int64s:
    _refuse_empty(time, "time")
    if not pa.types.is_timestamp(time.type):
        raise SourceError(f"time: timestamps are allowed, the column is {time.type}")
    open_ms = pc.cast(pc.cast(time, pa.timestamp("ms", time.type.tz)), pa.int64()).to_numpy()
    return open_ms if time.type.tz else clock.to_utc_ms_sequence(open_ms // 1000)


def floats(table: pa.Table, name: str) -> Float64s:
    """A column as float64; an empty cell or another type is a `SourceError`."""
    column = _refuse_empty(table[name], name)
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        raise SourceError(f"{name}: numbers are allowed, the column is {column.type}")
    return np.ascontiguousarray(pc.cast(column, pa.float64()).to_numpy())


def prices(table: pa.Table, open: str, high: str, low: str, close: str) -> Prices:
    """The four price columns, by their names in this table."""
    return floats(table, open), floats(table, high), floats(table, low), floats(table, close)


def integers(table: pa.Table, name: str) -> Int64s:
    """A column as int64; an empty cell or a fraction is a `SourceError`."""
    column = _refuse_empty(table[name], name)
    try:
        return np.ascontiguousarray(pc.cast(column, pa.int64()).to_numpy())
    except pa.ArrowInvalid as error:
        raise SourceError(f"{name}: whole numbers are allowed, but {error}") from error


def _refuse_empty(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    if column.null_count:
        row = pc.index(column.is_null(), True).as_py()
        raise SourceError(f"{name}: a value in each row is needed, row {row} is empty")
    return column
