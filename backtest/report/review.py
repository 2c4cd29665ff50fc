"""A finished run decided once more, bar by bar: its lines, and what spoke for and against entries.

Everything here is made after the loop, so a run costs what it costs without it.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from backtest.driver import BacktestRun
from market.rounding import floor_volume
from trading.canonical import decision_line
from trading.decision import sizing
from trading.decision.records import Decision, DecisionInput, Enter, Side
from trading.execution.plan import stop_prices

# Nothing could have filled, or nothing was forecast: there is no entry to follow.
NO_ENTRY = frozenset({"market_closed", "stale_quote", "features", "halted"})


@dataclass(frozen=True, slots=True)
class LoneDenial:
    """An entry that one rule alone denied, as it would have been sent at the close of `row`.

    `price`: the side of the quote it would have filled at; `sl`, `tp`: absolute prices.
    """

    row: int
    rule: str
    side: Side
    volume_lots: float
    price: float
    sl: float
    tp: float


@dataclass(slots=True)
class Review:
    """What the decisions of a run said. Filled while `lines` is read.

    `denied`: bars by rule; `denied_alone`: entries (with a side) that this rule alone refused;
    `intents`: by kind, and by `kind reason` where there is a reason; `capped`: entries that were
    smaller than risk alone wanted.
    """

    run: BacktestRun
    denied: Counter[str] = field(default_factory=Counter)
    denied_alone: Counter[str] = field(default_factory=Counter)
    lone: list[LoneDenial] = field(default_factory=list)
    intents: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    capped: int = 0

    def lines(self) -> Iterator[str]:
        """The canonical line of every decided bar, oldest first. `RuntimeError` if one wants other
        orders than were sent."""
        for row, now, decision in self.run.decided():
            self._saw(row, now, decision)
            yield decision_line(now, decision)

    def _saw(self, row: int, now: DecisionInput, decision: Decision) -> None:
        rules = {denial.rule for denial in decision.denials}
        self.denied.update(rules)
        for intent in decision.intents:
            kind = type(intent).__name__.lower()
            reason = "" if isinstance(intent, Enter) else getattr(intent, "reason", "")
            self.intents[kind] += 1
            if reason:
                self.intents[f"{kind} {reason}"] += 1
            if isinstance(intent, Enter):
                self._sized(intent)
        self._models(now)
        if len(rules) == 1:
            self._alone(row, rules.pop(), now)

    def _sized(self, entry: Enter) -> None:
        whole = floor_volume(entry.wanted_lots, self.run.venue.spec.volume_step)
        self.capped += entry.volume_lots < whole

    def _models(self, now: DecisionInput) -> None:
        """Which models had something to say."""
        self.asked["signal"] += now.forecast is not None
        self.asked["sltp"] += now.stops is not None
        self.asked["risk"] += now.risk_multiplier != 1.0
        self.asked["position"] += any(held.forecast is not None for held in now.held)

    def _alone(self, row: int, rule: str, now: DecisionInput) -> None:
        side = self.run.verdicts.row(row).side
        if rule in NO_ENTRY or side is Side.NONE:
            return
        self.denied_alone[rule] += 1
        entry = sizing.entry(side, now, self.run.rules.decision)
        if isinstance(entry, Enter):
            sl, tp = stop_prices(entry, now.quote, self.run.venue.spec)
            price = now.quote.ask if side is Side.BUY else now.quote.bid
            self.lone.append(LoneDenial(row, rule, side, entry.volume_lots, price, sl, tp))
