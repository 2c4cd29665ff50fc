"""Values that someone publishes about a coin: funding, open interest, fear & greed.

Each series says from which instant on its values were known; nothing may use them earlier.
"""

from dataclasses import dataclass

import numpy as np

from market.bars import Float64s, Int64s

_ALWAYS_MS = 2**62


class OnChainError(ValueError):
    """A series that cannot be true. Says which row, what was allowed and what came."""


@dataclass(frozen=True, slots=True, eq=False)
class Published:
    """Values and the epoch ms (UTC) from which each was known, rising; both of equal length.

    A value counts until the next one is known, and at most `max_age_ms`.
    """

    known_ms: Int64s
    value: Float64s
    max_age_ms: int

    def __len__(self) -> int:
        return len(self.known_ms)

    @staticmethod
    def always(value: float) -> "Published":
        """One value for all time."""
        return Published(np.zeros(1, dtype=np.int64), np.array([value]), _ALWAYS_MS)

    def checked(self, name: str) -> "Published":
        """This series, if it can be true; otherwise `OnChainError` says what is wrong with it."""
        if len(self.known_ms) != len(self.value):
            raise OnChainError(
                f"{name}: a value for each instant is needed, {len(self.value)} values for "
                f"{len(self.known_ms)} instants came"
            )
        late = np.flatnonzero(np.diff(self.known_ms) <= 0)
        if len(late):
            raise OnChainError(f"{name}: oldest first, each once; row {late[0] + 1} is not")
        bad = np.flatnonzero(~np.isfinite(self.value))
        if len(bad):
            raise OnChainError(
                f"{name}: a number is allowed, row {bad[0]} is {self.value[bad[0]]}; leave the row "
                "out"
            )
        return self

    def known_at(self, instant_ms: int) -> "Published":
        """What a person could have read at an instant."""
        count = int(np.searchsorted(self.known_ms, instant_ms, side="right"))
        return Published(self.known_ms[:count], self.value[:count], self.max_age_ms)


@dataclass(frozen=True, slots=True, eq=False)
class OnChain:
    """What the feature group `onchain` reads.

    `funding_rate`: what longs pay shorts per charge, as a fraction. `open_interest_change`: each
    open interest against the one at least four hours older, as a fraction. `fear_greed`: 0–100.
    """

    funding_rate: Published
    open_interest_change: Published
    fear_greed: Published

    def __post_init__(self) -> None:
        self.funding_rate.checked("funding rate")
        self.open_interest_change.checked("open interest change")
        self.fear_greed.checked("fear & greed")

    @staticmethod
    def none() -> "OnChain":
        """No data at all: neutral values on every bar."""
        return OnChain(Published.always(0.0), Published.always(0.0), Published.always(50.0))

    def known_at(self, instant_ms: int) -> "OnChain":
        """What a person could have read at an instant."""
        return OnChain(*(series.known_at(instant_ms) for series in self.in_catalogue_order()))

    def in_catalogue_order(self) -> tuple[Published, Published, Published]:
        """The series in the order of the columns that are made of them."""
        return self.funding_rate, self.open_interest_change, self.fear_greed
