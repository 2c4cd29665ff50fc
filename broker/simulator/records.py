"""What the terminal's ledger holds, in whole numbers: ticks, volume steps, minor units, UTC ms."""

from dataclasses import dataclass

from broker.contract.constants import (
    DealEntry,
    DealReason,
    DealType,
    Filling,
    OrderType,
    TypeTime,
)
from broker.simulator.feed import Watch
from market.quick import quick

# ORDER_STATE_* of the package
STATE_PLACED, STATE_CANCELED, STATE_FILLED, STATE_REJECTED, STATE_EXPIRED = 1, 2, 4, 5, 6


@quick
@dataclass(frozen=True, slots=True)
class DealRow:
    """One execution or balance operation. `ambiguous`: stop and target lay in the same bar."""

    ticket: int
    order: int
    time_ms: int
    type: DealType
    entry: DealEntry
    magic: int
    position_id: int
    reason: DealReason
    steps: int
    price_ticks: int
    commission: int
    swap: int
    profit: int
    symbol: str
    comment: str
    ambiguous: bool


@quick
@dataclass(frozen=True, slots=True)
class OrderRow:
    """One order as history keeps it, or as it works: then `time_done_ms` is 0."""

    ticket: int
    time_setup_ms: int
    time_done_ms: int
    time_expiration_ms: int
    type: OrderType
    type_time: TypeTime
    type_filling: Filling
    state: int
    magic: int
    position_id: int
    reason: DealReason
    steps_initial: int
    steps_current: int
    price_ticks: int
    sl_ticks: int
    tp_ticks: int
    symbol: str
    comment: str


@quick
@dataclass(frozen=True, slots=True)
class TradeRequest:
    """`order_send`'s request with the package's field names; `expiration` in epoch ms UTC."""

    action: int
    symbol: str = ""
    volume: float = 0.0
    type: int = OrderType.BUY
    price: float = 0.0
    sl: float = 0.0
    tp: float = 0.0
    deviation: int = 0
    magic: int = 0
    comment: str = ""
    type_filling: int = Filling.FOK
    type_time: int = TypeTime.GTC
    expiration: int = 0
    position: int = 0
    order: int = 0
    stoplimit: float = 0.0
    position_by: int = 0


@quick
@dataclass(frozen=True, slots=True)
class SendResult:
    """`order_send`'s answer. `position` is the identifier that a deal belongs to, else 0."""

    retcode: int
    deal: int
    order: int
    position: int
    volume: float
    price: float
    bid: float
    ask: float
    comment: str
    request_id: int


@quick
@dataclass(slots=True, eq=False)
class OpenPosition:
    """A position. `side` is +1 or −1; `margin` and `swap` in minor units; levels 0 for none."""

    ticket: int
    identifier: int
    time_ms: int
    time_update_ms: int
    side: int
    magic: int
    reason: int
    steps: int
    open_ticks: int
    sl: int
    tp: int
    swap: int
    margin: int
    symbol: str
    comment: str
    watch: Watch


class WorkingOrder:
    """A pending order and the watch that triggers it."""

    __slots__ = ("row", "watch")

    def __init__(self, row: OrderRow, watch: Watch) -> None:
        self.row, self.watch = row, watch
