"""Timeframes: how long a bar lasts, and what MetaTrader calls it."""

from enum import Enum


class Timeframe(Enum):
    """A bar's length. The value is its length in minutes."""

    M1 = 1
    M5 = 5
    M15 = 15
    M30 = 30
    H1 = 60
    H4 = 240
    D1 = 1440
    W1 = 10080

    @property
    def ms(self) -> int:
        """Length in milliseconds."""
        return int(self.value) * 60_000

    @property
    def mt5(self) -> int:
        """The `TIMEFRAME_*` constant of the MetaTrader5 package."""
        return _MT5[self]

    def floor_ms(self, instant_ms: int) -> int:
        """Start of the bar that holds `instant_ms` (epoch ms, UTC; weeks start on Monday)."""
        offset_ms = _MONDAY_OFFSET_MS if self is Timeframe.W1 else 0
        return (instant_ms - offset_ms) // self.ms * self.ms + offset_ms

    @staticmethod
    def from_mt5(constant: int) -> "Timeframe":
        for timeframe, value in _MT5.items():
            if value == constant:
                return timeframe
        raise ValueError(f"timeframe: {constant} is no MetaTrader timeframe this project knows")


# 1970-01-01 was a Thursday; the first Monday came four days later.
_MONDAY_OFFSET_MS = 4 * 86_400_000

_MT5 = {
    Timeframe.M1: 1,
    Timeframe.M5: 5,
    Timeframe.M15: 15,
    Timeframe.M30: 30,
    Timeframe.H1: 16385,
    Timeframe.H4: 16388,
    Timeframe.D1: 16408,
    Timeframe.W1: 32769,
}
