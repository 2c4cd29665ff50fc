"""The daemon's own decide, plan and settle over history, with the simulated terminal as venue.

At each decided bar's close τ the terminal runs its events first, then the decision is made and its
orders are sent: the rules of docs/architecture.md, "Paper over HTTP equals the backtest".

Bars that the gate denies by stateless rules alone are not visited: nothing can be sent there. Their
lines are made afterwards, by a second terminal that gets the same orders and is looked at on every
bar. Positions open after the last decision stay open and are marked to market, as in paper.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from backtest.columns import DecidedBars
from backtest.venue import Venue
from broker.contract.messages import Deal, OrderRequest
from broker.simulator.settings import PaperSettings
from broker.simulator.terminal import SimulatedTerminal
from market.instrument import Instrument
from trading.canonical import decision_line
from trading.decision import gate
from trading.decision.decide import decide
from trading.decision.records import Decision, DecisionInput
from trading.decision.settings import DecisionSettings
from trading.execution.plan import plan
from trading.execution.settle import Settlement, settle
from trading.views import assemble

VALID_FOR_MS = 300_000


@dataclass(frozen=True, slots=True)
class Visit:
    """One visited bar: what was decided on, what was decided, what was sent and answered."""

    now: DecisionInput
    decision: Decision
    requests: tuple[OrderRequest, ...]
    settlements: tuple[Settlement, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """Everything a run is decided by, beside its bars."""

    instrument: Instrument
    decision: DecisionSettings
    paper: PaperSettings
    strategy_id: int


@dataclass(slots=True, eq=False)
class BacktestRun:
    """A finished run. `visits`: by decided row; with skipping, the rows that could act alone."""

    bars: DecidedBars
    rules: Rules
    verdicts: gate.GateVerdicts
    session_open: Sequence[bool]
    venue: Venue
    visits: dict[int, Visit] = field(default_factory=dict)

    @property
    def deals(self) -> tuple[Deal, ...]:
        return self.venue.deals()

    @property
    def initial_balance(self) -> float:
        return self.venue.terminal.initial_balance

    @property
    def final_equity(self) -> float:
        return self.venue.terminal.equity

    def lines(self) -> Iterator[str]:
        """The canonical line of every decided bar, oldest first."""
        venue = _opened(self.bars, self.rules)
        for row in range(len(self.bars)):
            visit = self.visits.get(row) or self._idle(venue, row)
            for request in visit.requests:
                venue.advance(visit.now.market.close_ms)
                venue.send(request)
            yield decision_line(visit.now, visit.decision)

    def _idle(self, venue: Venue, row: int) -> Visit:
        """What a bar that was not visited would have said."""
        now = _input(self, venue, row)
        decision = decide(now, self.rules.decision, self.verdicts.row(row))
        if decision.intents:
            raise RuntimeError(
                f"backtest: bar {now.market.open_ms} was skipped and would have acted"
            )
        return Visit(now, decision, (), ())


def run_backtest(bars: DecidedBars, rules: Rules, *, skip_idle: bool = True) -> BacktestRun:
    """Decides every bar of `bars` in order and returns the ledger and the decisions.

    `skip_idle=False` visits every bar; it changes no decision and no deal.
    """
    verdicts = gate.evaluate(bars.gate_columns(rules.instrument), rules.decision)
    session_open = rules.instrument.sessions.are_open(bars.close_ms).tolist()
    venue = _opened(bars, rules)
    run = BacktestRun(bars, rules, verdicts, session_open, venue)
    rows = np.flatnonzero(verdicts.denied == 0) if skip_idle else np.arange(len(bars))
    close_ms = bars.close_ms.tolist()
    most = rules.decision.max_open_positions
    for row in rows.tolist():
        venue.advance(close_ms[row])
        if not (skip_idle and venue.holds >= most):
            run.visits[row] = _visit(run, row)
    venue.advance(close_ms[-1])
    return run


def _opened(bars: DecidedBars, rules: Rules) -> Venue:
    """A fresh account at the open of the first decided bar."""
    symbol = bars.history.symbol
    terminal = SimulatedTerminal(
        bars={symbol: bars.history},
        instruments={symbol: rules.instrument},
        account=rules.paper.account_terms(),
        start_ms=int(bars.history.open_ms[bars.first]),
        seed=rules.paper.seed,
        slippage_points=rules.paper.slippage_points,
        server_zone=rules.paper.server_timezone,
    )
    return Venue(terminal, symbol, rules.strategy_id)


def _visit(run: BacktestRun, row: int) -> Visit:
    """One turn of the daemon's loop."""
    venue = run.venue
    now = _input(run, venue, row)
    decision = decide(now, run.rules.decision, run.verdicts.row(row))
    requests = plan(
        decision,
        now.quote,
        venue.spec,
        strategy_id=run.rules.strategy_id,
        valid_for_ms=VALID_FOR_MS,
        open_trades=now.open_trades,
    )
    settlements = tuple(settle(request, venue.send(request)) for request in requests)
    return Visit(now, decision, requests, settlements)


def _input(run: BacktestRun, venue: Venue, row: int) -> DecisionInput:
    """The snapshot at the close of a row, as the daemon would have read it."""
    bars = run.bars
    market = bars.market(row)
    venue.advance(market.close_ms)
    venue.read_deals()
    quote, account, mine, terms = venue.state()
    return assemble(
        market,
        bars.forecasts.row(row),
        bars.forecasts.missing_feature(row),
        quote,
        account,
        mine,
        terms,
        venue.book,
        day_zone=run.rules.decision.timezone,
        session_open=run.session_open[row],
    )
