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
    modifies: int, naked_ms: int, wanted: tuple[float, float] | None = None,
) -> Step:  # fmt: skip
    """The next step for an open position. `modifies`: how often the guard asked for its levels;
    `wanted`: (stop, target) that it should bear, those of its entry if not given.

    A position whose wanted stop lies beyond the market, or could only be set further away by a
    quarter of what its entry risked, is closed: it would lose more than was planned.
    """
    sl, tp = _levels_of(entry) if wanted is None else wanted
    if bears_levels(position, sl, tp, spec, of=entry):
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
    if sl and side * (sl - new_sl) > _slack(position.price_open, entry.sl or sl):
        return CloseNow("the nearest stop allowed is too far away")
    return SetLevels(new_sl, new_tp)


def bears_levels(
    position: Position, sl: float, tp: float, spec: SymbolSpec, *, of: OrderRequest
) -> bool:
    """Whether stop and target stand where they were asked for, or further out only by clamping: by
    a quarter of the distance that the entry asked for at most.

    A level that was not asked for need not be there.
    """
    opened = position.price_open
    return _bears(position.sl, sl, _slack(opened, of.sl or sl), spec) and _bears(
        position.tp, tp, _slack(opened, of.tp or tp), spec
    )


def _bears(level: float, wanted: float, slack: float, spec: SymbolSpec) -> bool:
    if not wanted or same_level(level, wanted, spec):
        return True
    return level != 0 and abs(level - wanted) <= slack


def _slack(opened: float, level: float) -> float:
    return (_MOST_WIDER - 1) * abs(opened - level)


def _levels_of(entry: OrderRequest) -> tuple[float, float]:
    return entry.sl or 0.0, entry.tp or 0.0


def stand_as_asked(
    entry: OrderRequest, position: Position, wanted: tuple[float, float] | None = None
) -> bool:
    """Whether both levels are, to the bit, those wanted, or of the request: the usual case."""
    return (position.sl, position.tp) == (_levels_of(entry) if wanted is None else wanted)
