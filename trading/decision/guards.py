"""Guards that fold over our own finished trades. Pure: the instant is an argument."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from trading.decision.records import ClosedTrade


def consecutive_losses(closed_trades: Sequence[ClosedTrade], *, now_ms: int, day_zone: str) -> int:
    """Losing trades in a row, counted back from the last one closed at or before `now_ms`.

    `closed_trades` are in the order of `closed_ms`. A loss belongs to the local date of its
    closing deal: those before the last local midnight of `day_zone` do not count. A trade that
    neither wins nor loses ends the row.
    """
    lost = 0
    for trade in reversed(closed_trades):
        if trade.closed_ms > now_ms:
            continue
        if trade.net_profit >= 0 or trade.closed_ms < local_midnight_ms(now_ms, day_zone):
            break
        lost += 1
    return lost


def local_midnight_ms(now_ms: int, zone: str) -> int:
    """The start of the local day that holds `now_ms`, as epoch ms, in any host zone."""
    first_ms, next_ms = _last_day.get(zone, (0, 0))
    if not first_ms <= now_ms < next_ms:
        first_ms, next_ms = _last_day[zone] = _local_day(now_ms, _zone(zone))
    return first_ms


# The local day that was asked for last, by zone: most questions are about the same one.
_last_day: dict[str, tuple[int, int]] = {}


def _local_day(now_ms: int, zone: ZoneInfo) -> tuple[int, int]:
    """[first instant, first instant of the next) of the local day that holds `now_ms`."""
    day = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(zone).date()
    bounds = (datetime.combine(d, time(), zone) for d in (day, day + timedelta(days=1)))
    first_ms, next_ms = (round(midnight.timestamp() * 1000) for midnight in bounds)
    return first_ms, next_ms


@lru_cache(maxsize=8)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
