"""`RestBroker`: the `Broker` port over HTTP, in the bridge's native dialect (docs/bridge.md)."""

from typing import Self
from urllib.parse import quote

from tenacity.wait import wait_base

from broker.client.connection import Connection
from broker.client.settings import BridgeSettings
from broker.contract.errors import BadAnswer
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
from broker.contract.wire import Items, LevelsBody, RatesPage, WireError, bars_of, encode
from market.bars import Bars
from market.timeframe import Timeframe


class RestBroker:
    """One account behind a bridge. Reads are retried, trade requests never.

    A context manager, or call `close` at the end.
    """

    def __init__(
        self, settings: BridgeSettings, token: str = "", *, back_off: wait_base | None = None
    ) -> None:
        given = {} if back_off is None else {"back_off": back_off}
        self.connection = Connection(settings, token, **given)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.connection.close()

    def health(self) -> Health:
        return self.connection.read(Health, "/health")

    def account(self) -> Account:
        return self.connection.read(Account, "/account")

    def symbol(self, symbol: str) -> SymbolSpec:
        return self.connection.read(SymbolSpec, _symbol_path(symbol))

    def tick(self, symbol: str) -> Tick:
        return self.connection.read(Tick, f"{_symbol_path(symbol)}/tick")

    def rates(self, symbol: str, timeframe: Timeframe, *, from_ms: int, to_ms: int) -> Bars:
        path = f"{_symbol_path(symbol)}/rates"
        page = self.connection.read(
            RatesPage, path, **{"timeframe": timeframe.name, "from": from_ms, "to": to_ms}
        )
        try:
            bars = bars_of(page)
        except WireError as error:
            raise BadAnswer(f"{path}: {error}") from error
        if (bars.symbol, bars.timeframe) != (symbol, timeframe) or not page.complete:
            raise BadAnswer(
                f"{path}: closed {symbol} {timeframe.name} bars asked for, {bars.symbol} "
                f"{bars.timeframe.name} (complete: {page.complete}) came"
            )
        return bars

    def positions(self, symbol: str | None = None) -> tuple[Position, ...]:
        return self.connection.read(Items[Position], "/positions", **_only(symbol)).items

    def orders(self, symbol: str | None = None) -> tuple[Order, ...]:
        return self.connection.read(Items[Order], "/orders", **_only(symbol)).items

    def snapshot(self, symbol: str) -> Snapshot:
        return self.connection.read(Snapshot, f"/snapshot/{quote(symbol, safe='')}")

    def deals(self, *, from_ms: int, to_ms: int) -> tuple[Deal, ...]:
        page = self.connection.read(Items[Deal], "/history/deals", **{"from": from_ms, "to": to_ms})
        return page.items

    def send(self, request: OrderRequest) -> TradeResult:
        return self.connection.trade(
            "POST", "/orders", body=encode(request), idempotency_key=request.client_id
        )

    def check(self, request: OrderRequest) -> TradeResult:
        return self.connection.ask(TradeResult, "POST", "/orders/check", body=encode(request))

    def modify(self, position: int, *, sl: float, tp: float, client_id: str) -> TradeResult:
        body = encode(LevelsBody(sl, tp, client_id))
        return self.connection.trade(
            "PUT", f"/positions/{position}", body=body, idempotency_key=client_id
        )

    def intent(self, client_id: str) -> IntentReport:
        return self.connection.read(IntentReport, f"/intents/{quote(client_id, safe='')}")


def _symbol_path(symbol: str) -> str:
    return f"/symbols/{quote(symbol, safe='')}"


def _only(symbol: str | None) -> dict[str, str]:
    return {} if symbol is None else {"symbol": symbol}
