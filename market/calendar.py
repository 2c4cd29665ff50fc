"""Scheduled economic news as columns, and what of it was known when.

Sources that were collected afterwards do not say when an entry became known. The rule here is an
assumption: a release is on the public schedule seven days before it (the statistical offices and
the weekly feeds publish at least that early). Unscheduled events, such as an emergency rate
decision, were not known so early; a file collected afterwards cannot tell them apart.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from market.bars import Int64s

SCHEDULE_LEAD_MS = 7 * 86_400_000
ALL_CURRENCIES = "ALL"
FOR_GOOD_MS = int(np.iinfo(np.int64).max)


class Impact(IntEnum):
    """How strongly a release is expected to move prices."""

    NONE = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3


@dataclass(frozen=True, slots=True, eq=False)
class EconomicCalendar:
    """Events sorted by time; columns of equal length.

    `impact` is 0–3 (`Impact`), `currency` an ISO code or `ALL`. An event may be used from
    `known_since_ms` on, never before, and before `known_until_ms`: from then on it was known to be
    moved or cancelled. `title`: what is released, empty where nobody says.
    """

    time_ms: Int64s
    impact: NDArray[np.int8]
    currency: NDArray[np.str_]
    known_since_ms: Int64s
    title: NDArray[np.str_]
    known_until_ms: Int64s

    def __len__(self) -> int:
        return len(self.time_ms)

    @staticmethod
    def none() -> "EconomicCalendar":
        """A calendar without events."""
        no_time = np.empty(0, dtype=np.int64)
        no_text = np.empty(0, dtype="U3")
        no_impact = np.empty(0, dtype=np.int8)
        return EconomicCalendar(no_time, no_impact, no_text, no_time, no_text, no_time)

    @staticmethod
    def of(
        time_ms: Int64s,
        impact: NDArray[np.int8],
        currency: NDArray[np.str_],
        known_since_ms: Int64s | None = None,
        title: NDArray[np.str_] | None = None,
        known_until_ms: Int64s | None = None,
    ) -> "EconomicCalendar":
        """Events in any order, sorted by time; where nothing else is said, known from a week ahead
        for good."""
        known_ms = time_ms - SCHEDULE_LEAD_MS if known_since_ms is None else known_since_ms
        until_ms = np.full(len(time_ms), FOR_GOOD_MS) if known_until_ms is None else known_until_ms
        titles = np.full(len(time_ms), "") if title is None else title
        order = np.argsort(time_ms, kind="stable")
        return EconomicCalendar(
            time_ms[order], impact[order], currency[order], known_ms[order], titles[order],
            until_ms[order],
        )  # fmt: skip

    def only(
        self, currencies: Iterable[str], *, min_impact: Impact = Impact.NONE
    ) -> "EconomicCalendar":
        """Events of these currencies (and of all) with at least this impact."""
        wanted = np.isin(self.currency, [*currencies, ALL_CURRENCIES])
        return self._rows(wanted & (self.impact >= min_impact))

    def known_at(self, instant_ms: int) -> "EconomicCalendar":
        """What a person could have read at an instant."""
        return self._rows((self.known_since_ms <= instant_ms) & (instant_ms < self.known_until_ms))

    def _rows(self, which: NDArray[np.bool_]) -> "EconomicCalendar":
        return EconomicCalendar(*(getattr(self, each.name)[which] for each in fields(self)))
