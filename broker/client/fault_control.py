"""The faults of a paper bridge, its quotes and its true state: `/_paper/*` but the clock."""

from typing import TypeVar

from broker.client.connection import Connection
from broker.contract.paper import (
    ActiveFault,
    FaultAdded,
    FaultMatch,
    FaultOrder,
    FaultWhen,
    PaperSnapshot,
    ParamValue,
    PushedTick,
)
from broker.contract.wire import ClockState, Items, encode

Message = TypeVar("Message")
_ANY = FaultMatch()
_ALWAYS = FaultWhen()


class FaultControl:
    """Share the broker's connection, or give another: `FaultControl(rest_broker.connection)`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(
        self, name: str, *, match: FaultMatch = _ANY, when: FaultWhen = _ALWAYS,
        **params: ParamValue,
    ) -> int:  # fmt: skip
        """Adds a fault of the catalogue and returns its id."""
        order = FaultOrder(name, match, when, params)
        return self._ask(FaultAdded, "POST", "faults", encode(order)).id

    def active(self) -> tuple[ActiveFault, ...]:
        """All faults with their hit counts."""
        return self._connection.read(Items[ActiveFault], "/_paper/faults").items

    def clear(self) -> None:
        """Ends all faults. What they did stays done."""
        self._ask(ClockState, "DELETE", "faults", None)

    def push_tick(self, symbol: str, *, bid: float, ask: float) -> None:
        """A quote now, until the market's next event; stops and targets see it."""
        self._ask(ClockState, "POST", "ticks", encode(PushedTick(symbol, bid, ask)))

    def reset(self) -> ClockState:
        """The venue as at its start, without faults."""
        return self._ask(ClockState, "POST", "reset", b"")

    def snapshot(self) -> PaperSnapshot:
        """The venue as it is, whatever its faults show."""
        return self._connection.read(PaperSnapshot, "/_paper/snapshot")

    def _ask(self, kind: type[Message], method: str, path: str, body: bytes | None) -> Message:
        return self._connection.ask(kind, method, f"/_paper/{path}", body=body)
