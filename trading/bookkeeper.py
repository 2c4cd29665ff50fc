"""Our trades as the journal and the broker tell them: folds deals, reconciles, writes it down."""

from collections.abc import Callable, Sequence
from dataclasses import asdict

from broker.contract.messages import Deal, Position, Snapshot
from trading.close_reasons import close_reason
from trading.decision.records import OpenTrade, Side
from trading.execution.intents import IntentState
from trading.execution.reconcile import (
    AdoptPosition,
    AwaitDeal,
    BalanceOperation,
    BrokerView,
    ConfirmClose,
    Correction,
    ForeignPosition,
    JournalView,
    KeepWaiting,
    Reappeared,
    Reprotect,
    TicketChanged,
    Vanishing,
    is_own,
    reconcile,
)
from trading.journal import Journal
from trading.pager import Pager
from trading.trade_book import TradeBook
from trading.views import open_trades

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_HISTORY_MS = 30 * _DAY_MS
_LONG_MS = 15 * 60_000
_MAY_BE_OPEN = {
    IntentState.SENT, IntentState.UNKNOWN, IntentState.FILLED, IntentState.PARTIAL,
    IntentState.PROTECTED,
}  # fmt: skip


class Bookkeeper:
    """One account's trades in one symbol. `book` is the fold over all deals seen.

    `reprotect` hears of every own position without a stop, in every cycle while it has none; it
    says whether it can help.
    """

    def __init__(
        self, journal: Journal, pager: Pager, *, strategy_id: int, symbol: str,
        reprotect: Callable[[Position, int], bool] = lambda position, now_ms: False,
    ) -> None:  # fmt: skip
        self._journal = journal
        self._pager = pager
        self._symbol = symbol
        self._reprotect = reprotect
        self.book = TradeBook(strategy_id, reason_of=lambda magic: close_reason(journal, magic))
        self._known_deals: set[int] = set()
        self._deals_from_ms = 0
        self._untold: list[Deal] = []
        self._counted = 0
        self._confirmed: set[int] = set()
        self._pending: dict[int, int] = {}
        self._foreign: set[int] = set()
        self._balance: set[int] = set()
        self._tickets: dict[int, int] = {}
        self._vanishing: dict[int, Vanishing] = {}
        self._margin = 0.0
        self._tell: list[Callable[[Sequence[Deal]], None]] = []

    def tell_deals(self, listener: Callable[[Sequence[Deal]], None]) -> None:
        """`listener` hears of every deal of the account, each once, from `restore` on."""
        self._tell.append(listener)

    @property
    def doubtful(self) -> bool:
        """Whether a position is gone from a read and a second one has yet to agree."""
        return bool(self._vanishing)

    @property
    def may_hold(self) -> bool:
        """Whether a position of ours is open: one that the books know, or one that the last bar's
        entry opened and no read has shown since."""
        last_ms = self._journal.handled_open_ms(self._symbol)
        if self.book.held or last_ms is None:
            return bool(self.book.held)
        states = {state for _, state in self._journal.intents_of_bar(last_ms)}
        return bool(states & _MAY_BE_OPEN)

    def restore(self, *, from_ms: int, handled_ms: int | None) -> None:
        """Brings back what the journal knows, and where to go on reading deals."""
        for _, _, words in self._journal.events("position_adopted"):
            self.book.adopt(OpenTrade(**(words["trade"] | {"side": Side(words["trade"]["side"])})))
        known = self._journal.deals()
        self._known_deals = {deal.ticket for deal in known}
        self._heard(known)
        self._confirmed = self._noted("close_confirmed", "position_id")
        self._foreign = self._noted("foreign_position", "position_id")
        self._balance = self._noted("balance_operation", "deal")
        self._deals_from_ms = from_ms - _HISTORY_MS if handled_ms is None else handled_ms - _DAY_MS

    def deals_from_ms(self, now_ms: int, *, wide: bool) -> int:
        """From when on deals must be read: further back while a trade's story is incomplete."""
        if wide:
            return min(self._deals_from_ms, now_ms - _HISTORY_MS)
        held = self.book.held
        waited_for = {*self._vanishing, *self._pending, *self.book.adopted}
        opened = [held[each] - _HOUR_MS for each in waited_for if each in held]
        return min([self._deals_from_ms, *opened])

    def take_in(
        self, snapshot: Snapshot, deals: Sequence[Deal], now_ms: int, *, healthy: bool
    ) -> tuple[Correction, ...]:
        """Folds the deals and applies the corrections. Every one of them is in the journal."""
        self._fold(deals)
        view = BrokerView(now_ms, healthy, snapshot.account.margin, snapshot.positions, (*deals,))
        corrections = reconcile(self.journal_view(), view)
        for correction in corrections:
            self._apply(correction, now_ms)
        self._counted = len(self.book.closed)
        for position_id, since_ms in self._pending.items():
            self._page_if_long(position_id, since_ms, now_ms, "its closing deal is missing")
        self._remember(view)
        return corrections

    def all_deals(self) -> tuple[Deal, ...]:
        """Every deal of the account that was ever seen, in (time, ticket) order."""
        return self._journal.deals()

    def new_deals(self) -> tuple[Deal, ...]:
        """Deals seen since the last call."""
        told, self._untold = tuple(self._untold), []
        return told

    def own_positions(self, snapshot: Snapshot) -> tuple[Position, ...]:
        """This daemon's positions among all of the account."""
        return tuple(self._own(snapshot.positions))

    def journal_view(self) -> JournalView:
        ended = self.book.closed[self._counted :]
        return JournalView(
            strategy_id=self.book.strategy_id,
            symbol=self._symbol,
            held=self.book.held.keys(),
            closed={trade.position_id: trade.close_type for trade in ended},
            confirmed=self._confirmed,
            pending=self._pending.keys(),
            foreign=self._foreign,
            balance=self._balance,
            tickets=self._tickets,
            vanishing=self._vanishing,
            margin=self._margin,
        )

    def _fold(self, deals: Sequence[Deal]) -> None:
        new = [deal for deal in deals if deal.ticket not in self._known_deals]
        self._journal.saw_deals(new)
        self._heard(new)
        self._known_deals.update(deal.ticket for deal in new)
        self._untold += new

    def _heard(self, deals: Sequence[Deal]) -> None:
        self.book.add(self._of_this_symbol(deals))
        for listener in self._tell:
            listener(deals)

    def _of_this_symbol(self, deals: Sequence[Deal]) -> list[Deal]:
        return [deal for deal in deals if deal.symbol == self._symbol]

    def _remember(self, view: BrokerView) -> None:
        if not view.healthy:
            return
        positions = self._own(view.positions)
        own = open_trades(positions, self.book.strategy_id)
        if not self.book.unsettled(own):
            # A deal may reach the history late, but not once positions and deals agree.
            self._deals_from_ms = view.now_ms - _HOUR_MS
            self._margin = view.margin
        self._tickets = {each.identifier: each.ticket for each in positions}

    def _own(self, positions: Sequence[Position]) -> list[Position]:
        mine = (self.book.strategy_id, self._symbol)
        return [each for each in positions if is_own(each, *mine)]

    def _apply(self, correction: Correction, now_ms: int) -> None:
        match correction:
            case AdoptPosition(position):
                (trade,) = open_trades((position,), self.book.strategy_id)
                self.book.adopt(trade)
                self._journal.record("position_adopted", now_ms, trade=asdict(trade))
            case ForeignPosition(position):
                self._foreign.add(position.identifier)
                self._journal.record(
                    "foreign_position", now_ms, position_id=position.identifier,
                    symbol=position.symbol, magic=position.magic, volume=position.volume,
                )  # fmt: skip
            case BalanceOperation(deal):
                self._balance.add(deal.ticket)
                self._journal.record(
                    "balance_operation", deal.time_msc, deal=deal.ticket, type=deal.type.name,
                    amount=deal.profit, comment=deal.comment,
                )  # fmt: skip
            case Reprotect(position):
                if not self._reprotect(position, now_ms):
                    name = position.identifier
                    self._pager.page(
                        f"position {name} has no stop and no known entry: set one by hand",
                        key=f"naked {name}",
                    )
            case TicketChanged():
                self._journal.record("ticket_changed", now_ms, **asdict(correction))
            case _:
                self._apply_to_close(correction, now_ms)

    def _apply_to_close(self, correction: Correction, now_ms: int) -> None:
        match correction:
            case KeepWaiting(position_id, seen, why):
                if position_id not in self._vanishing:
                    self._journal.record("position_missing", now_ms, position_id=position_id)
                self._vanishing[position_id] = seen
                self._page_if_long(position_id, seen.first_ms, now_ms, why)
            case AwaitDeal(position_id, close_type):
                self._vanishing.pop(position_id, None)
                self._pending[position_id] = now_ms
                self._journal.record(
                    "close_pending", now_ms, position_id=position_id, close_type=close_type
                )
            case ConfirmClose(position_id, close_type):
                self._forget(position_id)
                self._confirmed.add(position_id)
                self._journal.record(
                    "close_confirmed", now_ms, position_id=position_id, close_type=close_type
                )
            case Reappeared(position_id):
                self._forget(position_id)
                self._journal.record("position_reappeared", now_ms, position_id=position_id)

    def _forget(self, position_id: int) -> None:
        self._vanishing.pop(position_id, None)
        self._pending.pop(position_id, None)
        self._pager.over(f"position {position_id} is accounted for", key=f"close {position_id}")

    def _page_if_long(self, position_id: int, since_ms: int, now_ms: int, why: str) -> None:
        if now_ms - since_ms >= _LONG_MS:
            self._pager.page(
                f"position {position_id} is not shown, and not known to be closed: {why}",
                key=f"close {position_id}",
            )

    def _noted(self, kind: str, name: str) -> set[int]:
        return {int(words[name]) for _, _, words in self._journal.events(kind)}
