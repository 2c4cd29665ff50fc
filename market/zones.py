"""A time zone's UTC offsets as a step function, so that columns of instants convert at once.

`zoneinfo` answers one instant at a time and does not tell its transitions; they are found here
once per zone, by looking at every week and halving the weeks in which the offset changed.
"""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]

_WEEK_S = 7 * 86_400
_FIRST_S = 0  # 1970-01-01
_LAST_S = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp())


@dataclass(frozen=True, slots=True, eq=False)
class OffsetSteps:
    """Offset `offset_s[i]` holds from UTC second `start_s[i]` until the next start."""

    start_s: Int64s
    offset_s: Int64s

    def offsets_s(self, utc_s: Int64s) -> Int64s:
        """Seconds to add to UTC, for each instant."""
        step = np.searchsorted(self.start_s, utc_s, side="right") - 1
        return self.offset_s[np.maximum(step, 0)]

    def offset_at(self, utc_s: int) -> int:
        """`offsets_s` of one instant."""
        step = bisect_right(self.start_s, utc_s) - 1
        return int(self.offset_s[max(step, 0)])

    def steps_of_local(self, local_s: Int64s) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """For each local second, the first and the last step in which the clock shows it.

        Equal for almost all; first < last in the repeated hour of autumn; first > last in the
        hour that spring skips, which no clock shows.
        """
        step_end = self.start_s[1:] + self.offset_s[:-1]
        step_start = self.start_s + self.offset_s
        first = np.searchsorted(step_end, local_s, side="right")
        last = np.searchsorted(step_start, local_s, side="right") - 1
        return first, np.maximum(last, 0)


@lru_cache(maxsize=32)
def offset_steps(zone: str) -> OffsetSteps:
    """The steps of an IANA zone from 1970 to 2100; `ValueError` where there is no such zone."""
    rule = _zone(zone)
    starts = [_FIRST_S]
    for before, after in pairwise(range(_FIRST_S, _LAST_S, _WEEK_S)):
        if _offset_s(rule, before) != _offset_s(rule, after):
            starts.append(_change_between(rule, before, after))
    offsets = [_offset_s(rule, start) for start in starts]
    return OffsetSteps(np.array(starts, dtype=np.int64), np.array(offsets, dtype=np.int64))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, IsADirectoryError) as error:
        raise ValueError(
            f"time zone: an IANA name such as Europe/Athens is allowed, {name!r} came"
        ) from error


def _offset_s(rule: ZoneInfo, utc_s: int) -> int:
    offset = datetime.fromtimestamp(utc_s, rule).utcoffset()
    assert offset is not None  # an aware datetime has one
    return int(offset.total_seconds())


def _change_between(rule: ZoneInfo, before: int, after: int) -> int:
    """The first second with the offset of `after`; the offset changes once in between."""
    while after - before > 1:
        middle = (before + after) // 2
        if _offset_s(rule, middle) == _offset_s(rule, before):
            before = middle
        else:
            after = middle
    return after
