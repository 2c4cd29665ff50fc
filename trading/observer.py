"""What the broker says at a close: a snapshot, the symbol's terms, our trades' story so far."""

from dataclasses import dataclass, replace

from broker.contract.messages import Account, Deal, Snapshot, SymbolSpec
from broker.contract.port import Broker
from market.instrument import Instrument
from trading.decision.guards import local_midnight_ms
from trading.decision.records import DecisionInput, MarketView
from trading.execution.resolve import Resolver
from trading.forecaster import BarForecast
from trading.journal import Journal
from trading.views import TradeBook, decision_input, instrument_view, open_trades

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_ADOPT_DEALS_OF_MS = 30 * _DAY_MS


@dataclass(frozen=True, slots=True)
class Seen:
    """What the broker said at one close. `unsettled`: client ids whose outcome is not known."""

    snapshot: Snapshot
    spec: SymbolSpec
    new_deals: tuple[Deal, ...]
    unsettled: tuple[str, ...]


class Observer:
    """Reads the broker once a bar and folds its deals into our trades."""

    def __init__(
        self,
        broker: Broker,
        resolver: Resolver,
        instrument: Instrument,
        *,
        strategy_id: int,
        day_zone: str,
    ) -> None:
        self._broker = broker
        self._resolver = resolver
        self._instrument = instrument
        self._day_zone = day_zone
        self.book = TradeBook(strategy_id)
        self._deals_from_ms = 0
        self._known_deals: frozenset[int] = frozenset()

    def recover(self, journal: Journal, *, from_ms: int, handled_ms: int | None) -> None:
        """Brings back the trades that the journal knows, and where to go on reading deals."""
        known = journal.deals()
        self.book.add(known)
        self._known_deals = frozenset(deal.ticket for deal in known)
        since_ms = from_ms - _ADOPT_DEALS_OF_MS if handled_ms is None else handled_ms - _DAY_MS
        self._deals_from_ms = since_ms

    def observe(self, now_ms: int) -> Seen:
        """Raises `BrokerError` where the broker cannot be read; nothing has changed then."""
        unsettled = self._resolver.resolve(now_ms)
        symbol = self._instrument.symbol
        spec = self._broker.symbol(symbol)
        snapshot = self._broker.snapshot(symbol)
        deals = self._broker.deals(from_ms=self._deals_from_ms, to_ms=now_ms + _DAY_MS)
        return Seen(snapshot, spec, self._fold(deals, snapshot, now_ms), unsettled)

    def decision_input(
        self, market: MarketView, forecast: BarForecast, seen: Seen
    ) -> DecisionInput:
        """Everything `decide` may look at, with intents of unknown outcome among `unsettled`."""
        account = seen.snapshot.account
        instrument = instrument_view(
            seen.spec, seen.snapshot.tick, account.leverage,
            commission_per_lot=self._commission_per_lot(account),
        )  # fmt: skip
        now = decision_input(
            market, forecast.forecast, forecast.missing_feature, seen.snapshot, instrument,
            self.book, day_zone=self._day_zone,
            session_open=self._instrument.sessions.is_open(market.close_ms),
        )  # fmt: skip
        if not seen.unsettled:
            return now
        unknown = tuple(f"intent {client_id}: outcome unknown" for client_id in seen.unsettled)
        return replace(now, unsettled=now.unsettled + unknown)

    def day_profit(self, snapshot: Snapshot, now_ms: int) -> float:
        """Closed and open profit since the local midnight; for the eye, not for a decision."""
        midnight_ms = local_midnight_ms(now_ms, self._day_zone)
        held = open_trades(snapshot.positions, self.book.strategy_id)
        closed = 0.0
        for trade in reversed(self.book.closed):
            if trade.closed_ms < midnight_ms:
                break
            closed += trade.net_profit
        return closed + sum(trade.profit + trade.swap for trade in held)

    def _fold(self, deals: tuple[Deal, ...], snapshot: Snapshot, now_ms: int) -> tuple[Deal, ...]:
        new = tuple(deal for deal in deals if deal.ticket not in self._known_deals)
        self.book.add(new)
        self._known_deals = frozenset(deal.ticket for deal in deals)
        held = open_trades(snapshot.positions, self.book.strategy_id)
        if not self.book.unsettled(held):
            # A deal may reach the history late, but not once positions and deals agree.
            self._deals_from_ms = now_ms - _HOUR_MS
        return new

    def _commission_per_lot(self, account: Account) -> float:
        """Per side, in the account's units: a cent account counts a hundred to the dollar."""
        units = round(1 / account.unit_to_base)
        return self._instrument.in_deposit_currency(units).commission_per_lot
