"""What the package has besides: its three one-line orders, and the market depth.

`Buy`, `Sell` and `Close` behave as those of version 5.0.6231: a market order with a deviation of 10
points, up to ten attempts while the price moves away. The depth of market is not simulated:
`market_book_add` fails with RES_E_UNSUPPORTED.
"""

from typing import Any, Literal

from broker.contract.constants import OrderType, TradeAction

_ATTEMPTS = 10
_DEVIATION_POINTS = 10


class LegacyFunctions:
    """Mixed into `NativeTerminal`, whose functions they call."""

    def Buy(
        self: Any, symbol: str, volume: float, price: float | None = None, *,
        comment: str | None = None, ticket: int | None = None,
    ) -> Any:  # fmt: skip
        return self._order_at_market(OrderType.BUY, symbol, volume, price, comment, ticket)

    def Sell(
        self: Any, symbol: str, volume: float, price: float | None = None, *,
        comment: str | None = None, ticket: int | None = None,
    ) -> Any:  # fmt: skip
        return self._order_at_market(OrderType.SELL, symbol, volume, price, comment, ticket)

    def Close(
        self: Any, symbol: str, *, comment: str | None = None,
        ticket: int | None = None,
    ) -> bool | Literal["Partially"] | None:  # fmt: skip
        """Closes the symbol's positions, or one: True, "Partially", or False for none."""
        found = (
            self.positions_get(symbol=symbol) if ticket is None
            else self.positions_get(ticket=ticket)
        )  # fmt: skip
        done = 0
        for position in found:
            kind = OrderType.SELL if position.type == OrderType.BUY else OrderType.BUY
            result = self._order_at_market(
                kind, symbol, position.volume, None, comment, position.ticket
            )
            if result is None:
                return None
            done += result.retcode == self.TRADE_RETCODE_DONE
        if done in (0, len(found)):
            return done > 0
        return "Partially"

    def market_book_add(self: Any, symbol: str) -> bool:
        self._fail(self.RES_E_UNSUPPORTED, "Terminal: Unsupported function")
        return False

    def market_book_get(self: Any, symbol: str) -> None:
        self._fail(self.RES_E_UNSUPPORTED, "Terminal: Unsupported function")

    def market_book_release(self: Any, symbol: str) -> bool:
        self._fail(self.RES_E_UNSUPPORTED, "Terminal: Unsupported function")
        return False

    def _order_at_market(
        self: Any, kind: OrderType, symbol: str, volume: float, price: float | None,
        comment: str | None, ticket: int | None,
    ) -> Any:  # fmt: skip
        result = None
        for _ in range(_ATTEMPTS if price is None else 1):
            at = price
            if at is None:
                tick = self.symbol_info_tick(symbol)
                if tick is None:
                    return None
                at = tick.ask if kind is OrderType.BUY else tick.bid
            result = self.order_send(_body(kind, symbol, volume, at, comment, ticket))
            moved = (self.TRADE_RETCODE_REQUOTE, self.TRADE_RETCODE_PRICE_OFF)
            if result is None or result.retcode not in moved:
                break
        return result


def _body(
    kind: OrderType, symbol: str, volume: float, price: float, comment: str | None,
    ticket: int | None,
) -> dict[str, Any]:  # fmt: skip
    body: dict[str, Any] = {
        "action": int(TradeAction.DEAL), "symbol": symbol, "volume": volume, "type": int(kind),
        "price": price, "deviation": _DEVIATION_POINTS,
    }  # fmt: skip
    optional = {"comment": comment, "position": ticket}
    return body | {name: value for name, value in optional.items() if value is not None}
