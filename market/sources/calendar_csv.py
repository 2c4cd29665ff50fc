"""Economic calendars from CSV files that were collected afterwards.

Two shapes are known: Forex Factory's (`time, currency, impact, event, …`) and that of the official
release times (`time, country, impact, event, …`). When an entry became known is assumed, see
`market.calendar`.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from market.calendar import EconomicCalendar, Impact
from market.sources.errors import SourceError
from market.sources.text import read_table

_CURRENCY_OF_AREA = {"US": "USD", "EA": "EUR", "UK": "GBP", "CH": "CHF"}


def read_calendar(path: Path) -> EconomicCalendar:
    """Events of a CSV (.gz too) with `time` (ISO, UTC), `impact`, `currency` or `country`, `event`.

    Raises `SourceError` that names the file, the row and what was allowed.
    """
    if not path.is_file():
        raise SourceError(f"{path}: there is no such file; check the name and the folder")
    try:
        return _calendar(read_table(path, {"impact": pa.string()}))
    except (SourceError, pa.ArrowException, OSError) as error:
        raise SourceError(f"{path.name}: {error}; correct the file") from error


def _calendar(table: pa.Table) -> EconomicCalendar:
    area = "currency" if "currency" in table.column_names else "country"
    missing = [name for name in ("time", "impact", area) if name not in table.column_names]
    if missing:
        raise SourceError(
            f"columns: time, impact and currency or country must be there, "
            f"but the file has {', '.join(table.column_names)}"
        )
    if not pa.types.is_timestamp(table["time"].type):
        raise SourceError("time: ISO text such as 2025-01-10T13:30:00Z is allowed in each row")
    time_ms = pc.cast(pc.cast(table["time"], pa.timestamp("ms", "UTC")), pa.int64()).to_numpy()
    impact = _mapped(table, "impact", {level.name: str(level.value) for level in Impact})
    return EconomicCalendar.of(
        time_ms, impact.astype(np.int8), _currencies(table, area), title=_titles(table)
    )


def _currencies(table: pa.Table, area: str) -> NDArray[np.str_]:
    if area == "country":
        return _mapped(table, area, _CURRENCY_OF_AREA)
    return np.char.upper(table[area].to_numpy().astype("U3"))


def _titles(table: pa.Table) -> NDArray[np.str_] | None:
    if "event" not in table.column_names:
        return None
    return np.array([str(value or "") for value in table["event"].to_pylist()], dtype=np.str_)


def _mapped(table: pa.Table, column: str, allowed: dict[str, str]) -> NDArray[np.str_]:
    values = table[column].to_pylist()
    for row, value in enumerate(values):
        if str(value).upper() not in allowed:
            names = ", ".join(allowed)
            raise SourceError(f"{column}: one of {names} is allowed, row {row} is {value!r}")
    return np.array([allowed[value.upper()] for value in values])
