"""What the venue shows of a request whose answer is missing (docs/bridge.md A.8).

Matching goes by the magic number, which each request has for itself; never by symbol and volume.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from broker.contract.constants import DealEntry, DealReason
from broker.contract.messages import Deal, Order, OrderRequest, Position, Snapshot
from broker.contract.port import Broker

LOOKBACK_MS = 3_600_000
LOOKAHEAD_MS = 86_400_000
_THE_VENUES_OWN = (DealReason.SL, DealReason.TP, DealReason.SO)
_LEAST_VOLUME = 1e-9


@dataclass(frozen=True, slots=True)
class Trace:
    """What was executed of a request. `working`: an order of it is still there."""

    position: int
    volume_lots: float
    working: bool = False


def trace_of(
    request: OrderRequest,
    positions: Sequence[Position],
    orders: Sequence[Order],
    deals: Sequence[Deal],
) -> Trace | None:
    """What bears the request's magic; None where nothing does. Pure.

    The venue's own exits carry the entry's magic too, and do not count.
    """
    made = [
        deal for deal in deals
        if deal.magic == request.magic and deal.reason not in _THE_VENUES_OWN
    ]  # fmt: skip
    if made:
        return Trace(made[0].position_id, sum(deal.volume for deal in made))
    held = [each for each in positions if each.magic == request.magic]
    if held and request.position is None:
        return Trace(held[0].identifier, held[0].volume)
    if any(each.magic == request.magic for each in orders):
        return Trace(0, 0.0, working=True)
    return None


def look_for(request: OrderRequest, broker: Broker, since_ms: int) -> Trace | None:
    """Asks positions, orders and history around `since_ms`. Raises `BrokerError`."""
    positions, orders = broker.positions(request.symbol), broker.orders(request.symbol)
    return trace_of(request, positions, orders, deals_around(broker, since_ms))


def deals_around(broker: Broker, since_ms: int) -> tuple[Deal, ...]:
    return broker.deals(from_ms=since_ms - LOOKBACK_MS, to_ms=since_ms + LOOKAHEAD_MS)


def closed_lots(position: int, deals: Sequence[Deal]) -> float:
    """How much of a position its deals have closed."""
    return sum(
        deal.volume for deal in deals
        if deal.position_id == position and deal.entry is not DealEntry.IN
    )  # fmt: skip


def opened_lots(position: int, deals: Sequence[Deal]) -> float:
    """How much of a position its deals have opened."""
    return sum(
        deal.volume for deal in deals
        if deal.position_id == position and deal.entry is DealEntry.IN
    )  # fmt: skip


def is_closed(position: int, deals: Sequence[Deal]) -> bool:
    """Whether the deals close all that they opened of a position."""
    opened = opened_lots(position, deals)
    return 0 < opened <= closed_lots(position, deals) + _LEAST_VOLUME


def is_whole(snapshot: Snapshot) -> bool:
    """Whether account and positions agree: margin without a position means that a read failed."""
    return bool(snapshot.positions) or snapshot.account.margin == 0


@dataclass(slots=True)
class Looks:
    """How often in a row, and since when, healthy looks showed nothing."""

    count: int = 0
    first_ms: int = 0
    last_ms: int = 0

    def silent(self, now_ms: int, *, apart_ms: int) -> None:
        """One more healthy look without a trace; those too soon after the last do not count."""
        if self.count == 0:
            self.first_ms = now_ms
        if self.count == 0 or now_ms - self.last_ms >= apart_ms:
            self.count, self.last_ms = self.count + 1, now_ms

    def unhealthy(self) -> None:
        self.count = 0


def is_healthy(broker: Broker, snapshot: Snapshot) -> bool:
    """Whether an absence in this snapshot may be believed. Trading may be switched off."""
    health = broker.health()
    return health.status != "down" and health.terminal.connected and is_whole(snapshot)
