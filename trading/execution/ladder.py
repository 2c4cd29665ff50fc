"""How a close goes on until the position is gone: what to ask next, and when. Pure.

A close is more persistent than an entry: again at once, then with the other filling, then with
growing pauses, and a person is paged while it goes on. Every request names the position, so a
close can never open one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from broker.contract import retcodes
from broker.contract.constants import Filling, OrderType, PositionType
from broker.contract.filling import allowed_fillings
from broker.contract.messages import OrderRequest, Position, SymbolSpec
from broker.contract.retcodes import Retcode, RetcodeClass
from trading.execution.retry import renamed

_PAUSES_MS = (0, 0, 1_000, 3_000, 5_000, 15_000, 60_000, 120_000)
_SESSION_PAUSE_MS = 60_000
_PAGED_AT = 4


@dataclass(frozen=True, slots=True)
class Rung:
    """What to do after the answer to close number `number` (0 is the first)."""

    filling: Filling
    pause_ms: int
    page: bool


def next_rung(number: int, code: Retcode | None, last: Filling, filling_bits: int) -> Rung:
    """`code`: the last answer; None where there was none. Never gives up."""
    if code is None:
        return Rung(last, pause_of(number), number == _PAGED_AT)
    halted = code.class_ is RetcodeClass.HALT
    pause_ms = max(pause_of(number), code.wait_ms)
    if (code.class_ is RetcodeClass.WAIT and not code.wait_ms) or halted:
        pause_ms = max(pause_ms, _SESSION_PAUSE_MS)
    other = code.code == retcodes.INVALID_FILL or number >= 1
    filling = _other(last, filling_bits) if other else last
    return Rung(filling, pause_ms, number == _PAGED_AT or (halted and number == 0))


def pause_of(number: int) -> int:
    return _PAUSES_MS[min(number, len(_PAUSES_MS) - 1)]


def close_order(
    position: Position, spec: SymbolSpec, *, like: OrderRequest | None = None,
    filling: Filling | None = None, name: tuple[str, int], deviation: int,
) -> OrderRequest:  # fmt: skip
    """The order that closes what is left of a position. `name`: (root, number) of its leg.

    `like` marks it: the magic's strategy and the symbol are taken from there, else from the
    position itself.
    """
    root, number = name
    request = OrderRequest(
        symbol=position.symbol,
        type=OrderType.SELL if position.type == PositionType.BUY else OrderType.BUY,
        volume=position.volume,
        client_id=root,
        magic=like.magic if like else position.magic,
        comment="",
        type_filling=allowed_fillings(spec.filling_mode)[0] if filling is None else filling,
        deviation=deviation,
        position=position.identifier,
    )
    return renamed(request, root, number, "c")


def losers_first(positions: Sequence[Position]) -> tuple[Position, ...]:
    """In the order of closing: the largest loss first."""
    return tuple(sorted(positions, key=lambda each: (each.profit + each.swap, each.identifier)))


def _other(last: Filling, filling_bits: int) -> Filling:
    """The next filling in turn: those the symbol takes, and any other where it takes one only."""
    allowed = allowed_fillings(filling_bits)
    turn = allowed if len(allowed) > 1 or last not in allowed else (*allowed, *_rest(allowed))
    return turn[(turn.index(last) + 1) % len(turn)] if last in turn else turn[0]


def _rest(allowed: Sequence[Filling]) -> tuple[Filling, ...]:
    return tuple(each for each in (Filling.FOK, Filling.IOC) if each not in allowed)
