"""What the dialect changes. Nothing is remembered: a request sent twice is done twice."""

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from broker.contract.constants import Filling, OrderType, PositionType, TradeAction, TypeTime
from broker.contract.retcodes import DONE, DONE_PARTIAL, PLACED
from mt5api.httpapi.face import Asked, Package, Shift, answer, error
from mt5api.httpapi.reads import Reads

_REQUIRED = ("symbol", "type", "volume")
_TYPES = {each.name: int(each) for each in OrderType if each is not OrderType.CLOSE_BY}
_NUMBERS: dict[str, Callable[[Any], Any]] = {
    "volume": float, "price": float, "stoplimit": float, "sl": float, "tp": float,
    "deviation": int, "magic": int, "position": int, "position_by": int, "expiration": int,
}  # fmt: skip
_DEFAULT_DEVIATION = 20
_EXECUTED = (PLACED, DONE, DONE_PARTIAL)


class Trades:
    """POST, PUT and DELETE. `executed` runs after the trade server did something."""

    def __init__(
        self, mt5: Package, shift: Shift, reads: Reads, executed: Callable[[], None]
    ) -> None:
        self._mt5 = mt5
        self._shift = shift
        self._reads = reads
        self._executed = executed

    def create_order(self, asked: Asked) -> Response:
        """201 for 10009 only; any other retcode, a rejection too, is 200; None is 500."""
        body = asked.json()
        refusal = self._refusal(body)
        if refusal is not None:
            return refusal
        request, kind = _order_request(body), body["type"].upper()
        is_market = kind in ("BUY", "SELL")
        request["action"] = int(TradeAction.DEAL if is_market else TradeAction.PENDING)
        if is_market and "price" not in request:
            tick = self._mt5.symbol_info_tick(body["symbol"])
            if tick is None or (tick.ask == 0 and tick.bid == 0):
                return error(f"Cannot get price for {body['symbol']}", 500)
            request["price"] = tick.ask if kind == "BUY" else tick.bid
        result = self._send(request)
        if result is None:
            return error(f"order_send failed: {self._mt5.last_error()}", 500)
        return answer(self._shift.as_json(result), 201 if result.retcode == DONE else 200)

    def _refusal(self, body: Any) -> Response | None:
        """The answer to an order that is not even tried."""
        if not body:
            return error("Request body required", 400)
        missing = [field for field in _REQUIRED if field not in body]
        if missing:
            return error(f"'{missing[0]}' is required", 400)
        if body["type"].upper() not in _TYPES:
            return error(f"Invalid type: {body['type'].upper()}. Use: {list(_TYPES)}", 400)
        if not self._reads.knows(body["symbol"]):
            return error(f"Symbol {body['symbol']} not found", 404)
        return None

    def update_order(self, asked: Asked) -> Response:
        body = asked.json()
        if not body:
            return error("Request body required", 400)
        ticket = asked.path["ticket"]
        found = self._mt5.orders_get(ticket=ticket)
        if not found:
            return error(f"Order {ticket} not found", 404)
        order = found[0]
        type_time = str(body.get("type_time", "")).upper()
        return self._changed("modify order", {
            "action": int(TradeAction.MODIFY), "order": ticket, "symbol": order.symbol,
            "price": float(body.get("price", order.price_open)),
            "sl": float(body.get("sl", order.sl)), "tp": float(body.get("tp", order.tp)),
            "type_time": (
                int(TypeTime[type_time]) if type_time in TypeTime.__members__ else order.type_time
            ),
            "expiration": order.time_expiration,
        })  # fmt: skip

    def cancel_order(self, asked: Asked) -> Response:
        ticket = asked.path["ticket"]
        if not self._mt5.orders_get(ticket=ticket):
            return error(f"Order {ticket} not found", 404)
        return self._changed("cancel order", {"action": int(TradeAction.REMOVE), "order": ticket})

    def update_position(self, asked: Asked) -> Response:
        body = asked.json()
        if not body:
            return error("Request body required", 400)
        ticket = asked.path["ticket"]
        found = self._mt5.positions_get(ticket=ticket)
        if not found:
            return error(f"Position {ticket} not found", 404)
        position = found[0]
        return self._changed("update position", {
            "action": int(TradeAction.SLTP), "position": ticket, "symbol": position.symbol,
            "sl": float(body.get("sl", position.sl)), "tp": float(body.get("tp", position.tp)),
        })  # fmt: skip

    def close_position(self, asked: Asked) -> Response:
        """IOC whatever the symbol allows; no magic, no comment. No quote: an uncaught error."""
        ticket = asked.path["ticket"]
        found = self._mt5.positions_get(ticket=ticket)
        if not found:
            return error(f"Position {ticket} not found", 404)
        position, body = found[0], asked.json_or_none() or {}
        sells = position.type == PositionType.BUY
        tick = self._mt5.symbol_info_tick(position.symbol)
        return self._changed("close position", {
            "action": int(TradeAction.DEAL), "position": ticket, "symbol": position.symbol,
            "volume": float(body.get("volume", position.volume)),
            "type": int(OrderType.SELL if sells else OrderType.BUY),
            "price": tick.bid if sells else tick.ask, "type_filling": int(Filling.IOC),
            "deviation": int(body.get("deviation", _DEFAULT_DEVIATION)),
        })  # fmt: skip

    def init(self, _: Asked) -> Response:
        if self._reads.is_initialised():
            return answer({"success": True})
        return answer({"success": False, "error": str(self._mt5.last_error())}, 500)

    def shutdown(self, _: Asked) -> Response:
        self._mt5.shutdown()
        return answer({"success": True})

    def _changed(self, what: str, request: dict[str, Any]) -> Response:
        """200 for 10009; everything else is 500 with the comment, and the retcode is lost."""
        result = self._send(request)
        if result is None:
            return error(f"Failed to {what}: {self._mt5.last_error()}", 500)
        if result.retcode != DONE:
            return error(f"Failed to {what}: {result.comment}", 500)
        return answer(self._shift.as_json(result))

    def _send(self, request: dict[str, Any]) -> Any:
        result = self._mt5.order_send(request)
        if result is not None and result.retcode in _EXECUTED:
            self._executed()
        return result


def _order_request(body: dict[str, Any]) -> dict[str, Any]:
    """Names become the package's numbers. An unknown filling is dropped, a missing one is IOC."""
    request: dict[str, Any] = {
        name: number(body[name]) for name, number in _NUMBERS.items() if name in body
    }
    request |= {name: body[name] for name in ("symbol", "comment") if name in body}
    request["type"] = _TYPES[body["type"].upper()]
    filling = str(body.get("type_filling", "IOC")).upper()
    if filling in Filling.__members__:
        request["type_filling"] = int(Filling[filling])
    type_time = str(body.get("type_time", "")).upper()
    if type_time in TypeTime.__members__:
        request["type_time"] = int(TypeTime[type_time])
    return request
