"""Reasons against an entry that need the clock, the account or our own trades.

Each is a small function that returns a `Denial` or nothing; `denials` carries all of them, with
those of `times`, `account_guards` and `prop_guard`.
"""

from trading.decision import account_guards, prop_guard, times
from trading.decision.records import DecisionInput, Denial
from trading.decision.settings import DecisionSettings


def denials(now: DecisionInput, settings: DecisionSettings) -> tuple[Denial, ...]:
    """Every rule outside the gate that speaks against an entry, in fixed order."""
    found: list[Denial] = []
    for rule in _RULES:
        if said := rule(now, settings):
            found.append(said)
    found += times.denials(now, settings)
    if now.guard is not None:
        found += account_guards.denials(now, now.guard, settings)
    if settings.prop_rules is not None:
        found += prop_guard.denials(now, settings)
    return tuple(found)


def can_fill(now: DecisionInput) -> bool:
    """Whether an order of any kind could fill at this close."""
    return now.session_open and now.quote.time_ms >= now.market.close_ms


def market_closed(now: DecisionInput, _: DecisionSettings) -> Denial | None:
    if now.session_open:
        return None
    return Denial("market_closed", "closed", "open")


def stale_quote(now: DecisionInput, _: DecisionSettings) -> Denial | None:
    """The quote in force must be as young as the bar's close, else nothing opened there."""
    if now.quote.time_ms >= now.market.close_ms:
        return None
    return Denial("stale_quote", now.quote.time_ms, now.market.close_ms)


def circuit_breaker(now: DecisionInput, settings: DecisionSettings) -> Denial | None:
    breaker = settings.circuit_breaker
    if not breaker.enabled or now.recent_losses < breaker.max_consecutive_losses:
        return None
    return Denial("circuit_breaker", now.recent_losses, breaker.max_consecutive_losses)


def max_open_positions(now: DecisionInput, settings: DecisionSettings) -> Denial | None:
    if len(now.open_trades) < settings.max_open_positions:
        return None
    return Denial("max_open_positions", len(now.open_trades), settings.max_open_positions)


def close_unconfirmed(now: DecisionInput, _: DecisionSettings) -> Denial | None:
    """The picture of our own trades must be whole before there is another."""
    if not now.unsettled:
        return None
    return Denial("close_unconfirmed", "; ".join(now.unsettled), "nothing unsettled")


def halted(now: DecisionInput, _: DecisionSettings) -> Denial | None:
    """Entries need a healthy bridge, terminal and account, and the symbol as it was confirmed."""
    if not now.halts:
        return None
    return Denial("halted", "; ".join(now.halts), "no halt")


_RULES = (
    market_closed, stale_quote, circuit_breaker, max_open_positions, close_unconfirmed, halted,
)  # fmt: skip
