"""Order requests with one line."""

from typing import Any

from broker.contract.constants import Filling, OrderType
from broker.contract.marks import comment_of, magic_of
from broker.contract.messages import OrderRequest

STRATEGY_ID = 7719


def make_order(client_id: str = "a-1", **changes: Any) -> OrderRequest:
    """A market buy of 0.02 lots under a client id, marked as the plan marks it."""
    fields: dict[str, Any] = {
        "symbol": "BTCUSD",
        "type": OrderType.BUY,
        "volume": 0.02,
        "magic": magic_of(STRATEGY_ID, client_id),
        "comment": comment_of(client_id),
        "type_filling": Filling.FOK,
    }
    return OrderRequest(client_id=client_id, **(fields | changes))
