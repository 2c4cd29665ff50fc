"""Funding rates of a perpetual contract, and the CSV they are kept in."""

import csv
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from market.bars import Float64s, Int64s
from market.sources.errors import SourceError
from market.sources.table import floats
from market.sources.text import read_table

_HEADER = ("time", "funding_rate")


@dataclass(frozen=True, slots=True, eq=False)
class FundingRates:
    """What longs pay shorts at `time_ms` (epoch ms UTC), as a fraction of the position's value.

    A rate is known when it is charged.
    """

    time_ms: Int64s
    rate: Float64s

    def __len__(self) -> int:
        return len(self.time_ms)

    @staticmethod
    def none() -> "FundingRates":
        """No rates."""
        return FundingRates(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64))

    def followed_by(self, later: "FundingRates") -> "FundingRates":
        """These rates, then the later ones."""
        return FundingRates(
            np.concatenate([self.time_ms, later.time_ms]), np.concatenate([self.rate, later.rate])
        )


def read_funding(path: Path) -> FundingRates:
    """Rates of a CSV (.gz too) with `time` (ISO, UTC) and `funding_rate`; else `SourceError`."""
    if not path.is_file():
        raise SourceError(f"{path}: there is no such file; check the name and the folder")
    try:
        table = read_table(path, {"funding_rate": pa.float64(), "time": pa.timestamp("ms", "UTC")})
        missing = [name for name in _HEADER if name not in table.column_names]
        if missing:
            raise SourceError(f"columns: {', '.join(missing)} must be there")
        time_ms = pc.cast(table["time"], pa.int64()).to_numpy()
        rate = floats(table, "funding_rate")
        late = np.flatnonzero(np.diff(time_ms) <= 0)
        if len(late):
            raise SourceError(f"time: oldest first, each once; row {late[0] + 1} is not")
    except (SourceError, pa.ArrowException, OSError) as error:
        raise SourceError(f"{path.name}: {error}; correct the file") from error
    return FundingRates(time_ms, rate)


def save_funding(path: Path, rates: FundingRates) -> None:
    """Write rates to a CSV, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(_HEADER)
        writer.writerows(zip(map(_iso, rates.time_ms), rates.rate.tolist(), strict=True))
    partial.replace(path)


def _iso(instant_ms: np.int64) -> str:
    stamp = datetime.fromtimestamp(int(instant_ms) / 1000, UTC)
    return stamp.isoformat(timespec="milliseconds").replace("+00:00", "Z")
