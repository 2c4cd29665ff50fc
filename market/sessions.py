"""When a market is open, by the exchange's own clock and daylight saving."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

_MINUTES_A_DAY = 1440


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


@lru_cache(maxsize=32)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


ALWAYS_OPEN = Sessions("UTC", tuple((day, 0, _MINUTES_A_DAY) for day in range(7)))

# Sunday 18:00 to Friday 17:00 New York, the wholesale FX week; metals pause 17:00–18:00.
FX_WEEK = Sessions(
    "America/New_York",
    (*((day, 0, _MINUTES_A_DAY) for day in range(4)), (4, 0, 17 * 60), (6, 17 * 60, _MINUTES_A_DAY)),
)
METALS_WEEK = Sessions(
    "America/New_York",
    (
        *((day, 0, 17 * 60) for day in range(5)),
        *((day, 18 * 60, _MINUTES_A_DAY) for day in range(4)),
        (6, 18 * 60, _MINUTES_A_DAY),
    ),
)
