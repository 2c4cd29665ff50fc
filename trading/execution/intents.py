"""The life of a trade request: its states, which may follow which, and what a log must keep.

An entry is written down (PENDING), then marked SENT, then sent; every answer, and every missing
one, is its next state. A filled entry is open until its stops were read back (PROTECTED) or its
position is gone. A close, whole or of a part, and a change of levels are over once they are done.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from broker.contract.messages import OrderRequest


class IntentState(StrEnum):
    """What became of a trade request. SENT and UNKNOWN are resolved by asking, never by sending.

    CLOSED: the position of an entry was gone before its stops were read back.
    """

    PENDING = "pending"
    SENT = "sent"
    FILLED = "filled"
    PARTIAL = "partial"
    PROTECTED = "protected"
    EMERGENCY_CLOSED = "emergency_closed"
    CLOSED = "closed"
    REJECTED = "rejected"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"
    NOT_EXECUTED = "not_executed"
    DRY = "dry"


class Kind(StrEnum):
    """CLOSE goes on until the position is gone; PART is asked once and then left alone. MODIFY was
    decided; LEVELS is the guard's, on behalf of an entry that lacks its stops.
    """

    ENTRY = "entry"
    CLOSE = "close"
    PART = "part"
    MODIFY = "modify"
    LEVELS = "levels"


# What a client id says in place of a side: the kinds that the request itself does not show.
PART_NAME, MODIFY_NAME = "PART", "LEVELS"


@dataclass(frozen=True, slots=True)
class LevelsRequest:
    """A change of a position's stop and target; prices are absolute, 0 removes a level."""

    symbol: str
    position: int
    sl: float
    tp: float
    client_id: str


TradeRequest = OrderRequest | LevelsRequest

_FILLED = frozenset({IntentState.FILLED, IntentState.PARTIAL})
_GUARDED = frozenset({IntentState.PROTECTED, IntentState.EMERGENCY_CLOSED, IntentState.CLOSED})

TRANSITIONS: Mapping[IntentState, frozenset[IntentState]] = {
    IntentState.PENDING: frozenset(
        {IntentState.SENT, IntentState.NOT_SENT, IntentState.NOT_EXECUTED}
    ),
    IntentState.SENT: _FILLED
    | {IntentState.REJECTED, IntentState.NOT_SENT, IntentState.UNKNOWN}
    | {IntentState.PENDING},  # a bridge that keeps client ids never had it
    IntentState.UNKNOWN: _FILLED | {IntentState.REJECTED, IntentState.NOT_EXECUTED},
    IntentState.FILLED: _GUARDED,
    IntentState.PARTIAL: _GUARDED,
    IntentState.PROTECTED: frozenset({IntentState.FILLED}),  # its stops are gone: guard it anew
    IntentState.EMERGENCY_CLOSED: frozenset(),
    IntentState.CLOSED: frozenset(),
    IntentState.REJECTED: frozenset(),
    IntentState.NOT_SENT: frozenset(),
    IntentState.NOT_EXECUTED: frozenset(),
    IntentState.DRY: frozenset(),
}

UNRESOLVED = frozenset({IntentState.SENT, IntentState.UNKNOWN})


class IllegalTransition(ValueError):
    """A state that cannot follow the present one: a fault of the program, never of the venue."""


def require_legal(client_id: str, kind: Kind, old: IntentState, new: IntentState) -> None:
    """Raises `IllegalTransition` unless `new` may follow `old` for this kind of request."""
    allowed = TRANSITIONS[old]
    if kind is not Kind.ENTRY and old in (*_FILLED, *_GUARDED):
        allowed = frozenset()
    if new not in allowed:
        known = ", ".join(sorted(allowed)) or "nothing"
        raise IllegalTransition(f"intent {client_id}: after {old}, {known} may follow; {new} came")


def kind_of(request: TradeRequest) -> Kind:
    """Told by the request, and by its name where two kinds look alike."""
    name = request.client_id
    if isinstance(request, LevelsRequest):
        return Kind.MODIFY if f"-{MODIFY_NAME}-" in name else Kind.LEVELS
    if request.position is None:
        return Kind.ENTRY
    return Kind.PART if f"-{PART_NAME}-" in name else Kind.CLOSE


def is_open(kind: Kind, state: IntentState) -> bool:
    """Whether something is still to be done or found out."""
    if state in (IntentState.PENDING, *UNRESOLVED):
        return True
    return kind is Kind.ENTRY and state in _FILLED


@dataclass(frozen=True, slots=True)
class JournalledIntent:
    """An order request as the journal knows it.

    `changed_ms`: event time of its present state. `parent`: the client id it serves (a retry: the
    first request; an emergency close: the entry); its own where it is the first.
    """

    request: OrderRequest
    bar_open_ms: int
    state: IntentState
    changed_ms: int
    parent: str = ""

    @property
    def kind(self) -> Kind:
        return kind_of(self.request)


@dataclass(frozen=True, slots=True)
class LevelsIntent:
    """A change of levels as the journal knows it. `parent`: the client id it serves (the guard's:
    the entry; asked again: the first); its own where it is the first."""

    request: LevelsRequest
    state: IntentState
    changed_ms: int
    parent: str = ""


class IntentLog(Protocol):
    """Where intents are durable; `trading.journal.Journal` is one."""

    def begin(self, request: TradeRequest, event_time_ms: int, *, parent: str) -> None:
        """A new PENDING intent, durable before this returns; `parent` must be known."""
        ...

    def set_state(
        self,
        client_id: str,
        state: IntentState,
        event_time_ms: int,
        *,
        then: TradeRequest | None = None,
        **payload: Any,
    ) -> None:
        """A new state of an intent, durable before this returns; `then` begins its successor with
        it. Raises `IllegalTransition`."""
        ...

    def record(self, kind: str, event_time_ms: int, **payload: Any) -> None: ...

    def open_intents(self) -> tuple[JournalledIntent, ...]:
        """Orders with something left to do, in the order of their beginning."""
        ...

    def open_changes(self) -> tuple[LevelsIntent, ...]:
        """Decided changes of levels without an outcome, in the order of their beginning."""
        ...

    def has_open_intents(self) -> bool:
        """Whether any order, or any decided change of levels, is open."""
        ...

    def find_intent(self, client_id: str) -> JournalledIntent | None: ...

    def intent_of_magic(self, magic: int) -> JournalledIntent | None:
        """The entry that bears this magic."""
        ...

    def closes_of(self, position: int) -> tuple[JournalledIntent, ...]:
        """Every whole close asked for this position, oldest first."""
        ...

    def parts_of(self, position: int) -> tuple[JournalledIntent, ...]:
        """Every partial close asked for this position, oldest first."""
        ...

    def changes_of(self, position: int, *, after: str = "") -> tuple[LevelsIntent, ...]:
        """Decided changes of this position's levels, oldest first; `after`: only those written
        down later than the intent of that name."""
        ...

    def children_of(self, entry: str) -> tuple[JournalledIntent, ...]:
        """Closes asked for on behalf of an entry, oldest first."""
        ...

    def levels_of(self, entry: str) -> tuple[LevelsIntent, ...]:
        """The guard's changes of levels for an entry's position, oldest first."""
        ...

    def sent_since(self, from_ms: int) -> tuple[int, ...]:
        """When trade requests were sent, from an instant on."""
        ...
