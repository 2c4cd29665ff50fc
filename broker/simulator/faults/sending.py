"""`order_send` under faults: rejected, answered wrongly, late, in part, or without its stop."""

from typing import Any

from broker.contract.retcodes import DONE, DONE_PARTIAL, retcode
from broker.simulator.faults.calls import Call, kind_of
from broker.simulator.faults.failures import FAILED, TIMEOUT, Error
from broker.simulator.faults.market import MarketFaults
from broker.simulator.faults.plan import Fault
from broker.simulator.faults.specs import SymbolFaults
from broker.simulator.native import NativeTerminal
from broker.simulator.native_words import OrderSendResult, TradeRequest

_CONNECTION, _CLIENT_DISABLES_AT = 10031, 10027
_RIGHTS = {"disconnected": _CONNECTION, "algo_off": _CLIENT_DISABLES_AT,
           "switch_login": _CLIENT_DISABLES_AT}  # fmt: skip
_REJECTIONS = {"levels": "reject_modify", "close": "reject_close"}
_FILLED = ("entry", "close")
_COMMENTS = {
    10008: "Request placed", 10009: "Request executed", 10010: "Request executed partially",
}  # fmt: skip


class Sending:
    """The trade server behind the faults of one terminal."""

    def __init__(self, native: NativeTerminal, market: MarketFaults, specs: SymbolFaults) -> None:
        self._native, self._market, self._specs = native, market, specs
        self._plan = market.plan
        market.send_late = self._send

    def send(self, call: Call, request: dict[str, Any]) -> tuple[OrderSendResult | None, Error]:
        """The answer; None with the error that `last_error` tells."""
        rejection = self._rejection(call, request)
        if rejection is not None:
            return rejection, FAILED
        late = self._plan.acting("late_fill", call)
        if late:
            self._market.send_later(late, dict(request))
            return None, TIMEOUT
        lost = self._lost(call)
        if lost:
            if lost.is_set("executed"):
                self._send(request)
            return None, FAILED
        return self._executed(call, request)

    def _lost(self, call: Call) -> Fault | None:
        """A null result of the terminal's; one on the wire is the bridge's."""
        there = self._plan.standing("null_result", call)
        on_the_wire = there is not None and there.is_set("wire")
        return None if on_the_wire else self._plan.acting("null_result", call)

    def _rejection(self, call: Call, request: dict[str, Any]) -> OrderSendResult | None:
        for name, code in _RIGHTS.items():
            if self._plan.acting(name, call):
                return self._answer(code, request)
        for name in ("retcode", "http200_retcode", _REJECTIONS.get(kind_of(request), "")):
            fault = self._plan.acting(name, call)
            if fault:
                return self._answered_with(fault, request)
        return None

    def _answered_with(self, fault: Fault, request: dict[str, Any]) -> OrderSendResult:
        """A retcode; where the request was executed all the same, nothing else tells it."""
        if fault.order.params.get("executed"):
            self._send(request)
        return self._answer(fault.int_of("retcode"), request)

    def _executed(
        self, call: Call, request: dict[str, Any]
    ) -> tuple[OrderSendResult | None, Error]:
        asked, kind = dict(request), kind_of(request)
        if kind == "entry":
            fault = self._plan.acting("drop_sl_on_fill", call)
            if fault:
                asked.pop("sl", None)
                if fault.is_set("tp"):
                    asked.pop("tp", None)
        share = self._plan.acting("partial_fill", call) if kind in _FILLED else None
        if share:
            asked["volume"] = self._part(asked, share.float_of("share"))
        with self._specs.enforced(call):
            result = self._send(asked)
        if result is None:
            return None, self._native.last_error()
        if share and result.retcode == DONE and asked["volume"] < request["volume"]:
            result = result._replace(retcode=DONE_PARTIAL, comment=_COMMENTS[DONE_PARTIAL])
        return result, FAILED

    def _part(self, request: dict[str, Any], share: float) -> float:
        """A share of the volume, in steps; all of it where the rest could not stand alone."""
        book = self._native.terminal.book
        units = book.units[request["symbol"]]
        whole = units.steps(request["volume"])
        part = max(1, int(whole * share))
        position = book.positions.get(request.get("position", 0))
        if position is None:
            return units.lots(min(whole, max(part, units.min_steps)))
        rest = position.steps - part
        return units.lots(whole if 0 < rest < units.min_steps else part)

    def _send(self, request: dict[str, Any]) -> OrderSendResult | None:
        return self._native.order_send(request)

    def _answer(self, code: int, request: dict[str, Any]) -> OrderSendResult:
        bid = ask = 0.0
        quote = self._native.terminal.tick(request.get("symbol", ""))
        if quote is not None:
            bid, ask = quote.bid, quote.ask
        fields = {**dict.fromkeys(TradeRequest._fields, 0), "symbol": "", "comment": "", **request}
        comment = _COMMENTS.get(code, retcode(code).name.replace("_", " ").capitalize())
        return OrderSendResult(
            code, 0, 0, request.get("volume", 0.0), 0.0, bid, ask, comment, 0, 0,
            TradeRequest(**fields),
        )  # fmt: skip
