"""The crypto fear & greed index of alternative.me: one number from 0 (fear) to 100 a day.

Source: https://alternative.me/crypto/fear-and-greed-index/#api
"""

from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np

from market.bars import Float64s, Int64s
from market.sources.errors import SourceError
from market.sources.polite import PoliteClient
from market.sources.series import read_series, rising, save_series
from market.timeframe import Timeframe

_URL = "https://api.alternative.me/fng/"
_ALL = 0


@dataclass(frozen=True, slots=True, eq=False)
class FearGreed:
    """The index of each day, stamped with the day's start (epoch ms UTC), 0–100."""

    time_ms: Int64s
    index: Float64s

    def __len__(self) -> int:
        return len(self.time_ms)

    @staticmethod
    def none() -> "FearGreed":
        """No days."""
        return FearGreed(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64))

    def followed_by(self, later: "FearGreed") -> "FearGreed":
        """These days, then those of `later` that come after them."""
        new = later.time_ms > (self.time_ms[-1] if len(self) else -1)
        return FearGreed(
            np.concatenate([self.time_ms, later.time_ms[new]]),
            np.concatenate([self.index, later.index[new]]),
        )

    def checked(self) -> "FearGreed":
        """These days, if they rise and each index is from 0 to 100."""
        rising(self.time_ms)
        bad = np.flatnonzero(~((self.index >= 0) & (self.index <= 100)))
        if len(bad):
            raise SourceError(
                f"fear & greed: 0 … 100 is allowed, row {bad[0]} is {self.index[bad[0]]}"
            )
        return self


def read_fear_greed(path: Path) -> FearGreed:
    """Days of a CSV (.gz too) with `time` (ISO, UTC) and `value`; else `SourceError`."""
    time_ms, index, _ = read_series(path, "value")
    try:
        return FearGreed(time_ms, index).checked()
    except SourceError as error:
        raise SourceError(f"{path.name}: {error}; correct the file") from error


def fear_greed_days(client: PoliteClient, days: int) -> FearGreed:
    """The last `days` days (0: all) as the service has them now, oldest first."""
    answer = client.get(_URL, {"limit": days, "format": "json"})
    rows = _rows(answer)[::-1]
    stamps_s = np.array([row["timestamp"] for row in rows], dtype=np.int64)
    index = np.array([row["value"] for row in rows], dtype=np.float64)
    return FearGreed(stamps_s * 1000, index).checked()


def download_fear_greed(client: PoliteClient, path: Path, *, now_ms: int) -> FearGreed:
    """All days of a CSV brought up to `now_ms`, on from its last row if it is there."""
    kept = read_fear_greed(path) if path.is_file() else FearGreed.none()
    days = (now_ms - int(kept.time_ms[-1])) // Timeframe.D1.ms if len(kept) else _ALL
    if len(kept) and days < 1:
        return kept
    whole = kept.followed_by(fear_greed_days(client, days + 1 if len(kept) else _ALL))
    save_series(path, "value", whole.time_ms, whole.index)
    return whole


def _rows(answer: httpx.Response) -> list[dict[str, str]]:
    try:
        content = answer.json()
    except ValueError as error:
        raise SourceError(
            f"alternative.me: JSON is expected from {_URL}, {answer.text[:80]!r} came; "
            "check the network"
        ) from error
    rows = content.get("data") if isinstance(content, dict) else None
    if answer.status_code != 200 or not isinstance(rows, list):
        raise SourceError(
            f"alternative.me: a list of days is expected from {_URL}, status "
            f"{answer.status_code} with {str(content)[:120]} came; try again later"
        )
    return rows
