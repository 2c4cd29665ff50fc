"""A bridge whose broker names symbols differently: `BTCUSD!` there is `BTCUSD` here (D18)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from broker.client.connection import Connection
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
from broker.contract.port import Broker
from market.bars import Bars
from market.timeframe import Timeframe

Record = TypeVar("Record", Deal, Order, Position)


class RenamedSymbols:
    """The `Broker` port with our names outside and the broker's inside. `names`: ours → theirs."""

    def __init__(self, broker: Broker, connection: Connection, names: Mapping[str, str]) -> None:
        self._broker = broker
        self.connection = connection
        self._theirs = dict(names)
        self._ours = {theirs: ours for ours, theirs in names.items()}

    def close(self) -> None:
        self.connection.close()

    def health(self) -> Health:
        health = self._broker.health()
        market = tuple(replace(each, symbol=self._our(each.symbol)) for each in health.market)
        return replace(health, market=market)

    def account(self) -> Account:
        return self._broker.account()

    def symbol(self, symbol: str) -> SymbolSpec:
        return replace(self._broker.symbol(self._their(symbol)), symbol=symbol)

    def tick(self, symbol: str) -> Tick:
        return self._broker.tick(self._their(symbol))

    def rates(self, symbol: str, timeframe: Timeframe, *, from_ms: int, to_ms: int) -> Bars:
        bars = self._broker.rates(self._their(symbol), timeframe, from_ms=from_ms, to_ms=to_ms)
        return replace(bars, symbol=symbol)

    def positions(self, symbol: str | None = None) -> tuple[Position, ...]:
        return self._renamed(self._broker.positions(symbol and self._their(symbol)))

    def orders(self, symbol: str | None = None) -> tuple[Order, ...]:
        return self._renamed(self._broker.orders(symbol and self._their(symbol)))

    def snapshot(self, symbol: str) -> Snapshot:
        snapshot = self._broker.snapshot(self._their(symbol))
        return replace(snapshot, positions=self._renamed(snapshot.positions))

    def deals(self, *, from_ms: int, to_ms: int) -> tuple[Deal, ...]:
        return self._renamed(self._broker.deals(from_ms=from_ms, to_ms=to_ms))

    def send(self, request: OrderRequest) -> TradeResult:
        return self._broker.send(replace(request, symbol=self._their(request.symbol)))

    def check(self, request: OrderRequest) -> TradeResult:
        return self._broker.check(replace(request, symbol=self._their(request.symbol)))

    def modify(self, position: int, *, sl: float, tp: float, client_id: str) -> TradeResult:
        return self._broker.modify(position, sl=sl, tp=tp, client_id=client_id)

    def intent(self, client_id: str) -> IntentReport:
        report = self._broker.intent(client_id)
        return replace(report, deals=self._renamed(report.deals))

    def _their(self, symbol: str) -> str:
        return self._theirs.get(symbol, symbol)

    def _our(self, symbol: str) -> str:
        return self._ours.get(symbol, symbol)

    def _renamed(self, records: tuple[Record, ...]) -> tuple[Record, ...]:
        return tuple([replace(each, symbol=self._our(each.symbol)) for each in records])
