"""From intents to order requests: anchors distances on the quote, rounds, names. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from broker.contract.constants import OrderType
from broker.contract.filling import filling_of
from broker.contract.marks import comment_of, magic_of
from broker.contract.messages import OrderRequest, SymbolSpec
from market.rounding import ceil_ticks, price_ticks, tick_price
from trading.decision.records import Decision, Enter, OpenTrade, Quote, Side

_NAMES = (Side.NONE.name, Side.BUY.name, Side.SELL.name)  # by their value: −1 is the last

# Bound once: an enumeration's member costs ten times a plain name, several times a trade.
_LONG, _BUY, _SELL = Side.BUY, OrderType.BUY, OrderType.SELL


class IntentIdentity(NamedTuple):
    """How one intent is recognised: by us (`client_id`) and at the venue (`magic`, `comment`)."""

    client_id: str
    magic: int
    comment: str


def plan(
    decision: Decision,
    quote: Quote,
    spec: SymbolSpec,
    *,
    strategy_id: int,
    valid_for_ms: int,
    open_trades: Sequence[OpenTrade] = (),
    magic_bits: int = 48,
) -> tuple[OrderRequest, ...]:
    """One order request per intent, in the decision's order.

    `open_trades` holds the positions that its Close intents name; `KeyError` if one is missing.
    `valid_for_ms` counts from the quote: later than that the bridge drops the request. An entry
    carries the price it was decided on: what a fresh quote is compared with.
    """
    policy = filling_of(spec.filling_mode)
    deviation = max(1, round((quote.ask - quote.bid) / spec.point))
    requests = []
    for leg, intent in enumerate(decision.intents):
        price = sl = tp = position = None
        if isinstance(intent, Enter):
            side, volume = intent.side, intent.volume_lots
            price = quote.ask if side is _LONG else quote.bid
            sl, tp = stop_prices(intent, quote, spec)
        else:
            position = intent.position_id
            side, volume = _leaving(position, open_trades)
        client_id, magic, comment = intent_identity(
            strategy_id, decision.symbol, decision.bar_open_ms, side=side, leg=leg,
            magic_bits=magic_bits,
        )  # fmt: skip
        kind = _BUY if side is _LONG else _SELL
        requests.append(
            OrderRequest(
                decision.symbol, kind, volume, client_id, magic, comment, policy, price, sl, tp,
                deviation=deviation, position=position,
                valid_until_msc=quote.time_ms + valid_for_ms,
            )
        )  # fmt: skip
    return tuple(requests)


def _leaving(position_id: int, open_trades: Sequence[OpenTrade]) -> tuple[Side, float]:
    """Side and volume of the order that closes one of our positions."""
    held = {trade.position_id: trade for trade in open_trades}
    return Side(-held[position_id].side), held[position_id].volume_lots


def stop_prices(entry: Enter, quote: Quote, spec: SymbolSpec) -> tuple[float, float]:
    """(stop, target) prices: a long from the ask, a short from the bid it is expected to fill at.

    Both are whole ticks, rounded away from the entry, so never inside the venue's stops level.
    """
    tick, side = spec.trade_tick_size, int(entry.side)
    anchor = price_ticks(quote.ask if side > 0 else quote.bid, tick)
    sl = anchor - side * ceil_ticks(entry.sl_distance, tick)
    tp = anchor + side * ceil_ticks(entry.tp_distance, tick)
    return tick_price(sl, tick), tick_price(tp, tick)


def intent_identity(
    strategy_id: int, symbol: str, bar_open_ms: int, *, side: Side, leg: int, magic_bits: int = 48
) -> IntentIdentity:
    """The same intent always has the same names: asked again, it is recognised, never doubled.

    Magic and comment as docs/bridge.md: the strategy in the upper half of the magic, the CRC-32 of
    the client id below (`magic_bits` 31: a short form); the comment carries a hash, for venues that
    keep comments.
    """
    client_id = f"{strategy_id}-{symbol}-{bar_open_ms}-{_NAMES[side]}-{leg}"
    return IntentIdentity(
        client_id, magic_of(strategy_id, client_id, magic_bits), comment_of(client_id)
    )
