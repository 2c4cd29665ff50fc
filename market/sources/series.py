"""Series of one number per instant, and the CSV that keeps them: `time` (ISO, UTC), the number."""

import csv
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from market.bars import Float64s, Int64s
from market.sources.errors import SourceError
from market.sources.table import floats
from market.sources.text import read_table
from market.whole_file import whole_file


def read_series(path: Path, *columns: str) -> tuple[Int64s, Float64s, str]:
    """(epoch ms, numbers, name) of the first of the columns that a CSV (.gz too) or Parquet has.

    Raises `SourceError` that names the file and what was allowed; rows must rise in time.
    """
    if not path.is_file():
        raise SourceError(f"{path}: there is no such file; check the name and the folder")
    try:
        return _read(path, columns)
    except (SourceError, pa.ArrowException, OSError) as error:
        raise SourceError(f"{path.name}: {error}; correct the file") from error


def _read(path: Path, columns: tuple[str, ...]) -> tuple[Int64s, Float64s, str]:
    stamps = pa.timestamp("ms", "UTC")
    if path.suffix == ".parquet":
        table = pq.read_table(path)
    else:
        table = read_table(path, {"time": stamps, **dict.fromkeys(columns, pa.float64())})
    there = [name for name in columns if name in table.column_names]
    if "time" not in table.column_names or not there:
        raise SourceError(f"columns: time and {' or '.join(columns)} must be there")
    time_ms = pc.cast(pc.cast(table["time"], stamps), pa.int64()).to_numpy()
    return rising(time_ms), floats(table, there[0]), there[0]


def rising(time_ms: Int64s) -> Int64s:
    """These instants, if each is after the one before; else `SourceError`."""
    late = np.flatnonzero(np.diff(time_ms) <= 0)
    if len(late):
        raise SourceError(f"time: oldest first, each once; row {late[0] + 1} is not")
    return time_ms


def save_series(path: Path, column: str, time_ms: Int64s, values: Float64s) -> None:
    """Write a series to a CSV, whole or not at all."""
    with whole_file(path) as part, part.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("time", column))
        writer.writerows(zip(map(_iso, time_ms), values.tolist(), strict=True))


def _iso(instant_ms: np.int64) -> str:
    stamp = datetime.fromtimestamp(int(instant_ms) / 1000, UTC)
    return stamp.isoformat(timespec="milliseconds").replace("+00:00", "Z")
