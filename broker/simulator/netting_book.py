"""The book of a netting account (B19): one position per symbol, whatever is ordered.

The same side adds: the open price becomes the volume-weighted average, to the nearest tick. The
opposite side takes away. More of it than there is reverses, in one deal with entry INOUT. Stop and
target of a deal that adds or reverses replace the position's (none removes them); one that only
takes away leaves them. Magic and comment stay those of the position's first deal until it is
reversed. A reversal changes the ticket, never the identifier (B18).
"""

from dataclasses import replace
from typing import NamedTuple

from broker.contract.constants import DealEntry, DealReason, Filling, OrderType, TypeTime
from broker.simulator.book import Book
from broker.simulator.feed import Watch
from broker.simulator.records import STATE_FILLED, OpenPosition, OrderRow
from broker.simulator.units import round_ratio


class _Fill(NamedTuple):
    """One execution of an order. `watch`: that of its own stop and target."""

    side: int
    steps: int
    price: int
    sl: int
    tp: int
    magic: int
    comment: str
    time_ms: int
    watch: Watch


class NettingBook(Book):
    """`Book` with one position per symbol."""

    __slots__ = ()

    def held(self, symbol: str) -> OpenPosition | None:
        """The symbol's position."""
        for position in self.positions.values():
            if position.symbol == symbol:
                return position
        return None

    def margin_with(self, symbol: str, side: int, margin: int) -> int:
        """Margin of all positions and one more; an opposite one in the symbol is gone by then."""
        held = self.held(symbol)
        gone = held.margin if held is not None and held.side != side else 0
        return self.margin() - gone + margin

    def enter(
        self, symbol: str, side: int, steps: int, price: int, *, sl: int, tp: int, magic: int,
        comment: str, filling: Filling, time_ms: int, watch: Watch, order: OrderRow | None = None,
    ) -> OpenPosition:  # fmt: skip
        """Executes an order: opens, adds to, takes from or reverses the symbol's position.

        Returns that position; it is no longer in `positions` if nothing is left of it.
        """
        held = self.held(symbol)
        if held is None:
            return super().enter(
                symbol, side, steps, price, sl=sl, tp=tp, magic=magic, comment=comment,
                filling=filling, time_ms=time_ms, watch=watch, order=order,
            )  # fmt: skip
        fill = _Fill(side, steps, price, sl, tp, magic, comment, time_ms, watch)
        ticket = self._book_order(held, fill, filling, order)
        if side == held.side:
            self._add(held, fill, ticket)
        elif steps <= held.steps:
            self._take(held, fill, ticket)
        else:
            self._reverse(held, fill, ticket)
        self.version += 1
        return held

    def _book_order(
        self, held: OpenPosition, fill: _Fill, filling: Filling, order: OrderRow | None
    ) -> int:
        if order is None:
            ticket = self.ledger.next_order()
            order = OrderRow(
                ticket, fill.time_ms, fill.time_ms, 0, _type_of(fill.side), TypeTime.GTC,
                filling, STATE_FILLED, fill.magic, held.identifier, DealReason.EXPERT, fill.steps,
                0, fill.price, fill.sl, fill.tp, held.symbol, fill.comment,
            )  # fmt: skip
        else:
            order = replace(
                order, time_done_ms=fill.time_ms, state=STATE_FILLED,
                position_id=held.identifier, steps_current=0,
            )  # fmt: skip
        self.ledger.orders.append(order)
        return order.ticket

    def _add(self, held: OpenPosition, fill: _Fill, ticket: int) -> None:
        cost = held.open_ticks * held.steps + fill.price * fill.steps
        held.steps += fill.steps
        held.open_ticks = round_ratio(cost, held.steps)
        self._put_levels(held, fill)
        self._deal(
            held, ticket, DealEntry.IN, fill.steps, fill.price, 0, 0, fill.time_ms,
            magic=fill.magic, comment=fill.comment,
        )  # fmt: skip

    def _take(self, held: OpenPosition, fill: _Fill, ticket: int) -> None:
        profit, swap = self._realised(held, fill.steps, fill.price)
        self._deal(
            held, ticket, DealEntry.OUT, fill.steps, fill.price, swap, profit, fill.time_ms,
            magic=fill.magic, comment=fill.comment,
        )  # fmt: skip
        if fill.steps == held.steps:
            del self.positions[held.ticket]
            return
        held.steps -= fill.steps
        held.swap -= swap
        held.time_update_ms = fill.time_ms
        held.margin = self.units[held.symbol].margin(held.steps, held.open_ticks)

    def _reverse(self, held: OpenPosition, fill: _Fill, ticket: int) -> None:
        profit, swap = self._realised(held, held.steps, fill.price)
        self._deal(
            held, ticket, DealEntry.INOUT, fill.steps, fill.price, swap, profit, fill.time_ms,
            magic=fill.magic, comment=fill.comment,
        )  # fmt: skip
        del self.positions[held.ticket]
        held.ticket, held.time_ms = ticket, fill.time_ms
        held.side, held.steps = fill.side, fill.steps - held.steps
        held.open_ticks, held.swap = fill.price, 0
        held.magic, held.comment = fill.magic, fill.comment
        self._put_levels(held, fill)
        self.positions[ticket] = held

    def _realised(self, held: OpenPosition, steps: int, price: int) -> tuple[int, int]:
        """Profit and swap of the part that is closed, in minor units."""
        profit = self.units[held.symbol].profit(held.side, held.open_ticks, price, steps)
        swap = abs(held.swap) * steps // held.steps
        return profit, swap if held.swap >= 0 else -swap

    def _put_levels(self, held: OpenPosition, fill: _Fill) -> None:
        held.sl, held.tp, held.watch = fill.sl, fill.tp, fill.watch
        held.time_update_ms = fill.time_ms
        held.margin = self.units[held.symbol].margin(held.steps, held.open_ticks)


def _type_of(side: int) -> OrderType:
    return OrderType.BUY if side > 0 else OrderType.SELL
