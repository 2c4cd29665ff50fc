"""One closed bar in, one decision out. Bot, backtest and replay call this very function."""

from trading.decision import filters, gate, sizing
from trading.decision.records import Decision, DecisionInput, Denial
from trading.decision.settings import DecisionSettings


def decide(
    now: DecisionInput, settings: DecisionSettings, verdict: gate.Verdict | None = None
) -> Decision:
    """Enter, or every reason why not.

    `verdict` is the gate's row of this bar where a batch has it already; it must equal
    `gate.judge(now, settings)`. Sizing speaks only where nothing else does.
    """
    verdict = verdict or gate.judge(now, settings)
    refused = gate.denials(verdict, now, settings) + filters.denials(now, settings)
    if refused:
        return Decision(now.market.symbol, now.market.open_ms, (), refused)
    entry = sizing.entry(verdict.side, now, settings)
    if isinstance(entry, Denial):
        return Decision(now.market.symbol, now.market.open_ms, (), (entry,))
    return Decision(now.market.symbol, now.market.open_ms, (entry,), ())
