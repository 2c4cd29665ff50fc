"""What an answer allows next for an entry, and how it is asked again. Pure.

An entry is asked again only on a fresh quote that its own gates still pass, and under a new name.
"""

from dataclasses import dataclass, replace

from broker.contract import retcodes
from broker.contract.constants import OrderType
from broker.contract.filling import next_filling
from broker.contract.marks import comment_of, magic_like
from broker.contract.messages import OrderRequest, SymbolSpec, Tick
from broker.contract.retcodes import Retcode, RetcodeClass
from market.rounding import price_ticks, tick_price
from trading.execution.levels import Drop, clamped

FRESH_FOR_MS = 5_000
_WAITS = 2
_MOST_WIDER = 1.25
_WIDER_SPREAD = 1.5


@dataclass(frozen=True, slots=True)
class Again:
    """Ask again, `wait_ms` from now."""

    wait_ms: int


def after_answer(code: Retcode, asked: int, spent_ms: int) -> Again | Drop:
    """What a rejected entry may do. `asked`: how often it was sent; `spent_ms`: since the first."""
    if code.class_ is RetcodeClass.FRESH and asked <= code.retries and spent_ms <= FRESH_FOR_MS:
        return Again(0)
    if code.class_ is RetcodeClass.WAIT and code.wait_ms and asked <= _WAITS:
        return Again(code.wait_ms * 2 ** (asked - 1))
    return Drop(code.action)


def renamed(request: OrderRequest, root: str, number: int, letter: str) -> OrderRequest:
    """The same request under the name of a later leg: `<root><letter><number>`."""
    client_id = f"{root}{letter}{number}"
    return replace(
        request,
        client_id=client_id,
        magic=magic_like(request.magic, client_id),
        comment=comment_of(client_id),
    )


def asked_again(
    first: OrderRequest, last: OrderRequest, code: int, number: int, quote: Tick, spec: SymbolSpec
) -> OrderRequest | Drop:
    """The entry `first` on a new quote, after `last` was answered with `code`; or why not.

    The price may have moved no more than the deviation of the first request, which is the spread
    it was decided on; the spread may be half as wide again. Levels keep their distance from the
    price.
    """
    if first.price is None:
        return Drop("the price it was decided on is not known")
    side = 1 if first.type is OrderType.BUY else -1
    price = quote.ask if side > 0 else quote.bid
    refused = gate(first, quote, spec)
    if refused:
        return Drop(refused)
    shift = price_ticks(price, spec.trade_tick_size) - price_ticks(
        first.price, spec.trade_tick_size
    )
    moved = replace(
        first, price=price, type_filling=last.type_filling,
        sl=_shifted(first.sl, shift, spec), tp=_shifted(first.tp, shift, spec),
    )  # fmt: skip
    changed = _mended(moved, side, code, quote, spec)
    return changed if isinstance(changed, Drop) else renamed(changed, first.client_id, number, "r")


def gate(first: OrderRequest, quote: Tick, spec: SymbolSpec) -> str:
    """Why an entry is not worth sending at this quote; empty if it is. It must have a price."""
    assert first.price is not None
    price = quote.ask if first.type is OrderType.BUY else quote.bid
    deviation = first.deviation or 1
    widest = round(_WIDER_SPREAD * deviation)
    if first.max_spread_points is not None:
        widest = first.max_spread_points
    spread = round((quote.ask - quote.bid) / spec.point)
    moved = round(abs(price - first.price) / spec.point)
    if quote.bid <= 0 or quote.ask < quote.bid:
        return f"no quote (bid {quote.bid}, ask {quote.ask})"
    if spread > widest:
        return f"spread {spread} points; {widest} are allowed"
    if moved > deviation:
        return f"the price moved {moved} points; {deviation} are allowed"
    return ""


def _shifted(level: float | None, ticks: int, spec: SymbolSpec) -> float | None:
    if level is None:
        return None
    tick = spec.trade_tick_size
    return tick_price(price_ticks(level, tick) + ticks, tick)


def _mended(
    request: OrderRequest, side: int, code: int, quote: Tick, spec: SymbolSpec
) -> OrderRequest | Drop:
    """With what the answer complained of put right."""
    if code == retcodes.INVALID_FILL:
        other = next_filling(spec.filling_mode, request.type_filling)
        return replace(request, type_filling=other) if other is not None else Drop("no filling")
    if code == retcodes.INVALID_STOPS and request.sl and request.tp:
        return _wider(request, request.sl, request.tp, side, quote, spec)
    return request


def _wider(
    request: OrderRequest, sl: float, tp: float, side: int, quote: Tick, spec: SymbolSpec
) -> OrderRequest | Drop:
    assert request.price is not None
    new_sl, new_tp = clamped(side, sl, tp, quote, spec, extra_ticks=1)
    risk = abs(request.price - new_sl) / abs(request.price - sl)
    if risk > _MOST_WIDER:
        return Drop(f"the nearest stop allowed risks {risk:.2f} times as much")
    return replace(request, sl=new_sl, tp=new_tp)
