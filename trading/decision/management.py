"""What becomes of the trades that are open, in the order in which it is sent."""

from trading.decision import exits, prop_guard
from trading.decision.filters import can_fill
from trading.decision.records import (
    Close,
    DecisionInput,
    HeldTrade,
    Modify,
    OpenTrade,
    Partial,
)
from trading.decision.settings import DecisionSettings

Managed = Close | Partial | Modify


def intents(now: DecisionInput, settings: DecisionSettings) -> tuple[Managed, ...]:
    """Close, Partial and Modify of our own open trades; nothing where no order could fill.

    A denied entry denies none of them. A trade that is closed gets no other intent.
    """
    if not can_fill(now):
        return ()
    flat = prop_guard.must_be_flat(now, settings)
    if flat:
        return tuple(Close(trade.position_id, flat) for trade in now.open_trades)
    if not now.held:
        return ()
    closes: list[Managed] = []
    parts: list[Managed] = []
    levels: list[Managed] = []
    may_close = prop_guard.news(now, settings) is None
    for trade, held in zip(now.open_trades, now.held, strict=True):
        close = exits.position_exit(trade, held, settings) if may_close else None
        if close:
            closes.append(close)
            continue
        part = exits.partial_close(trade, held, now, settings) if may_close else None
        parts += [part] if part else []
        level = _level(trade, held, part, now, settings)
        levels += [level] if level else []
    return (*closes, *parts, *levels)


def _level(
    trade: OpenTrade,
    held: HeldTrade,
    part: Partial | None,
    now: DecisionInput,
    settings: DecisionSettings,
) -> Modify | None:
    """Where the trade's stop goes. Settings allow only one of the two movers."""
    rule = settings.ml_active_management.partial_close
    if rule.enabled and rule.break_even and (part or exits.is_part_closed(trade, held, now)):
        return exits.break_even(trade, now)
    return exits.trailing_stop(trade, held, now, settings)
