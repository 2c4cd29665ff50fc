"""The port to a venue. The in-process simulator and the REST client fill it alike."""

from typing import Protocol

from broker.contract.messages import (
    Account,
    Deal,
    Health,
    IntentReport,
    Order,
    OrderRequest,
    Position,
    Snapshot,
    SymbolSpec,
    Tick,
    TradeResult,
)
from market.bars import Bars
from market.timeframe import Timeframe


class Broker(Protocol):
    """One account at one venue. Reads may be repeated; trade requests never are.

    Every method raises `broker.contract.errors.BrokerError`; a rejection by the trade server is
    not an error but a `TradeResult` with its retcode.
    """

    def health(self) -> Health: ...

    def account(self) -> Account: ...

    def symbol(self, symbol: str) -> SymbolSpec: ...

    def tick(self, symbol: str) -> Tick: ...

    def rates(self, symbol: str, timeframe: Timeframe, *, from_ms: int, to_ms: int) -> Bars:
        """Closed bars that open in [from_ms, to_ms), oldest first. The forming bar is left out.

        "Closed" is judged by the venue's clock: open + timeframe ≤ now.
        """
        ...

    def positions(self, symbol: str | None = None) -> tuple[Position, ...]: ...

    def orders(self, symbol: str | None = None) -> tuple[Order, ...]: ...

    def snapshot(self, symbol: str) -> Snapshot: ...

    def deals(self, *, from_ms: int, to_ms: int) -> tuple[Deal, ...]:
        """Deals with from_ms ≤ time < to_ms, in (time, ticket) order."""
        ...

    def send(self, request: OrderRequest) -> TradeResult: ...

    def check(self, request: OrderRequest) -> TradeResult:
        """`order_check`: the same validation, nothing is sent. retcode 0 means it would pass."""
        ...

    def modify(self, position: int, *, sl: float, tp: float, client_id: str) -> TradeResult:
        """Sets both levels of a position; 0.0 removes one."""
        ...

    def intent(self, client_id: str) -> IntentReport: ...
