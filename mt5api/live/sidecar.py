"""What `NovoskySidecar.mq5` tells through files in the terminals' common folder, and is told.

The package knows neither the server's true offset nor a symbol's sessions; the sidecar writes both.
We write a heartbeat; without one for some minutes the sidecar guards the open positions.
"""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from market.sessions import Sessions

HEARTBEAT = "sidecar.txt"
OUR_HEARTBEAT = "bridge.txt"
FRESH_S = 15.0
_SLOT_S = 900
_DAY_MIN = 1440


class Sidecar:
    """The sidecar's folder; without one (None) nothing is known and nothing is written.

    `zone`: the server's clock as a rule, in which sessions are given.
    """

    def __init__(
        self, folder: Path | None, zone: str, *, wall_s: Callable[[], float] = time.time
    ) -> None:
        self._folder = folder
        self._zone = zone
        self._wall_s = wall_s

    def beat(self, now_ms: int) -> None:
        """Tells the sidecar that the bridge is there and connected."""
        if self._folder and self._folder.is_dir():
            # The sidecar may have the file open just now; the next beat comes in half a second.
            with contextlib.suppress(OSError):
                (self._folder / OUR_HEARTBEAT).write_text(f"{now_ms // 1000}\n", encoding="ascii")

    def offset_s(self) -> int | None:
        """Seconds the server's clock is ahead of UTC; None without a fresh heartbeat."""
        told = self._heartbeat()
        try:
            ahead_s = int(told["time_trade_server"]) - int(told["time_gmt"])
        except (KeyError, ValueError):
            return None
        return round(ahead_s / _SLOT_S) * _SLOT_S

    def sessions(self, symbol: str) -> Sessions | None:
        """When a symbol trades; None where the sidecar has not written it.

        Lines of `day,from_second,to_second` of the server's week, Sunday = 0.
        """
        if not self._folder:
            return None
        try:
            lines = (self._folder / f"sessions_{symbol}.csv").read_text(encoding="ascii").split()
            rows = [tuple(int(word) for word in line.split(",")) for line in lines]
            week = [(day, first // 60, -(-last // 60)) for day, first, last in rows]
        except (OSError, ValueError):
            return None
        return _in_zone(self._zone, week)

    def _heartbeat(self) -> dict[str, str]:
        if not self._folder:
            return {}
        file = self._folder / HEARTBEAT
        try:
            if self._wall_s() - file.stat().st_mtime > FRESH_S:
                return {}
            lines = file.read_text(encoding="ascii").splitlines()
        except (OSError, UnicodeDecodeError):
            return {}
        return dict(line.split("=", 1) for line in lines if "=" in line)


def _in_zone(rule: str, week: list[tuple[int, int, int]]) -> Sessions:
    """Windows of the server's week (Sunday 0) in the rule's IANA zone (Monday 0)."""
    zone, sign, hours = rule.rpartition("+") if "+" in rule else rule.rpartition("-")
    shift_min = 60 * int(f"{sign}{hours.removesuffix('h')}") if hours.endswith("h") else 0
    windows: list[tuple[int, int, int]] = []
    for sunday_first, start, end in week:
        first = ((sunday_first + 6) % 7) * _DAY_MIN + start - shift_min
        windows += _by_day(first, first + end - start)
    return Sessions(zone if shift_min else rule, tuple(sorted(windows)))


def _by_day(first: int, last: int) -> list[tuple[int, int, int]]:
    """Minutes of a week as windows that each stay inside one day."""
    parts = []
    while first < last:
        midnight = (first // _DAY_MIN + 1) * _DAY_MIN
        end = min(last, midnight)
        day = first // _DAY_MIN
        parts.append((day % 7, first - day * _DAY_MIN, end - day * _DAY_MIN))
        first = end
    return parts
