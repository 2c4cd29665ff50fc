"""What MetaTrader 5 writes under Symbols > Bars > Export: tab-separated, in server time.

<DATE>      <TIME>    <OPEN> <HIGH> <LOW> <CLOSE> <TICKVOL> <VOL> <SPREAD>
2025.06.02  00:00:00  ...
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from market.bars import Int64s
from market.server_clock import ServerClock
from market.sources.columns import RawColumns
from market.sources.errors import SourceError
from market.sources.table import integers, prices
from market.sources.text import read_table

_TYPES = {
    "<DATE>": pa.string(),
    "<TIME>": pa.string(),
    **dict.fromkeys(("<OPEN>", "<HIGH>", "<LOW>", "<CLOSE>"), pa.float64()),
    **dict.fromkeys(("<TICKVOL>", "<SPREAD>"), pa.int64()),
}


def recognises(line: str) -> bool:
    """Whether a first line is the header of an MT5 export."""
    return line.startswith("<DATE>")


def read(path: Path, clock: ServerClock) -> RawColumns:
    """Columns of an MT5 export; server time becomes UTC by the clock's rule."""
    table = read_table(path, _TYPES, delimiter="\t")
    missing = [name for name in _TYPES if name not in table.column_names]
    if missing:
        raise SourceError(
            f"columns: {', '.join(missing)} must be there, but the file has "
            f"{', '.join(table.column_names)}; export bars of M1 … H4"
        )
    return RawColumns(
        clock.to_utc_ms_sequence(_server_s(table)),
        prices(table, "<OPEN>", "<HIGH>", "<LOW>", "<CLOSE>"),
        integers(table, "<TICKVOL>"),
        integers(table, "<SPREAD>"),
    )


def _server_s(table: pa.Table) -> Int64s:
    shown = pc.binary_join_element_wise(table["<DATE>"], table["<TIME>"], " ")
    stamps = pc.strptime(shown, format="%Y.%m.%d %H:%M:%S", unit="s", error_is_null=True)
    if stamps.null_count:
        row = pc.index(stamps.is_null(), True).as_py()
        raise SourceError(
            f"<DATE> <TIME>: 2025.06.02 00:15:00 is allowed, row {row} is {shown[row].as_py()!r}"
        )
    server_s: Int64s = pc.cast(stamps, pa.int64()).to_numpy()
    return server_s
