"""Local days and ISO weeks as instants, right over every change of the clocks. Pure."""

from datetime import UTC, datetime, time, timedelta
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
        day = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self._zone).date()
        first = day - timedelta(days=day.weekday() if self._days == 7 else 0)
        start, end = (
            datetime.combine(each, time(), self._zone)
            for each in (first, first + timedelta(days=self._days))
        )
        return round(start.timestamp() * 1000), round(end.timestamp() * 1000)
