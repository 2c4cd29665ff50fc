"""Order requests of a person's own making."""

from typing import Any

from broker.contract.constants import Filling, OrderType
from broker.contract.messages import OrderRequest


def order(client_id: str = "t-1", **fields: Any) -> OrderRequest:
    """A buy of 0.1 lot that bears our strategy's mark."""
    words: dict[str, Any] = {
        "symbol": "BTCUSD", "type": OrderType.BUY, "volume": 0.1, "client_id": client_id,
        "magic": 7719 << 32 | 1, "comment": "t", "type_filling": Filling.FOK, "deviation": 100,
    }  # fmt: skip
    return OrderRequest(**(words | fields))


def close_of(position: int, **fields: Any) -> OrderRequest:
    """The order that closes a buy of 0.1 lot."""
    return order(**({"type": OrderType.SELL, "position": position} | fields))
