"""Funding rates of a perpetual contract, and the CSV they are kept in."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from market.bars import Float64s, Int64s
from market.sources.series import read_series, save_series

_COLUMN = "funding_rate"


@dataclass(frozen=True, slots=True, eq=False)
class FundingRates:
    """What longs pay shorts at `time_ms` (epoch ms UTC), as a fraction of the position's value.

    A rate is known when it is charged.
    """

    time_ms: Int64s
    rate: Float64s

    def __len__(self) -> int:
        return len(self.time_ms)

    @staticmethod
    def none() -> "FundingRates":
        """No rates."""
        return FundingRates(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64))

    def followed_by(self, later: "FundingRates") -> "FundingRates":
        """These rates, then the later ones."""
        return FundingRates(
            np.concatenate([self.time_ms, later.time_ms]), np.concatenate([self.rate, later.rate])
        )


def read_funding(path: Path) -> FundingRates:
    """Rates of a CSV (.gz too) with `time` (ISO, UTC) and `funding_rate`; else `SourceError`."""
    time_ms, rate, _ = read_series(path, _COLUMN)
    return FundingRates(time_ms, rate)


def save_funding(path: Path, rates: FundingRates) -> None:
    """Write rates to a CSV, whole or not at all."""
    save_series(path, _COLUMN, rates.time_ms, rates.rate)
