"""A call that a fault may act on: an HTTP request, or a function of the terminal."""

from contextvars import ContextVar
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from broker.contract.constants import TradeAction
from broker.contract.paper import FaultMatch


@dataclass(slots=True)
class Call:
    """`kind`: entry, close, levels or pending for what asks to trade, else empty. `acted`: names of
    the faults that acted on it, shared by all calls of one request."""

    method: str
    path: str
    symbol: str = ""
    function: str = ""
    kind: str = ""
    acted: list[str] = field(default_factory=list)

    def is_meant_by(self, match: FaultMatch) -> bool:
        """Whether a fault's match covers this call."""
        if match.method and match.method != self.method:
            return False
        if match.symbol and match.symbol != self.symbol:
            return False
        if match.kind and match.kind != self.kind:
            return False
        if not match.path or match.path == self.function:
            return True
        return fnmatchcase(self.path, match.path)


# The HTTP request under way; None where the terminal is used in process.
REQUEST: ContextVar[Call | None] = ContextVar("REQUEST", default=None)

_PATHS = {
    "account_info": "/account", "terminal_info": "/health", "symbols_get": "/symbols",
    "symbol_info": "/symbols/{symbol}", "symbol_select": "/symbols/{symbol}",
    "symbol_info_tick": "/symbols/{symbol}/tick", "copy_rates_range": "/symbols/{symbol}/rates",
    "copy_rates_from": "/symbols/{symbol}/rates",
    "copy_rates_from_pos": "/symbols/{symbol}/rates", "positions_get": "/positions",
    "positions_total": "/positions", "orders_get": "/orders", "orders_total": "/orders",
    "history_deals_get": "/history/deals", "history_orders_get": "/history/orders",
}  # fmt: skip


def call_of(function: str, symbol: str = "", request: dict[str, Any] | None = None) -> Call:
    """A call of a terminal's function: within the HTTP request under way, or as if in one."""
    served = REQUEST.get()
    if served is not None:
        return Call(
            served.method, served.path, symbol or served.symbol, function, served.kind,
            served.acted,
        )  # fmt: skip
    if request is not None:
        return Call(*_trade_path(function, request), symbol, function, kind_of(request))
    return Call("GET", _PATHS.get(function, "").format(symbol=symbol), symbol, function)


def _trade_path(function: str, request: dict[str, Any]) -> tuple[str, str]:
    if function == "order_check":
        return "POST", "/orders/check"
    if request.get("action") == TradeAction.SLTP:
        return "PUT", f"/positions/{request.get('position', 0)}"
    return "POST", "/orders"


def kind_of(request: dict[str, Any]) -> str:
    """What an `order_send` request asks for."""
    action = request.get("action")
    if action == TradeAction.DEAL:
        return "close" if request.get("position") else "entry"
    return "levels" if action == TradeAction.SLTP else "pending"
