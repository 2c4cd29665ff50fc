"""One closed bar in, one decision out. Bot, backtest and replay call this very function."""

from trading.decision import adding, filters, gate, management, prop_guard, sizing
from trading.decision.records import Add, Decision, DecisionInput, Denial, Enter, Intent, Side
from trading.decision.settings import DecisionSettings


def decide(
    now: DecisionInput, settings: DecisionSettings, verdict: gate.Verdict | None = None
) -> Decision:
    """What becomes of open trades, then an entry or an addition, or every reason why not.

    `verdict` is the gate's row of this bar where a batch has it already; it must equal
    `gate.judge(now, settings)`. Sizing speaks only where nothing else does. `ValueError` where
    `held` does not go with `open_trades`, or a prop profile is set without its state.
    """
    verdict = verdict or gate.judge(now, settings)
    managed = management.intents(now, settings) if now.open_trades else ()
    intents: tuple[Intent, ...] = managed
    refused = gate.denials(verdict, now, settings) + filters.denials(now, settings)
    opened = _opened(verdict.side, now, settings, refused, managed)
    if isinstance(opened, Denial):
        refused = (*refused, opened)
    elif opened is not None:
        intents = (*managed, opened)
    return Decision(now.market.symbol, now.market.open_ms, intents, refused)


def wanted(
    now: DecisionInput, settings: DecisionSettings, verdict: gate.Verdict
) -> tuple[Intent, ...]:
    """`decide(now, settings, verdict).intents`, for whoever leaves the reasons unread.

    While the gate is shut nothing is entered, and unless trades may be added to no rule looks at
    the reasons: what becomes of open trades is all there is.
    """
    if verdict.denied and not settings.ml_active_management.add.enabled:
        return management.intents(now, settings) if now.open_trades else ()
    return decide(now, settings, verdict).intents


def _opened(
    side: Side,
    now: DecisionInput,
    settings: DecisionSettings,
    refused: tuple[Denial, ...],
    managed: tuple[management.Managed, ...],
) -> Enter | Add | Denial | None:
    """The position that is opened, if any, or what sizing has against it."""
    if refused:
        return adding.addition(now, settings, refused, managed) if now.open_trades else None
    entry = sizing.entry(side, now, settings)
    if isinstance(entry, Denial) or settings.prop_rules is None:
        return entry
    return prop_guard.pre_trade(entry.volume_lots, entry.sl_distance, now, settings) or entry
