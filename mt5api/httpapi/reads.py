"""What the dialect tells: terminal, account, symbols, bars, positions, orders, history."""

from typing import Any

from starlette.responses import Response

from mt5api.httpapi.face import Asked, Package, Shift, answer, error
from mt5api.httpapi.rates import BadQuery, read_query, read_rates

UNINITIALISED = "MT5 not initialized"


class Reads:
    """Every GET. Handlers are called one at a time."""

    def __init__(self, mt5: Package, shift: Shift) -> None:
        self._mt5 = mt5
        self._shift = shift

    def ping(self, _: Asked) -> Response:
        """Answers whatever the terminal does: it proves that this process runs, and no more."""
        return answer({"status": "ok", "mode": "live"})

    def last_error(self, _: Asked) -> Response:
        code, message = self._mt5.last_error()
        return answer({"code": code, "message": message})

    def terminal(self, _: Asked) -> Response:
        info = self._shift.as_json(self._mt5.terminal_info())
        if info is not None:
            info["broker_utc_offset_hours"] = self._shift.offset_s / 3600
            info["broker_utc_offset_seconds"] = self._shift.offset_s
        return answer(info)

    def account(self, _: Asked) -> Response:
        info = self._mt5.account_info()
        if info is None:
            return error("No account logged in", 404)
        return answer(self._shift.as_json(info))

    def symbols(self, asked: Asked) -> Response:
        group = asked.query.get("group")
        found = self._mt5.symbols_get(group=group) if group else self._mt5.symbols_get()
        return answer([each.name for each in found] if found else [])

    def symbol(self, asked: Asked) -> Response:
        symbol = asked.path["symbol"]
        if not self.knows(symbol):
            return error(f"Symbol {symbol} not found", 404)
        return answer(self._shift.as_json(self._mt5.symbol_info(symbol)))

    def tick(self, asked: Asked) -> Response:
        symbol = asked.path["symbol"]
        if not self.knows(symbol):
            return error(f"Symbol {symbol} not found", 404)
        tick = self._mt5.symbol_info_tick(symbol)
        if tick is None:
            return error(f"No tick for {symbol}", 404)
        return answer(self._shift.as_json(tick))

    def rates(self, asked: Asked) -> Response:
        symbol = asked.path["symbol"]
        try:
            query = read_query(asked.query)
        except BadQuery as bad:
            return error(str(bad), 400)
        if not self.knows(symbol):
            return error(f"Symbol {symbol} not found", 404)
        return answer(read_rates(self._mt5, symbol, query, self._shift.offset_s))

    def positions(self, asked: Asked) -> Response:
        symbol = asked.query.get("symbol")
        found = self._mt5.positions_get(symbol=symbol) if symbol else self._mt5.positions_get()
        return answer(self._shift.all_as_json(found))

    def position(self, asked: Asked) -> Response:
        found = self._mt5.positions_get(ticket=asked.path["ticket"])
        if not found:
            return error(f"Position {asked.path['ticket']} not found", 404)
        return answer(self._shift.as_json(found[0]))

    def orders(self, asked: Asked) -> Response:
        symbol = asked.query.get("symbol")
        found = self._mt5.orders_get(symbol=symbol) if symbol else self._mt5.orders_get()
        return answer(self._shift.all_as_json(found))

    def order(self, asked: Asked) -> Response:
        found = self._mt5.orders_get(ticket=asked.path["ticket"])
        if not found:
            return error(f"Order {asked.path['ticket']} not found", 404)
        return answer(self._shift.as_json(found[0]))

    def history_orders(self, asked: Asked) -> Response:
        return self._history(asked, self._mt5.history_orders_get)

    def history_deals(self, asked: Asked) -> Response:
        return self._history(asked, self._mt5.history_deals_get)

    def knows(self, symbol: str) -> bool:
        """Puts the symbol into Market Watch where it is not there yet."""
        info = self._mt5.symbol_info(symbol)
        if info is None:
            return False
        if not info.visible:
            self._mt5.symbol_select(symbol, True)
        return True

    def is_initialised(self) -> bool:
        """Starts the terminal where it does not answer. Any account that is logged in will do."""
        return self._mt5.terminal_info() is not None or bool(self._mt5.initialize())

    def _history(self, asked: Asked, call: Any) -> Response:
        first, last = asked.query.get("from"), asked.query.get("to")
        if not first or not last:
            return error("'from' and 'to' query params required (unix timestamps)", 400)
        try:
            bounds = [int(text) + self._shift.offset_s for text in (first, last)]
        except ValueError:
            return error("'from' and 'to' must be unix timestamps", 400)
        return answer(self._shift.all_as_json(call(*bounds)))
