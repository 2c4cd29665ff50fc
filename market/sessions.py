"""When a market is open, by the exchange's own clock and daylight saving."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from market.zones import Int64s, offset_steps

_MINUTES_A_DAY = 1440
_MINUTES_A_WEEK = 7 * _MINUTES_A_DAY
_FIRST_MONDAY_MIN = 4 * _MINUTES_A_DAY  # 1970-01-05
_BREAK_MIN = 120
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Sessions:
    """Weekly trading windows in an IANA zone.

    `windows`: (weekday, from_minute, to_minute), Monday = 0, minutes since local midnight,
    half-open. No window at all means never open.
    """

    zone: str
    windows: tuple[tuple[int, int, int], ...]

    def is_open(self, instant_ms: int) -> bool:
        """Whether the market is open at an epoch-ms UTC instant."""
        local = datetime.fromtimestamp(instant_ms / 1000, UTC).astimezone(_zone(self.zone))
        minute = local.hour * 60 + local.minute
        return any(
            day == local.weekday() and start <= minute < end for day, start, end in self.windows
        )

    def are_open(self, instants_ms: Int64s) -> NDArray[np.bool_]:
        """`is_open` for a column of instants."""
        utc_s = instants_ms // 1000
        local_s = utc_s + offset_steps(self.zone).offsets_s(utc_s)
        minute: Int64s = (local_s // 60 - _FIRST_MONDAY_MIN) % _MINUTES_A_WEEK
        return _open_minutes(self)[minute]

    @property
    def has_breaks(self) -> bool:
        """Whether the market closes for two hours or more at all."""
        return bool(_break_starts(self))

    def next_break_ms(self, instant_ms: int) -> int:
        """When the market closes next for two hours or more; 0 if not within a day from now."""
        starts = _break_starts(self)
        if not starts:
            return 0
        local = datetime.fromtimestamp(instant_ms / 1000, UTC).astimezone(_zone(self.zone))
        minute = local.weekday() * _MINUTES_A_DAY + local.hour * 60 + local.minute
        away = min((start - minute) % _MINUTES_A_WEEK for start in starts)
        whole = local.replace(second=0, microsecond=0, tzinfo=None)
        closes = (whole + timedelta(minutes=away)).replace(tzinfo=_zone(self.zone))
        closes_ms = round(closes.timestamp() * 1000)
        return closes_ms if instant_ms <= closes_ms <= instant_ms + _DAY_MS else 0


@lru_cache(maxsize=32)
def _break_starts(sessions: Sessions) -> tuple[int, ...]:
    """Minutes of the local week at which the market closes for two hours or more."""
    is_open = _open_minutes(sessions)
    closes = np.flatnonzero(np.roll(is_open, 1) & ~is_open)
    return tuple(
        int(start) for start in closes if not np.roll(is_open, -int(start))[:_BREAK_MIN].any()
    )


@lru_cache(maxsize=32)
def _open_minutes(sessions: Sessions) -> NDArray[np.bool_]:
    """Whether the market is open, for each minute of the local week from Monday on."""
    is_open = np.zeros(_MINUTES_A_WEEK, dtype=np.bool_)
    for day, start, end in sessions.windows:
        is_open[day * _MINUTES_A_DAY + start : day * _MINUTES_A_DAY + end] = True
    return is_open


@lru_cache(maxsize=32)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


ALWAYS_OPEN = Sessions("UTC", tuple((day, 0, _MINUTES_A_DAY) for day in range(7)))

# Sunday 18:00 to Friday 17:00 New York, the wholesale FX week; metals pause 17:00–18:00.
FX_WEEK = Sessions(
    "America/New_York",
    (
        *((day, 0, _MINUTES_A_DAY) for day in range(4)),
        (4, 0, 17 * 60),
        (6, 17 * 60, _MINUTES_A_DAY),
    ),
)
METALS_WEEK = Sessions(
    "America/New_York",
    (
        *((day, 0, 17 * 60) for day in range(5)),
        *((day, 18 * 60, _MINUTES_A_DAY) for day in range(4)),
        (6, 18 * 60, _MINUTES_A_DAY),
    ),
)
