"""Server midnights and what they cost: swap of the positions then open (B16)."""

from broker.simulator.book import Book
from broker.simulator.records import OpenPosition
from market.instrument import SwapMode
from market.server_clock import ServerClock

_DAY_S = 86_400
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday; Monday is 0
_REOPENING = (SwapMode.REOPEN_CURRENT, SwapMode.REOPEN_BID)


class Rollovers:
    """The server's midnights as UTC instants."""

    __slots__ = ("_clock", "_from_ms", "_next_ms")

    def __init__(self, clock: ServerClock) -> None:
        self._clock = clock
        self._from_ms = self._next_ms = 0

    def next_ms(self, after_ms: int) -> int:
        """The first server midnight after an instant."""
        if not self._from_ms <= after_ms < self._next_ms:
            offset_s = self._clock.offset_s(after_ms)
            midnight_s = ((after_ms // 1000 + offset_s) // _DAY_S + 1) * _DAY_S
            guess_ms = (midnight_s - offset_s) * 1000
            # daylight saving may change between now and midnight
            self._next_ms = (midnight_s - self._clock.offset_s(guess_ms)) * 1000
            self._from_ms = after_ms
        return self._next_ms

    def weekday_ended(self, midnight_ms: int) -> int:
        """The weekday, Monday 0, that a server midnight ends."""
        return ((self._clock.to_server_s(midnight_ms) // _DAY_S) - 1 + _EPOCH_WEEKDAY) % 7


def charge_swap(book: Book, position: OpenPosition, weekday: int, now_ms: int) -> None:
    """One rollover of one position. The price is the quote that ended the day."""
    units = book.units[position.symbol]
    instrument = units.instrument
    days = instrument.swap_days[weekday]
    if days == 0 or instrument.swap_mode is SwapMode.DISABLED:
        return
    if instrument.swap_mode in _REOPENING:
        _reopen(book, position, days, now_ms)
        return
    price = position.open_ticks
    if instrument.swap_mode is not SwapMode.INTEREST_OPEN:
        price = book.exit_ticks(position, now_ms)
    position.swap += units.swap(position.side, position.steps, price, days)
    book.version += 1


def _reopen(book: Book, position: OpenPosition, days: int, now_ms: int) -> None:
    """Modes 7 and 8: closed at the price of the day's end, re-opened some points away.

    The ticket changes, the identifier does not. By close price (7) the reference is the price the
    position would close at; by bid (8) it is the bid.
    """
    units = book.units[position.symbol]
    instrument = units.instrument
    points = (instrument.swap_long if position.side > 0 else instrument.swap_short) * days
    price = book.exit_ticks(position, now_ms)
    if instrument.swap_mode is SwapMode.REOPEN_BID:
        price = book.quote(position.symbol, now_ms).bid
    shift = position.side * round(units.points_in_ticks(points))
    book.reopen(position, price, price - shift, now_ms)
