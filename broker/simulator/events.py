"""What the market does to the account as time passes.

At an instant τ, in this order: interiors of the bars that close at τ, stamped τ − 1 ms (stops and
targets, then triggered orders, then stop-out); the server's rollover if τ is its midnight (expiry
of orders, swap); first ticks of the bars that open at τ (stops and targets, orders, stop-out).
Requests come after. Positions go in the order they were opened, orders likewise.

Time jumps: only instants at which something can happen are visited, so the cost does not depend on
the bars in between, and any partition of a stretch of time gives the same ledger.
"""

from broker.contract.constants import DealReason, Filling, TypeTime
from broker.simulator.book import Book
from broker.simulator.feed import NEVER, Watch
from broker.simulator.records import STATE_EXPIRED, STATE_REJECTED, OpenPosition, WorkingOrder
from broker.simulator.rollover import Rollovers, charge_swap
from broker.simulator.stopout import StopOut
from broker.simulator.validation import order_side
from market.fills import NO_EXIT, first_exit

# Bound once: an enumeration's member costs ten times a plain name, several times a trade.
_SL, _TP = DealReason.SL, DealReason.TP


class Events:
    """Moves a book through time."""

    __slots__ = ("_book", "_rollovers", "_stop_out")

    def __init__(self, book: Book, rollovers: Rollovers) -> None:
        self._book, self._rollovers = book, rollovers
        self._stop_out = StopOut(book)

    def run(self, now_ms: int, to_ms: int) -> None:
        """All events in (now, to]."""
        book = self._book
        while book.positions or book.orders:
            instant_ms = self.next_ms(now_ms, to_ms)
            if instant_ms > to_ms:
                return
            self._at(instant_ms)
            now_ms = instant_ms

    def next_ms(self, now_ms: int, to_ms: int) -> int:
        """The first instant after now at which something can happen."""
        book = self._book
        first = self._rollovers.next_ms(now_ms)
        for position in book.positions.values():
            touched_ms = position.watch.next_ms(to_ms)
            if touched_ms < first:
                first = touched_ms
        for working in book.orders.values():
            expires_ms = working.row.time_expiration_ms or NEVER
            first = min(first, working.watch.next_ms(to_ms), max(expires_ms, now_ms + 1))
        out_ms = self._stop_out.next_ms(now_ms, to_ms if to_ms < first else first)
        return out_ms if out_ms < first else first

    def _at(self, instant_ms: int) -> None:
        book = self._book
        self._exits(instant_ms, at_open=False)
        if not (book.positions or book.orders):
            return
        if book.orders:
            self._triggers(instant_ms, at_open=False)
        self._stop_out.at_interiors(instant_ms)
        self._expire(instant_ms)
        if self._rollovers.next_ms(instant_ms - 1) == instant_ms:
            weekday = self._rollovers.weekday_ended(instant_ms)
            for position in list(book.positions.values()):
                charge_swap(book, position, weekday, instant_ms)
        self._exits(instant_ms, at_open=True)
        if book.orders:
            self._triggers(instant_ms, at_open=True)
        self._stop_out.at_first_ticks(instant_ms)

    def _exits(self, instant_ms: int, *, at_open: bool) -> None:
        for position in list(self._book.positions.values()):
            watch = position.watch
            if watch.next_ms(instant_ms) == instant_ms and watch.at_open is at_open:
                self._close(position, watch.is_stop, watch.fill, instant_ms - (not at_open),
                            ambiguous=watch.ambiguous)  # fmt: skip

    def _close(
        self, position: OpenPosition, is_stop: bool, fill: int, stamp_ms: int, *, ambiguous: bool
    ) -> None:
        units = self._book.units[position.symbol]
        name, level, reason = ("sl", position.sl, _SL) if is_stop else ("tp", position.tp, _TP)
        comment = f"[{name} {units.price(level):{units.price_format}}]"
        self._book.leave(position, position.steps, fill, reason, magic=0, comment=comment,
                         time_ms=stamp_ms, ambiguous=ambiguous)  # fmt: skip

    def _triggers(self, instant_ms: int, *, at_open: bool) -> None:
        due = [
            working
            for working in self._book.orders.values()
            if working.watch.next_ms(instant_ms) == instant_ms and working.watch.at_open is at_open
        ]
        for working in due:
            self._trigger(working, instant_ms, at_open=at_open)

    def _trigger(self, working: WorkingOrder, instant_ms: int, *, at_open: bool) -> None:
        """A pending order becomes a position.

        Inside a bar nobody knows what came first, so a stop that lies in the same interior fills
        there, and a target waits for the next bar.
        """
        row = working.row
        feed = self._book.feeds[row.symbol]
        side = order_side(row.type)
        stamp_ms = instant_ms - (not at_open)
        bar, _ = feed.ahead(stamp_ms)
        start = (bar, True) if at_open else (bar + 1, False)
        watch = Watch(feed, side, row.sl_ticks, row.tp_ticks, *start)
        del self._book.orders[row.ticket]
        if not self._has_margin(row.symbol, side, row.steps_current, working.watch.fill, stamp_ms):
            self._book.orders[row.ticket] = working
            self._book.finish(working, STATE_REJECTED, stamp_ms)
            return
        position = self._book.enter(
            row.symbol, side, row.steps_current, working.watch.fill, sl=row.sl_ticks,
            tp=row.tp_ticks, magic=row.magic, comment=row.comment, filling=Filling.RETURN,
            time_ms=stamp_ms, watch=watch, order=row,
        )  # fmt: skip
        if at_open:
            return
        _, fill, kind, _, _ = first_exit(side, row.sl_ticks, 0, *feed.arrays, bar, bar + 1, True)
        if kind != NO_EXIT:
            self._close(position, True, int(fill), stamp_ms, ambiguous=True)

    def _has_margin(self, symbol: str, side: int, steps: int, price: int, now_ms: int) -> bool:
        book = self._book
        units = book.units[symbol]
        margin, fee = units.margin(steps, price), units.commission(steps)
        return book.affords(symbol, side, margin, fee, now_ms)

    def _expire(self, instant_ms: int) -> None:
        for working in list(self._book.orders.values()):
            expires_ms = working.row.time_expiration_ms
            if working.row.type_time is not TypeTime.GTC and expires_ms <= instant_ms:
                self._book.finish(working, STATE_EXPIRED, instant_ms)
