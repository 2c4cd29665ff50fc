"""The account's state: open positions, working orders and the ledger, and what they are worth."""

from collections.abc import Mapping
from dataclasses import replace

from broker.contract.constants import (
    DealEntry,
    DealReason,
    DealType,
    Filling,
    OrderType,
    TypeTime,
)
from broker.simulator.feed import Feed, QuoteTicks, Watch
from broker.simulator.ledger import Ledger
from broker.simulator.records import (
    STATE_FILLED,
    DealRow,
    OpenPosition,
    OrderRow,
    WorkingOrder,
)
from broker.simulator.settings import AccountTerms
from broker.simulator.units import SymbolUnits

# Bound once: an enumeration's member costs ten times a plain name, several times a trade.
_BUY, _SELL, _GTC = OrderType.BUY, OrderType.SELL, TypeTime.GTC
_BOUGHT, _SOLD, _IN, _OUT = DealType.BUY, DealType.SELL, DealEntry.IN, DealEntry.OUT
_EXPERT, _ROLLOVER, _FOK = DealReason.EXPERT, DealReason.ROLLOVER, Filling.FOK


class Book:
    """Positions by ticket, working orders by ticket, and the ledger. Money in minor units.

    `version` grows with every change that can move equity or margin.
    """

    __slots__ = (
        "_margin", "_margin_version", "feeds", "ledger", "orders", "positions", "terms", "units",
        "version",
    )  # fmt: skip

    def __init__(
        self, feeds: Mapping[str, Feed], units: Mapping[str, SymbolUnits], terms: AccountTerms
    ) -> None:
        self.feeds, self.units, self.terms = feeds, units, terms
        self.ledger = Ledger()
        self.positions: dict[int, OpenPosition] = {}
        self.orders: dict[int, WorkingOrder] = {}
        self.version = 0
        self._margin = self._margin_version = 0

    def quote(self, symbol: str, now_ms: int) -> QuoteTicks:
        """The quote in force of a symbol that has had one."""
        quote = self.feeds[symbol].quote(now_ms)
        if quote is None:
            raise LookupError(f"{symbol}: no quote yet at {now_ms}; its bars begin later")
        return quote

    def exit_ticks(self, position: OpenPosition, now_ms: int) -> int:
        """The price a position would close at: bid of a long, ask of a short."""
        quote = self.quote(position.symbol, now_ms)
        return quote.bid if position.side > 0 else quote.ask

    def profit_at(self, position: OpenPosition, price_ticks: int) -> int:
        """Floating profit of a position at a price, without swap."""
        return self.units[position.symbol].profit(
            position.side, position.open_ticks, price_ticks, position.steps
        )

    def profit(self, now_ms: int) -> int:
        """Floating profit of all positions at the quotes in force, without swap."""
        return sum(self.profit_at(p, self.exit_ticks(p, now_ms)) for p in self.positions.values())

    def swap(self) -> int:
        """Swap not yet realised."""
        return sum(p.swap for p in self.positions.values())

    def equity(self, now_ms: int) -> int:
        """B13: balance and all that floats. Commission is already in the balance."""
        if not self.positions:
            return self.ledger.balance
        return self.ledger.balance + self.profit(now_ms) + self.swap()

    def margin(self) -> int:
        """Margin of all positions; of opposite positions in a symbol the larger side counts."""
        if self._margin_version != self.version:
            self._margin, self._margin_version = self._sum_margin(), self.version
        return self._margin

    def margin_with(self, symbol: str, side: int, margin: int) -> int:
        """Margin of all positions and one more."""
        if not self.positions:
            return margin
        sides = self._margin_sides()
        key = (symbol, side)
        sides[key] = sides.get(key, 0) + margin
        return _larger_sides(sides)

    def affords(self, symbol: str, side: int, margin: int, fee: int, now_ms: int) -> bool:
        """Whether equity less a fee (zero or negative) covers all margin and that of one more."""
        if not self.positions:
            return self.ledger.balance + fee >= margin
        return self.equity(now_ms) + fee >= self.margin_with(symbol, side, margin)

    def enter(
        self, symbol: str, side: int, steps: int, price: int, *, sl: int, tp: int, magic: int,
        comment: str, filling: Filling, time_ms: int, watch: Watch, order: OrderRow | None = None,
    ) -> OpenPosition:  # fmt: skip
        """Opens a position by a market order, or by a pending order that triggered."""
        ledger, units = self.ledger, self.units[symbol]
        ticket = ledger.next_order() if order is None else order.ticket
        position = OpenPosition(
            ticket, ticket, time_ms, time_ms, side, magic, _EXPERT, steps, price, sl, tp, 0,
            units.margin(steps, price), symbol, comment, watch,
        )  # fmt: skip
        if order is None:
            order = OrderRow(
                ticket, time_ms, time_ms, 0, _BUY if side > 0 else _SELL, _GTC, filling,
                STATE_FILLED, magic, ticket, _EXPERT, steps, 0, price, sl, tp, symbol,
                comment,
            )  # fmt: skip
        else:
            order = replace(
                order, time_done_ms=time_ms, state=STATE_FILLED, position_id=ticket, steps_current=0
            )
        ledger.orders.append(order)
        self.positions[ticket] = position
        self.version += 1
        ledger.book(
            DealRow(
                ledger.next_deal(), ticket, time_ms, _BOUGHT if side > 0 else _SOLD, _IN, magic,
                ticket, _EXPERT, steps, price, units.commission(steps), 0, 0, symbol, comment,
                False,
            )
        )  # fmt: skip
        return position

    def leave(
        self, position: OpenPosition, steps: int, price: int, reason: DealReason, *,
        magic: int, comment: str, time_ms: int, filling: Filling = _FOK,
        ambiguous: bool = False,
    ) -> DealRow:  # fmt: skip
        """Closes `steps` of a position at a price; swap is realised in proportion (B16, B20)."""
        ledger, symbol, side = self.ledger, position.symbol, position.side
        units, identifier = self.units[symbol], position.identifier
        ticket = ledger.next_order()
        ledger.orders.append(
            OrderRow(
                ticket, time_ms, time_ms, 0, _SELL if side > 0 else _BUY, _GTC, filling,
                STATE_FILLED, magic, identifier, reason, steps, 0, price, 0, 0, symbol, comment,
            )
        )  # fmt: skip
        whole = steps == position.steps
        swap = position.swap if whole else _share(position.swap, steps, position.steps)
        deal = DealRow(
            ledger.next_deal(), ticket, time_ms, _SOLD if side > 0 else _BOUGHT, _OUT, magic,
            identifier, reason, steps, price, units.commission(steps), swap,
            units.profit(side, position.open_ticks, price, steps), symbol, comment, ambiguous,
        )  # fmt: skip
        ledger.book(deal)
        self.version += 1
        if whole:
            del self.positions[position.ticket]
            return deal
        position.swap -= swap
        position.steps -= steps
        position.time_update_ms = time_ms
        position.margin = units.margin(position.steps, position.open_ticks)
        return deal

    def reopen(self, position: OpenPosition, price: int, new_price: int, time_ms: int) -> None:
        """Swap by re-opening (B16 modes 7, 8): a new ticket, the same identifier, no commission."""
        profit = self.profit_at(position, price)
        del self.positions[position.ticket]
        for entry, side, at, gain in (
            (_OUT, -position.side, price, profit),
            (_IN, position.side, new_price, 0),
        ):
            ticket = self.ledger.next_order()
            self.ledger.orders.append(
                OrderRow(
                    ticket, time_ms, time_ms, 0, _market_type(side), _GTC, _FOK,
                    STATE_FILLED, 0, position.identifier, _ROLLOVER, position.steps, 0,
                    at, position.sl, position.tp, position.symbol, "",
                )
            )  # fmt: skip
            self._deal(position, ticket, entry, position.steps, at, 0, gain, time_ms,
                       reason=_ROLLOVER, magic=0, comment="")  # fmt: skip
            position.ticket = ticket
        position.open_ticks = new_price
        position.time_update_ms = time_ms
        position.margin = self.units[position.symbol].margin(position.steps, new_price)
        self.positions[position.ticket] = position
        self.version += 1

    def finish(self, working: WorkingOrder, state: int, time_ms: int) -> None:
        """Moves a working order to history, unfilled."""
        del self.orders[working.row.ticket]
        self.ledger.orders.append(replace(working.row, time_done_ms=time_ms, state=state))

    def _deal(
        self, position: OpenPosition, order: int, entry: DealEntry, steps: int, price: int,
        swap: int, profit: int, time_ms: int, *, magic: int, comment: str,
        reason: DealReason = _EXPERT,
    ) -> None:  # fmt: skip
        side = position.side if entry is _IN else -position.side
        fee = 0 if reason is _ROLLOVER else self.units[position.symbol].commission(steps)
        self.ledger.book(
            DealRow(
                self.ledger.next_deal(), order, time_ms, _BOUGHT if side > 0 else _SOLD, entry,
                magic, position.identifier, reason, steps, price, fee, swap, profit,
                position.symbol, comment, False,
            )
        )  # fmt: skip

    def _margin_sides(self) -> dict[tuple[str, int], int]:
        sides: dict[tuple[str, int], int] = {}
        for p in self.positions.values():
            key = (p.symbol, p.side)
            sides[key] = sides.get(key, 0) + p.margin
        return sides

    def _sum_margin(self) -> int:
        if len(self.positions) == 1:
            return next(iter(self.positions.values())).margin
        return _larger_sides(self._margin_sides())


def _market_type(side: int) -> OrderType:
    return _BUY if side > 0 else _SELL


def _larger_sides(sides: dict[tuple[str, int], int]) -> int:
    larger: dict[str, int] = {}
    for (symbol, _), margin in sides.items():
        larger[symbol] = max(larger.get(symbol, 0), margin)
    return sum(larger.values())


def _share(amount: int, part: int, whole: int) -> int:
    """`amount` · part / whole, toward zero, so that the rest keeps the sign."""
    size = abs(amount) * part // whole
    return size if amount >= 0 else -size
