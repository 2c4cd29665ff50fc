"""The broker's server clock: a time-zone rule, never a constant offset.

MetaTrader stamps bars, ticks and deals with the server's wall clock, as if it were UTC. Which wall
clock that is differs by broker:

- `America/New_York+7h`: the "New York close" servers, UTC+2 or +3, switching on the US dates;
- `Europe/Athens`: UTC+2 or +3, switching on the European dates;
- `UTC`: no daylight saving.
"""

import re
from dataclasses import dataclass, field

import numpy as np

from market.zones import Int64s, OffsetSteps, offset_steps

_RULE = re.compile(r"(?P<zone>[A-Za-z][A-Za-z0-9_/+-]*?)(?:(?P<shift>[+-]\d{1,2})h)?")


class ServerClockError(ValueError):
    """A server time that the zone rule says no clock ever showed."""


@dataclass(frozen=True, slots=True)
class ServerClock:
    """Server seconds to UTC milliseconds and back.

    `zone` is an IANA name, optionally shifted by whole hours: `America/New_York+7h`. A zone that
    does not exist is a `ValueError`.
    """

    zone: str
    _steps: OffsetSteps = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_steps", _steps_of_rule(self.zone))

    def offset_s(self, utc_ms: int) -> int:
        """Seconds the server clock is ahead of UTC at an instant."""
        return self._steps.offset_at(utc_ms // 1000)

    def to_server_s(self, utc_ms: int) -> int:
        """What the server clock shows, in whole seconds, at an instant."""
        return utc_ms // 1000 + self.offset_s(utc_ms)

    def to_server_s_sequence(self, utc_ms: Int64s) -> Int64s:
        """`to_server_s` for a column."""
        utc_s = utc_ms // 1000
        return utc_s + self._steps.offsets_s(utc_s)

    def to_utc_ms(self, server_s: int) -> int:
        """The instant at which the server clock showed this second.

        The repeated hour of autumn has two such instants: the earlier is returned. In a series,
        `to_utc_ms_sequence` tells the two passes apart. A second that spring skips is a
        `ServerClockError`.
        """
        return int(self.to_utc_ms_sequence(np.array([server_s], dtype=np.int64))[0])

    def to_utc_ms_sequence(
        self, server_s: Int64s, *, after_utc_ms: int | None = None, strictly: bool = True
    ) -> Int64s:
        """UTC instants of server seconds that are in the order in which they happened.

        Inside a repeated hour the second pass begins where the server clock steps back, or (when
        `strictly`, as for bars) stands still. A pass that cannot be told, because only one of the
        two is there, is the first, unless it is not after `after_utc_ms`. Raises
        `ServerClockError` for a second that spring skips.
        """
        server_s = np.asarray(server_s, dtype=np.int64)
        first, last = self._steps.steps_of_local(server_s)
        self._refuse_skipped(server_s, first > last)
        step = first.copy()
        for repeated in np.unique(first[first < last]):
            rows = np.flatnonzero((first == repeated) & (last > first))
            second = self._second_pass(server_s[rows], int(repeated), after_utc_ms, strictly)
            step[rows[second:]] = last[rows[second:]]
        return (server_s - self._steps.offset_s[step]) * 1000

    def _second_pass(
        self, shown_s: Int64s, step: int, after_utc_ms: int | None, strictly: bool
    ) -> int:
        """Index in one repeated hour from which on the clock shows it for the second time."""
        first_utc_ms = (int(shown_s[0]) - int(self._steps.offset_s[step])) * 1000
        if after_utc_ms is not None and first_utc_ms <= after_utc_ms:
            return 0
        change = np.diff(shown_s)
        back = np.flatnonzero(change <= 0 if strictly else change < 0)
        return int(back[0]) + 1 if len(back) else len(shown_s)

    def _refuse_skipped(self, server_s: Int64s, skipped: np.ndarray) -> None:
        rows = np.flatnonzero(skipped)
        if len(rows):
            shown = np.datetime64(int(server_s[rows[0]]), "s")
            raise ServerClockError(
                f"server time zone {self.zone}: row {rows[0]} shows {shown}, an hour that this "
                f"zone's clock skips; check the server's time zone rule"
            )


def _steps_of_rule(rule: str) -> OffsetSteps:
    match = _RULE.fullmatch(rule)
    if match is None:
        raise ValueError(
            "server time zone: an IANA name is allowed, with hours added if needed "
            f"(Europe/Athens, America/New_York+7h), {rule!r} came"
        )
    steps = offset_steps(match["zone"])
    shift_s = int(match["shift"] or 0) * 3600
    return OffsetSteps(steps.start_s, steps.offset_s + shift_s)
