"""A calendar from whatever file holds one: a CSV that was collected afterwards, or an archive."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from market.calendar import EconomicCalendar
from market.sources.calendar_archive import Refresh, is_archive, read_archive
from market.sources.calendar_csv import read_calendar


@dataclass(frozen=True, slots=True, eq=False)
class CalendarFile:
    """`refreshes`: the readings of an archive, None for a CSV. `sha256`: of the file's bytes, for
    an archive of what it holds."""

    events: EconomicCalendar
    refreshes: tuple[Refresh, ...] | None
    sha256: str


def read_calendar_file(path: Path) -> CalendarFile:
    """Raises `SourceError` that names the file and what was allowed."""
    if is_archive(path):
        archive = read_archive(path)
        return CalendarFile(archive.events, archive.refreshes, archive.sha256)
    events = read_calendar(path)
    return CalendarFile(events, None, hashlib.sha256(path.read_bytes()).hexdigest())
