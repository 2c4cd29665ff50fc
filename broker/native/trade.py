"""Trade requests in the package's words, and its answers in the contract's."""

from dataclasses import dataclass
from typing import Any

from broker.contract.constants import (
    DealReason,
    OrderType,
    PositionType,
    TradeAction,
    TypeTime,
)
from broker.contract.errors import BadAnswer, OutcomeUnknown
from broker.contract.filling import filling_of
from broker.contract.marks import comment_of, magic_like
from broker.contract.messages import (
    Deal,
    Order,
    OrderRequest,
    Position,
    SymbolSpec,
    Tick,
    TradeResult,
)
from broker.contract.retcodes import DONE, RetcodeClass, outcome, retcode
from broker.native.records import message_of

_THE_VENUES_OWN = (DealReason.SL, DealReason.TP, DealReason.SO)


@dataclass(frozen=True, slots=True)
class OrderChange:
    """What changes about a working order; None keeps the present value, 0.0 removes a level."""

    price: float | None = None
    sl: float | None = None
    tp: float | None = None


def order_body(request: OrderRequest, quote: Tick, ticket: int | None) -> dict[str, Any]:
    """The dictionary of `order_send`. A market order without a price gets that of the quote."""
    is_market = request.type in (OrderType.BUY, OrderType.SELL)
    price = request.price
    if price is None and is_market:
        price = quote.ask if request.type is OrderType.BUY else quote.bid
    body: dict[str, Any] = {
        "action": int(TradeAction.DEAL if is_market else TradeAction.PENDING),
        "symbol": request.symbol,
        "volume": request.volume,
        "type": int(request.type),
        "magic": request.magic,
        "comment": request.comment,
        "type_filling": int(request.type_filling),
        "type_time": int(TypeTime.GTC),
    }
    optional = {
        "price": price, "sl": request.sl, "tp": request.tp, "deviation": request.deviation,
        "position": ticket,
    }  # fmt: skip
    return body | {name: value for name, value in optional.items() if value is not None}


def levels_body(position: Position, sl: float, tp: float) -> dict[str, Any]:
    """The dictionary of `order_send` that sets both levels of a position."""
    return {
        "action": int(TradeAction.SLTP),
        "symbol": position.symbol,
        "position": position.ticket,
        "sl": sl,
        "tp": tp,
        "magic": position.magic,
    }


def order_change_body(order: Order, change: OrderChange) -> dict[str, Any]:
    """The dictionary of `order_send` that changes a working order."""
    now = {"price": order.price_open, "sl": order.sl, "tp": order.tp}
    asked = {"price": change.price, "sl": change.sl, "tp": change.tp}
    return {
        "action": int(TradeAction.MODIFY),
        "order": order.ticket,
        "symbol": order.symbol,
        "type_time": int(TypeTime.GTC),
        **{name: now[name] if value is None else value for name, value in asked.items()},
    }


def remove_body(order: Order) -> dict[str, Any]:
    """The dictionary of `order_send` that removes a working order."""
    return {"action": int(TradeAction.REMOVE), "order": order.ticket}


def close_request(
    position: Position, spec: SymbolSpec, *, volume: float | None, deviation: int | None,
    client_id: str, comment: str,
) -> OrderRequest:  # fmt: skip
    """The order that closes (part of) a position, with a filling that its symbol allows.

    It bears the mark of its own intent, so that its deal can be told from the entry's.
    """
    magic = magic_like(position.magic, client_id) if client_id else position.magic
    return OrderRequest(
        symbol=position.symbol,
        type=OrderType.SELL if position.type is PositionType.BUY else OrderType.BUY,
        volume=position.volume if volume is None else volume,
        client_id=client_id,
        magic=magic,
        comment=comment or (comment_of(client_id) if client_id else ""),
        type_filling=filling_of(spec.filling_mode),
        deviation=deviation,
        position=position.identifier,
    )


def spread_points(quote: Tick, spec: SymbolSpec) -> int:
    return round((quote.ask - quote.bid) / spec.point)


def result_of(
    answer: Any, *, client_id: str, position: int, sent_ms: int, done_ms: int
) -> TradeResult:
    """The contract's result; `OutcomeUnknown` for the codes after which nobody knows."""
    code = _retcode_of(answer)
    known = retcode(code)
    if known.class_ is RetcodeClass.UNKNOWN:
        raise OutcomeUnknown(f"order_send: {code} {known.name}: {known.action}")
    word = outcome(code)
    return message_of(
        TradeResult, answer,
        retcode_name=known.name, outcome=word, position=position, client_id=client_id,
        sent_msc=sent_ms, done_msc=done_ms,
    )  # fmt: skip


def check_result(
    answer: Any, request: OrderRequest, quote: Tick, *, price: float, now_ms: int
) -> TradeResult:
    """`order_check`'s answer as a result. Nothing was sent."""
    return unsent(
        request, quote, code=_retcode_of(answer), price=price, comment=str(answer.comment),
        now_ms=now_ms,
    )  # fmt: skip


def unsent(
    request: OrderRequest, quote: Tick, *, code: int, comment: str, now_ms: int, price: float = 0.0
) -> TradeResult:
    """A result for a request that was not sent."""
    return TradeResult(
        retcode=code, retcode_name=retcode(code).name, outcome="not_sent", order=0, deal=0,
        position=request.position or 0, volume=request.volume, price=price, bid=quote.bid,
        ask=quote.ask, comment=comment, client_id=request.client_id, request_id=0,
        sent_msc=now_ms, done_msc=now_ms,
    )  # fmt: skip


def rejected_here(position: int, *, code: int, client_id: str, now_ms: int) -> TradeResult:
    """A rejection that needs no server: the position is gone."""
    known = retcode(code)
    return TradeResult(
        retcode=code, retcode_name=known.name, outcome="rejected", order=0, deal=0,
        position=position, volume=0.0, price=0.0, bid=0.0, ask=0.0, comment=known.action,
        client_id=client_id, request_id=0, sent_msc=now_ms, done_msc=now_ms,
    )  # fmt: skip


def of_an_intent(deal: Deal) -> bool:
    """Whether a deal was asked for. The venue's own exits carry the entry's magic too."""
    return deal.reason not in _THE_VENUES_OWN


def intent_state(result: TradeResult) -> str:
    """filled, partial, rejected, or in_flight for an order that was placed and has no deal yet.

    Levels that stand as asked (no order of their own) count as filled.
    """
    if result.outcome == "placed":
        return "in_flight" if result.order else "filled"
    return result.outcome


def result_from_deals(deals: list[Deal], client_id: str) -> TradeResult:
    """The answer that was lost, as far as the deals tell it. Bid and ask are not known: 0."""
    first, volume = deals[0], sum(deal.volume for deal in deals)
    price = first.price
    if len(deals) > 1:
        price = sum(deal.price * deal.volume for deal in deals) / volume
    return TradeResult(
        retcode=DONE, retcode_name=retcode(DONE).name, outcome=outcome(DONE), order=first.order,
        deal=first.ticket, position=first.position_id, volume=volume, price=price, bid=0.0,
        ask=0.0, comment=first.comment, client_id=client_id, request_id=0,
        sent_msc=first.time_msc, done_msc=deals[-1].time_msc,
    )  # fmt: skip


def _retcode_of(answer: Any) -> int:
    code = getattr(answer, "retcode", None)
    if not isinstance(code, int):
        raise BadAnswer(f"terminal: a trade answer without a retcode: {answer!r}"[:200])
    return code
