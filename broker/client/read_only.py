"""A bridge that can only be looked at: prices and their terms. No function here sends an order."""

from broker.client.connect import BridgeClient
from broker.contract.messages import Health, SymbolSpec, Tick
from market.bars import Bars
from market.timeframe import Timeframe


class ReadOnlyBridge:
    """What of a bridge a shadow sees. Every method raises `BrokerError`."""

    def __init__(self, client: BridgeClient) -> None:
        self._client = client

    def close(self) -> None:
        self._client.close()

    def health(self) -> Health:
        return self._client.health()

    def symbol(self, symbol: str) -> SymbolSpec:
        return self._client.symbol(symbol)

    def tick(self, symbol: str) -> Tick:
        return self._client.tick(symbol)

    def rates(self, symbol: str, timeframe: Timeframe, *, from_ms: int, to_ms: int) -> Bars:
        """Closed bars that open in [from_ms, to_ms), oldest first."""
        return self._client.rates(symbol, timeframe, from_ms=from_ms, to_ms=to_ms)
