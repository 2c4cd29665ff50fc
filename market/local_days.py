"""Local days and ISO weeks as instants, right over every change of the clocks. Pure."""

from datetime import date, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo


class LocalPeriods:
    """The days of a zone, or its weeks from Monday on, by their first instants.

    Remembers the period that was asked for last: most questions are about the same one.
    """

    def __init__(self, zone: str, *, weeks: bool = False) -> None:
        self._zone = ZoneInfo(zone)
        self._days = 7 if weeks else 1
        self._start_ms, self._end_ms = 0, 0

    def start_ms(self, at_ms: int) -> int:
        """The first instant of the period that holds `at_ms`, epoch ms UTC."""
        if not self._start_ms <= at_ms < self._end_ms:
            self._start_ms, self._end_ms = self._bounds(at_ms)
        return self._start_ms

    @property
    def end_ms(self) -> int:
        """The first instant after the period that was asked for last."""
        return self._end_ms

    def _bounds(self, at_ms: int) -> tuple[int, int]:
        day = datetime.fromtimestamp(at_ms / 1000, self._zone).toordinal()
        first = day - (day - 1) % 7 if self._days == 7 else day  # ordinal 1 was a Monday
        return _midnight_ms(self._zone, first), _midnight_ms(self._zone, first + self._days)


@lru_cache(maxsize=4096)
def _midnight_ms(zone: ZoneInfo, day: int) -> int:
    """The first instant of an ordinal day."""
    return round(datetime.combine(date.fromordinal(day), time(), zone).timestamp() * 1000)
