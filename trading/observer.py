"""What the broker says in one cycle: health, snapshot, terms, our trades' story so far."""

from dataclasses import dataclass, replace

from broker.contract.messages import Deal, Snapshot, SymbolSpec
from broker.contract.port import Broker
from market.instrument import Instrument
from trading.bookkeeper import Bookkeeper
from trading.decision.guards import local_midnight_ms
from trading.execution.dispatch import Dispatcher
from trading.execution.resolve import Resolver
from trading.views import open_trades
from trading.watch import HealthWatch

_DAY_MS = 24 * 3_600_000


@dataclass(frozen=True, slots=True)
class Seen:
    """What the broker said in one cycle.

    `unsettled`: client ids whose outcome is not known; `halts`: why nothing may be opened.
    """

    snapshot: Snapshot
    spec: SymbolSpec
    unsettled: tuple[str, ...]
    halts: tuple[str, ...]


class Observer:
    """Reads the broker in every cycle, in one order: health, open intents, terms, snapshot, deals.

    Another account than the pinned one is not asked about intents, and its deals and positions
    are not taken in.
    """

    def __init__(
        self,
        broker: Broker,
        resolver: Resolver,
        dispatcher: Dispatcher,
        watch: HealthWatch,
        books: Bookkeeper,
        instrument: Instrument,
        *,
        day_zone: str,
    ) -> None:
        self._broker = broker
        self._resolver = resolver
        self._dispatcher = dispatcher
        self._watch = watch
        self.books = books
        self._instrument = instrument
        self._day_zone = day_zone

    def look(self, now_ms: int, *, at_close: bool) -> Seen:
        """Raises `BrokerError` where the broker cannot be read; the books are unchanged then."""
        symbol = self._instrument.symbol
        unsettled = self._resolver.resolve(now_ms) if self._watch.ask() else ()
        spec = self._broker.symbol(symbol)
        snapshot = self._broker.snapshot(symbol)
        from_ms = self.books.deals_from_ms(now_ms, wide=self._watch.rebooted)
        deals = self._broker.deals(from_ms=from_ms, to_ms=now_ms + _DAY_MS)
        verdict = self._watch.judge(snapshot, spec, now_ms, at_close=at_close)
        if not verdict.breaks("account"):
            healthy = not verdict.breaks("not_connected")
            self.books.take_in(snapshot, deals, now_ms, healthy=healthy)
        own = replace(snapshot, positions=self.books.own_positions(snapshot))
        return Seen(own, spec, unsettled, verdict.reasons + self._dispatcher.halts)

    def new_deals(self) -> tuple[Deal, ...]:
        """Deals seen since the last call."""
        return self.books.new_deals()

    def day_profit(self, snapshot: Snapshot, now_ms: int) -> float:
        """Closed and open profit since the local midnight; for the eye, not for a decision."""
        midnight_ms = local_midnight_ms(now_ms, self._day_zone)
        book = self.books.book
        held = open_trades(snapshot.positions, book.strategy_id)
        closed = 0.0
        for trade in reversed(book.closed):
            if trade.closed_ms < midnight_ms:
                break
            closed += trade.net_profit
        return closed + sum(trade.profit + trade.swap for trade in held)
