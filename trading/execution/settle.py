"""Reads the trade server's answer. The retcode decides, never the HTTP status."""

from dataclasses import dataclass
from typing import Literal

from broker.contract import retcodes
from broker.contract.messages import OrderRequest, TradeResult
from broker.contract.retcodes import RetcodeClass
from trading.execution.intents import LevelsRequest, TradeRequest

State = Literal["filled", "partial", "rejected", "unknown"]


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of one request.

    `volume_lots` and `price` are what the venue says it filled (the price may be 0: read the
    deal); a change of levels fills none. `retcode_class` says what may be done next. `unknown`:
    ask before anything else.
    """

    client_id: str
    state: State
    retcode: int
    retcode_name: str
    retcode_class: RetcodeClass
    position: int
    deal: int
    volume_lots: float
    price: float


def settle(request: TradeRequest, result: TradeResult) -> Settlement:
    """The settlement of a request. A market order that was only PLACED is unknown: its deal has yet
    to be seen. Levels that stand as asked already (10025) are filled."""
    code = retcodes.retcode(result.retcode)
    if isinstance(request, LevelsRequest):
        state, filled = _levels_state(result, code.class_), False
    else:
        state = _state(request, result, code.class_)
        filled = state in ("filled", "partial")
    return Settlement(
        client_id=request.client_id,
        state=state,
        retcode=result.retcode,
        retcode_name=code.name,
        retcode_class=code.class_,
        position=result.position,
        deal=result.deal,
        volume_lots=result.volume if filled else 0.0,
        price=result.price if filled else 0.0,
    )


def _state(request: OrderRequest, result: TradeResult, class_: RetcodeClass) -> State:
    if result.retcode == retcodes.DONE:
        return "partial" if 0 < result.volume < request.volume else "filled"
    if result.retcode == retcodes.DONE_PARTIAL:
        return "partial"
    if result.retcode == retcodes.PLACED or class_ is RetcodeClass.UNKNOWN:
        return "unknown"
    return "rejected"


def _levels_state(result: TradeResult, class_: RetcodeClass) -> State:
    if result.retcode in (retcodes.DONE, retcodes.PLACED, retcodes.NO_CHANGES):
        return "filled"
    return "unknown" if class_ is RetcodeClass.UNKNOWN else "rejected"
