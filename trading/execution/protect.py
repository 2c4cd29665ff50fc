"""Whether an entry's position bears its stops, and what to do where it does not. Pure."""

from dataclasses import dataclass

from broker.contract.messages import OrderRequest, Position, SymbolSpec, Tick
from trading.execution.levels import clamped, same_level

MOST_MODIFIES = 3
MOST_NAKED_MS = 6_000
_MOST_WIDER = 1.25


@dataclass(frozen=True, slots=True)
class Protected:
    """Read back with its stop and its target."""


@dataclass(frozen=True, slots=True)
class SetLevels:
    sl: float
    tp: float


@dataclass(frozen=True, slots=True)
class CloseNow:
    why: str


Step = Protected | SetLevels | CloseNow


def guard_step(
    entry: OrderRequest, position: Position, quote: Tick, spec: SymbolSpec, *,
    modifies: int, naked_ms: int,
) -> Step:  # fmt: skip
    """The next step for an open position. `modifies`: how often its levels were asked for.

    A position whose wanted stop lies beyond the market, or could only be set much further away, is
    closed: it would lose more than was planned.
    """
    sl, tp = entry.sl or 0.0, entry.tp or 0.0
    if bears_levels(position, sl, tp, spec):
        return Protected()
    if modifies >= MOST_MODIFIES:
        return CloseNow(f"no stops after {modifies} changes")
    if position.sl == 0 and naked_ms >= MOST_NAKED_MS:
        return CloseNow(f"without a stop for {naked_ms} ms")
    side = 1 if entry.type == 0 else -1
    price = quote.bid if side > 0 else quote.ask
    if sl and side * (price - sl) <= 0:
        return CloseNow("the market is beyond its stop")
    new_sl, new_tp = clamped(side, sl, tp, quote, spec, extra_ticks=modifies)
    if sl and abs(position.price_open - new_sl) > _MOST_WIDER * abs(position.price_open - sl):
        return CloseNow("the nearest stop allowed is too far away")
    return SetLevels(new_sl, new_tp)


def bears_levels(position: Position, sl: float, tp: float, spec: SymbolSpec) -> bool:
    """Whether stop and target stand where they were asked for, or further out only by clamping.

    A level that was not asked for need not be there.
    """
    return _bears(position.sl, sl, position.price_open, spec) and _bears(
        position.tp, tp, position.price_open, spec
    )


def _bears(level: float, wanted: float, opened: float, spec: SymbolSpec) -> bool:
    if not wanted or same_level(level, wanted, spec):
        return True
    return level != 0 and abs(level - wanted) <= (_MOST_WIDER - 1) * abs(opened - wanted)


def stand_as_asked(entry: OrderRequest, position: Position) -> bool:
    """Whether both levels are, to the bit, those of the request: the usual case."""
    return (position.sl, position.tp) == (entry.sl or 0.0, entry.tp or 0.0)
