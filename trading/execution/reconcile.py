"""What the journal believes and what the broker shows: the corrections that bring them together.

Pure, and the same at start and in every cycle. A correction that was applied and journalled is
part of the next `JournalView`, so that it is not made again. Rules: docs/bridge.md, B18-B22.
"""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field

from broker.contract.constants import DealType
from broker.contract.marks import strategy_of
from broker.contract.messages import Deal, Position

PENDING = "PENDING"
AGREEING_READS_APART_MS = 5_000
_LEAST_MONEY = 0.005


@dataclass(frozen=True, slots=True)
class Vanishing:
    """Healthy reads in which a position was gone without a closing deal: one, or two far enough
    apart."""

    first_ms: int
    reads: int = 1


@dataclass(frozen=True, slots=True)
class JournalView:
    """What we know. Positions are named by their identifier, deals by their ticket.

    `held`: positions that the deals seen so far leave open; `closed`: the close types of those
    that deals ended since the last reconciliation, at least. `confirmed`, `pending`, `foreign`,
    `balance`: what was journalled before. `tickets`: the ticket each held position had last.
    `margin`: the account's margin when every held position was last seen.
    """

    strategy_id: int
    symbol: str
    held: Set[int] = frozenset()
    closed: Mapping[int, str] = field(default_factory=dict)
    confirmed: Set[int] = frozenset()
    pending: Set[int] = frozenset()
    foreign: Set[int] = frozenset()
    balance: Set[int] = frozenset()
    tickets: Mapping[int, int] = field(default_factory=dict)
    vanishing: Mapping[int, Vanishing] = field(default_factory=dict)
    margin: float = 0.0


@dataclass(frozen=True, slots=True)
class BrokerView:
    """One read of the broker. `positions`: all of the account. `healthy`: connected, right account.

    `deals`: those read now; the closing ones among them are in the journal's view already.
    """

    now_ms: int
    healthy: bool
    margin: float
    positions: tuple[Position, ...]
    deals: tuple[Deal, ...] = ()


@dataclass(frozen=True, slots=True)
class AdoptPosition:
    """A position that bears our mark and that we know nothing of: it is ours from now on."""

    position: Position


@dataclass(frozen=True, slots=True)
class ForeignPosition:
    """Somebody else's. Noted once, never touched."""

    position: Position


@dataclass(frozen=True, slots=True)
class TicketChanged:
    """The venue re-opened or turned the position; its identifier is the same."""

    position_id: int
    before: int
    ticket: int


@dataclass(frozen=True, slots=True)
class Reprotect:
    """A position of ours without a stop."""

    position: Position


@dataclass(frozen=True, slots=True)
class KeepWaiting:
    """A position is gone from a read, and nothing else says that it is over."""

    position_id: int
    seen: Vanishing
    why: str


@dataclass(frozen=True, slots=True)
class AwaitDeal:
    """Two healthy reads and the margin agree that a position is over; its deal is yet to come."""

    position_id: int
    close_type: str = PENDING


@dataclass(frozen=True, slots=True)
class ConfirmClose:
    """The closing deal is there: how the position ended."""

    position_id: int
    close_type: str


@dataclass(frozen=True, slots=True)
class Reappeared:
    """A position that was gone from a read is there again."""

    position_id: int


@dataclass(frozen=True, slots=True)
class BalanceOperation:
    """A deposit, a withdrawal or another posting that is no trading."""

    deal: Deal


Correction = (
    AdoptPosition
    | ForeignPosition
    | TicketChanged
    | Reprotect
    | KeepWaiting
    | AwaitDeal
    | ConfirmClose
    | Reappeared
    | BalanceOperation
)


def reconcile(journal: JournalView, broker: BrokerView) -> tuple[Correction, ...]:
    """Every correction, in a fixed order. A read that is not healthy proves nothing: positions
    missing from it are not missed, and what it shows is not acted on."""
    found: list[Correction] = [*_closes(journal), *_balance_operations(journal, broker)]
    if broker.healthy:
        for position in broker.positions:
            found += _shown(journal, position)
        found += _missing(journal, broker)
    return tuple(found)


def is_own(position: Position, strategy_id: int, symbol: str) -> bool:
    """Whether a position bears this strategy's mark, in this daemon's symbol."""
    return strategy_of(position.magic) == strategy_id and position.symbol == symbol


def _closes(journal: JournalView) -> Iterator[Correction]:
    for position_id, close_type in journal.closed.items():
        if position_id not in journal.confirmed:
            yield ConfirmClose(position_id, close_type)


def _balance_operations(journal: JournalView, broker: BrokerView) -> Iterator[Correction]:
    for deal in broker.deals:
        is_trade = deal.type in (DealType.BUY, DealType.SELL)
        if not is_trade and deal.ticket not in journal.balance:
            yield BalanceOperation(deal)


def _shown(journal: JournalView, position: Position) -> Iterator[Correction]:
    """What one position of the read asks for."""
    name = position.identifier
    if not is_own(position, journal.strategy_id, journal.symbol):
        if name not in journal.foreign and strategy_of(position.magic) != journal.strategy_id:
            yield ForeignPosition(position)
        return
    if name not in journal.held and (name in journal.closed or name in journal.confirmed):
        return  # the deals are newer than the positions: the next read will agree
    if name not in journal.held:
        yield AdoptPosition(position)
    if name in journal.vanishing or name in journal.pending:
        yield Reappeared(name)
    before = journal.tickets.get(name, position.ticket)
    if before != position.ticket:
        yield TicketChanged(name, before, position.ticket)
    if position.sl == 0.0:
        yield Reprotect(position)


def _missing(journal: JournalView, broker: BrokerView) -> Iterator[Correction]:
    """Held positions that the read does not show. Believed only when everything agrees (D4)."""
    shown = {each.identifier for each in broker.positions}
    for name in sorted(journal.held - shown):
        if name in journal.pending:
            continue
        seen = _seen_again(journal.vanishing.get(name), broker.now_ms)
        why = _why_not_yet(seen, journal, broker)
        yield KeepWaiting(name, seen, why) if why else AwaitDeal(name)


def _seen_again(before: Vanishing | None, now_ms: int) -> Vanishing:
    if before is None:
        return Vanishing(now_ms)
    if now_ms - before.first_ms < AGREEING_READS_APART_MS:
        return before
    return Vanishing(before.first_ms, 2)


def _why_not_yet(seen: Vanishing, journal: JournalView, broker: BrokerView) -> str:
    if seen.reads < 2:
        return "one read alone shows it gone"
    if not _margin_fits(journal, broker):
        return f"the account's margin of {broker.margin:g} says that it is open"
    return ""


def _margin_fits(journal: JournalView, broker: BrokerView) -> bool:
    """Nothing open binds no margin; with other positions open, less than before."""
    if not broker.positions:
        return broker.margin < _LEAST_MONEY
    return broker.margin < journal.margin - _LEAST_MONEY
