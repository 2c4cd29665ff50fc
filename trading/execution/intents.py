"""What becomes of an order request, and what an intent log must be able to do."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from broker.contract.messages import OrderRequest


class IntentState(StrEnum):
    """What became of an order request. PENDING and UNKNOWN must be resolved by asking."""

    PENDING = "pending"
    FILLED = "filled"
    PARTIAL = "partial"
    PLACED = "placed"
    REJECTED = "rejected"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"
    NOT_EXECUTED = "not_executed"
    DRY = "dry"


@dataclass(frozen=True, slots=True)
class JournalledIntent:
    """An order request as the journal knows it. `changed_ms`: event time of its present state."""

    request: OrderRequest
    bar_open_ms: int
    state: IntentState
    changed_ms: int


class IntentLog(Protocol):
    """Where intents are durable; `trading.journal.Journal` is one."""

    def set_state(
        self, client_id: str, state: IntentState, event_time_ms: int, **payload: Any
    ) -> None:
        """A new state of an intent, durable before this returns."""
        ...

    def open_intents(self) -> tuple[JournalledIntent, ...]:
        """Intents whose outcome is not known: PENDING and UNKNOWN, in the order of deciding."""
        ...
