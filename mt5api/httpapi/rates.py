"""GET /symbols/{symbol}/rates: three ways to say which bars, and what each of them gives.

Without `from`: the last |count| bars, the forming one included. `from` and count > 0: the bars
from then on; count < 0: the |count| bars that open up to then. `from` and `to`: all bars between,
both ends included. `count` and `to` exclude each other.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.datastructures import QueryParams

from mt5api.httpapi.face import Package

_MINUTES = {
    "M1": 1, "M2": 2, "M3": 3, "M4": 4, "M5": 5, "M6": 6, "M10": 10, "M12": 12, "M15": 15,
    "M20": 20, "M30": 30, "H1": 60, "H2": 120, "H3": 180, "H4": 240, "H6": 360, "H8": 480,
    "H12": 720, "D1": 1440, "W1": 10_080, "MN1": 44_640,
}  # fmt: skip
_HOUR_BIT, _WEEK_BIT, _MONTH_BIT = 0x4000, 0x8000, 0xC000
_DEFAULT_COUNT = 100
_CLOSED_MARKETS = 3  # forward reads look this much further, for nights and weekends
_WEEK_S = 7 * 86_400
_DATE = re.compile(r"\d{4}(_\d{2}){2}")
_INSTANT = re.compile(r"\d{4}(_\d{2}){5}")


class BadQuery(ValueError):
    """A query that is answered with 400."""


@dataclass(frozen=True, slots=True)
class RatesQuery:
    """Instants are seconds as the caller gave them (UTC if the bridge shifts)."""

    timeframe: str
    from_s: int | None
    to_s: int | None
    count: int

    @property
    def constant(self) -> int:
        """The package's TIMEFRAME constant."""
        minutes = _MINUTES[self.timeframe]
        if self.timeframe == "MN1":
            return _MONTH_BIT | 1
        if self.timeframe == "W1":
            return _WEEK_BIT | 1
        return minutes if minutes < 60 else _HOUR_BIT | minutes // 60


def read_query(query: QueryParams) -> RatesQuery:
    """Raises `BadQuery` with the text of the 400."""
    timeframe = query.get("timeframe", "M1").upper()
    if timeframe not in _MINUTES:
        raise BadQuery(f"Invalid timeframe: {timeframe}. Use: {list(_MINUTES)}")
    count, from_text, to_text = query.get("count"), query.get("from"), query.get("to")
    if to_text and count:
        raise BadQuery("'count' and 'to' cannot be used together")
    if to_text and not from_text:
        raise BadQuery("'to' requires 'from'")
    try:
        wanted = int(count) if count else _DEFAULT_COUNT
    except ValueError:
        raise BadQuery("'count' must be a whole number") from None
    from_s = _instant_s(from_text, "from") if from_text else None
    to_s = _instant_s(to_text, "to") if to_text else None
    if from_s is not None and to_s is not None and from_s > to_s:
        raise BadQuery("'from' must be <= 'to'")
    return RatesQuery(timeframe, from_s, to_s, wanted)


def read_rates(mt5: Package, symbol: str, asked: RatesQuery, offset_s: int) -> list[dict[str, Any]]:
    """The bars, oldest first; none where the package answered None."""
    rows = _rows(mt5, symbol, asked, offset_s)
    if rows is None:
        return []
    return [
        {
            "time": int(row[0]) - offset_s, "open": float(row[1]), "high": float(row[2]),
            "low": float(row[3]), "close": float(row[4]), "tick_volume": int(row[5]),
            "spread": int(row[6]), "real_volume": int(row[7]),
        }
        for row in rows
    ]  # fmt: skip


def _rows(mt5: Package, symbol: str, asked: RatesQuery, offset_s: int) -> Any:
    if asked.from_s is None:
        if asked.count == 0:
            return None
        return mt5.copy_rates_from_pos(symbol, asked.constant, 0, abs(asked.count))
    from_s = asked.from_s + offset_s
    if asked.to_s is not None:
        return mt5.copy_rates_range(symbol, asked.constant, from_s, asked.to_s + offset_s)
    if asked.count < 0:
        return mt5.copy_rates_from(symbol, asked.constant, from_s, -asked.count)
    if asked.count == 0:
        return None
    span_s = asked.count * _MINUTES[asked.timeframe] * 60
    rows = mt5.copy_rates_range(
        symbol, asked.constant, from_s, from_s + _CLOSED_MARKETS * span_s + _WEEK_S
    )
    return None if rows is None else rows[: asked.count]


def _instant_s(text: str, name: str) -> int:
    """Unix seconds, YYYY_MM_DD_HH_MM_SS or YYYY_MM_DD."""
    try:
        if _INSTANT.fullmatch(text):
            return _epoch_s(text, "%Y_%m_%d_%H_%M_%S")
        if _DATE.fullmatch(text):
            return _epoch_s(text, "%Y_%m_%d")
        return int(text)
    except ValueError:
        raise BadQuery(
            f"'{name}' must be unix seconds, YYYY_MM_DD_HH_MM_SS or YYYY_MM_DD"
        ) from None


def _epoch_s(text: str, form: str) -> int:
    return int(datetime.strptime(text, form).replace(tzinfo=UTC).timestamp())
