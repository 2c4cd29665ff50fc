"""From intents to trade requests: anchors distances on the quote, rounds, names. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeGuard

from broker.contract.constants import OrderType
from broker.contract.filling import filling_of
from broker.contract.marks import comment_of, magic_of
from broker.contract.messages import OrderRequest, SymbolSpec
from market.quick import quick
from market.rounding import ceil_ticks, floor_volume, price_ticks, tick_price
from trading.decision.records import (
    Add,
    Close,
    Decision,
    Enter,
    Intent,
    Modify,
    OpenTrade,
    Partial,
    Quote,
    Side,
)
from trading.execution.intents import (
    MODIFY_NAME,
    PART_NAME,
    Kind,
    LevelsRequest,
    TradeRequest,
    kind_of,
)
from trading.execution.levels import Drop, moved_levels

_NAMES = (Side.NONE.name, Side.BUY.name, Side.SELL.name)  # by their value: −1 is the last
_LEAST_VOLUME = 1e-9

# Bound once: an enumeration's member costs ten times a plain name, several times a trade.
_OPENING = (Enter, Add)
_LONG, _SHORT, _BUY, _SELL = Side.BUY, Side.SELL, OrderType.BUY, OrderType.SELL


class IntentIdentity(NamedTuple):
    """How one intent is recognised: by us (`client_id`) and at the venue (`magic`, `comment`)."""

    client_id: str
    magic: int
    comment: str


class Leg(NamedTuple):
    """One intent of a decision: the request it becomes, or why it becomes none."""

    intent: Intent
    request: TradeRequest | Drop


def plan(
    decision: Decision,
    quote: Quote,
    spec: SymbolSpec,
    *,
    strategy_id: int,
    valid_for_ms: int,
    open_trades: Sequence[OpenTrade] = (),
    magic_bits: int = 48,
) -> tuple[TradeRequest, ...]:
    """The requests of a decision in its order, whole closes losers first: those of its `legs` that
    are not dropped."""
    each = legs(
        decision, quote, spec, strategy_id=strategy_id, valid_for_ms=valid_for_ms,
        open_trades=open_trades, magic_bits=magic_bits,
    )  # fmt: skip
    return requests_of(each)


def requests_of(legs: Sequence[Leg]) -> tuple[TradeRequest, ...]:
    """What is to be sent, in order."""
    return tuple([leg.request for leg in legs if not isinstance(leg.request, Drop)])


def legs(
    decision: Decision,
    quote: Quote,
    spec: SymbolSpec,
    *,
    strategy_id: int,
    valid_for_ms: int,
    open_trades: Sequence[OpenTrade] = (),
    magic_bits: int = 48,
) -> tuple[Leg, ...]:
    """What becomes of each intent; names count in the decision's order.

    `open_trades` holds the positions that Close, Partial and Modify name; `KeyError` if one is
    missing. `valid_for_ms` counts from the quote: later than that the bridge drops an order. An
    entry carries the price it was decided on: what a fresh quote is compared with.

    Dropped is a partial close of less than the smallest volume, and a change of levels that would
    move a stop away from the market, change nothing, or touch frozen levels (`moved_levels`). A
    partial close that would leave less than the smallest volume closes the position whole.
    """
    planner = _Planner(decision, quote, spec, strategy_id, valid_for_ms, magic_bits)
    held = {trade.position_id: trade for trade in open_trades} if open_trades else {}
    intents = decision.intents
    if len(intents) == 1:
        return (planner.leg(0, intents[0], held),)
    planned = [planner.leg(i, each, held) for i, each in _in_order(intents, held)]
    return tuple(_of_what_stays(planned))


def _in_order(intents: Sequence[Intent], held: dict[int, OpenTrade]) -> list[tuple[int, Intent]]:
    """Whole closes first, the largest loss first; then the rest as decided."""

    def place(numbered: tuple[int, Intent]) -> tuple[bool, float, int]:
        number, intent = numbered
        if not isinstance(intent, Close):
            return (True, 0.0, number)
        trade = held[intent.position_id]
        return (False, trade.profit + trade.swap, trade.position_id)

    return sorted(enumerate(intents), key=place)


def _of_what_stays(planned: Sequence[Leg]) -> Iterator[Leg]:
    """Levels of a position that is closed whole are not changed."""
    gone = {leg.request.position for leg in planned if _is_whole_close(leg.request)}
    for leg in planned:
        moot = isinstance(leg.request, LevelsRequest) and leg.request.position in gone
        yield Leg(leg.intent, Drop("its position is closed whole")) if moot else leg


def _is_whole_close(request: TradeRequest | Drop) -> TypeGuard[OrderRequest]:
    return not isinstance(request, Drop) and kind_of(request) is Kind.CLOSE


@quick
@dataclass(frozen=True, slots=True)
class _Planner:
    """What all legs of one decision share."""

    decision: Decision
    quote: Quote
    spec: SymbolSpec
    strategy_id: int
    valid_for_ms: int
    magic_bits: int

    def leg(self, number: int, intent: Intent, held: dict[int, OpenTrade]) -> Leg:
        if isinstance(intent, _OPENING):
            return Leg(intent, self._opening(number, intent))
        trade = held[intent.position_id]
        if isinstance(intent, Modify):
            return Leg(intent, self._change(number, intent, trade))
        if isinstance(intent, Partial):
            return Leg(intent, self._part(number, intent, trade))
        return Leg(intent, self._leaving(number, trade, trade.volume_lots))

    def _opening(self, number: int, intent: Enter | Add) -> OrderRequest:
        side, quote = intent.side, self.quote
        price = quote.ask if side is _LONG else quote.bid
        levels = stop_prices(intent, quote, self.spec)
        return self._order(number, side, intent.volume_lots, price=price, levels=levels)

    def _leaving(
        self, number: int, trade: OpenTrade, volume_lots: float, name: str = ""
    ) -> OrderRequest:
        side = _SHORT if trade.side is _LONG else _LONG
        return self._order(number, side, volume_lots, position=trade.position_id, name=name)

    def _part(self, number: int, intent: Partial, trade: OpenTrade) -> OrderRequest | Drop:
        volume = floor_volume(intent.volume_lots, self.spec.volume_step)
        least = self.spec.volume_min - _LEAST_VOLUME
        if volume < least:
            return Drop(f"{volume:g} lots are less than {self.spec.volume_min:g}")
        if trade.volume_lots - volume < least:
            return self._leaving(number, trade, trade.volume_lots)
        return self._leaving(number, trade, volume, PART_NAME)

    def _change(self, number: int, intent: Modify, trade: OpenTrade) -> LevelsRequest | Drop:
        levels = moved_levels(
            trade.side, (trade.sl, trade.tp), (intent.sl, intent.tp), self.quote, self.spec
        )
        if isinstance(levels, Drop):
            return levels
        decision = self.decision
        client_id = _client_id(
            self.strategy_id, decision.symbol, decision.bar_open_ms, MODIFY_NAME, number
        )
        return LevelsRequest(decision.symbol, trade.position_id, *levels, client_id)

    def _order(
        self, number: int, side: Side, volume_lots: float, *, price: float | None = None,
        levels: tuple[float | None, float | None] = (None, None), position: int | None = None,
        name: str = "",
    ) -> OrderRequest:  # fmt: skip
        decision, quote, spec, strategy_id = self.decision, self.quote, self.spec, self.strategy_id
        symbol, (sl, tp) = decision.symbol, levels
        client_id = _client_id(
            strategy_id, symbol, decision.bar_open_ms, name or _NAMES[side], number
        )
        return OrderRequest(
            symbol, _BUY if side is _LONG else _SELL, volume_lots, client_id,
            magic_of(strategy_id, client_id, self.magic_bits), comment_of(client_id),
            filling_of(spec.filling_mode), price, sl, tp,
            max(1, round((quote.ask - quote.bid) / spec.point)), position,
            quote.time_ms + self.valid_for_ms,
        )  # fmt: skip


def dropped(legs: Sequence[Leg]) -> list[dict[str, Any]]:
    """What becomes no request, and why; ready for the journal."""
    return [
        {
            "intent": type(leg.intent).__name__.lower(),
            "position_id": getattr(leg.intent, "position_id", 0),
            "why": leg.request.why,
        }
        for leg in legs
        if isinstance(leg.request, Drop)
    ]


def close_reasons(legs: Sequence[Leg]) -> dict[int, str]:
    """Why each close was decided, whole or of a part, by the magic that its deal will bear."""
    return {
        leg.request.magic: leg.intent.reason
        for leg in legs
        if isinstance(leg.intent, Close | Partial) and isinstance(leg.request, OrderRequest)
    }


def stop_prices(entry: Enter | Add, quote: Quote, spec: SymbolSpec) -> tuple[float, float]:
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
    client_id = _client_id(strategy_id, symbol, bar_open_ms, _NAMES[side], leg)
    return IntentIdentity(
        client_id, magic_of(strategy_id, client_id, magic_bits), comment_of(client_id)
    )


def _client_id(strategy_id: int, symbol: str, bar_open_ms: int, name: str, leg: int) -> str:
    return f"{strategy_id}-{symbol}-{bar_open_ms}-{name}-{leg}"
