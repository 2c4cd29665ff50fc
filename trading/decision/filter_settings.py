"""What a person may set about the times and markets that are not traded."""

from functools import lru_cache
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from market.calendar import Impact
from market.sessions import Sessions
from trading.decision.section import Section, Zone

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# 24:00 is the end of a day.
TimeOfDay = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$|^24:00$")]


class SpreadFilter(Section):
    """Largest spread that is traded: in points, and as a share of ATR(14)."""

    max_points: float = Field(default=6000, ge=0)
    max_atr_share: float = Field(default=0.15, ge=0)


class NewsFilter(Section):
    """Which releases `news_block_minutes` looks at, and what an unknown calendar means."""

    currencies: tuple[str, ...] = ("USD",)
    min_impact: Literal["low", "medium", "high"] = "high"
    when_unknown: Literal["trade", "block"] = "block"

    @property
    def least_impact(self) -> int:
        return int(Impact[self.min_impact.upper()])


class AdxRegimeFilter(Section):
    """Entries in one regime alone. ADX in 0–1; `decision.regime` says when the regime changes."""

    enabled: bool = False
    trending_above: float = Field(default=0.28, ge=0, le=1)
    ranging_below: float = Field(default=0.22, ge=0, le=1)
    confirm_bars: int = Field(default=3, ge=1, le=96)
    allow: Literal["trending", "ranging"] = "trending"

    @model_validator(mode="after")
    def _thresholds_are_in_order(self) -> Self:
        if self.ranging_below > self.trending_above:
            raise ValueError(
                f"ranging_below up to trending_above ({self.trending_above}) is allowed, "
                f"{self.ranging_below} came: both regimes would hold at once"
            )
        return self


class SessionWindow(Section):
    """Some weekdays from one local time to another; past midnight where `to` is the earlier."""

    days: tuple[Day, ...] = _DAYS
    start: TimeOfDay
    end: TimeOfDay

    def spans(self) -> tuple[tuple[int, int, int], ...]:
        """(weekday, from, to) in minutes of the local day, half-open, none past midnight."""
        start, end = minute_of(self.start), minute_of(self.end)
        days = tuple(_DAYS.index(day) for day in self.days)
        if start < end:
            return tuple((day, start, end) for day in days)
        tonight = tuple((day, start, 1440) for day in days)
        return tonight + tuple(((day + 1) % 7, 0, end) for day in days)


class SessionFilter(Section):
    """Entries inside these windows alone."""

    enabled: bool = False
    zone: Zone = "UTC"
    windows: tuple[SessionWindow, ...] = ()

    @property
    def sessions(self) -> Sessions:
        return _sessions(self.zone, self.windows)

    @model_validator(mode="after")
    def _has_a_window(self) -> Self:
        if self.enabled and not self.windows:
            raise ValueError("at least one window is allowed, none came: nothing would be traded")
        return self


class RolloverFilter(Section):
    """No entry around the local time `at`, when swap is booked and the spread is wide."""

    enabled: bool = False
    zone: Zone = "America/New_York"
    at: TimeOfDay = "17:00"
    minutes_before: int = Field(default=15, ge=0, le=720)
    minutes_after: int = Field(default=15, ge=0, le=720)


class EquityCurveFilter(Section):
    """No entry while the last `lookback_trades` lost `max_drawdown_pct` of equity or more."""

    enabled: bool = False
    lookback_trades: int = Field(default=10, ge=1, le=1000)
    max_drawdown_pct: float = Field(default=5.0, gt=0, le=100)


class CircuitBreaker(Section):
    """No entry after this many losing trades in a row since the last local midnight."""

    enabled: bool = True
    max_consecutive_losses: int = Field(default=7, ge=1)


def minute_of(time_of_day: str) -> int:
    """Minutes since midnight of HH:MM."""
    hour, _, minute = time_of_day.partition(":")
    return int(hour) * 60 + int(minute)


@lru_cache(maxsize=8)
def _sessions(zone: str, windows: tuple[SessionWindow, ...]) -> Sessions:
    return Sessions(zone, tuple(span for each in windows for span in each.spans()))
