"""The daemon's own decide, plan and settle over history, with the simulated terminal as venue.

At each decided bar's close τ the terminal runs its events first, then the decision is made and its
orders are sent: the rules of docs/architecture.md, "Paper over HTTP equals the backtest".

Bars that the gate denies by stateless rules alone are not visited: nothing can be sent there,
unless something is open that is managed, or that an account guard looks at. Of such a trade only
the closes at which something may act are visited (`quiet`). The canonical lines are made
afterwards, by deciding every bar again. Positions open after the last decision stay open and
are marked to market, as in paper.
"""

import gc
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

import numpy as np

from backtest.columns import DecidedBars
from backtest.inputs import RowInputs
from backtest.rules import Rules
from backtest.venue import Venue, trade_result
from broker.contract.constants import DealType
from broker.contract.messages import Deal
from broker.simulator.records import SendResult
from broker.simulator.terminal import SimulatedTerminal
from trading.canonical import decision_line
from trading.decision import gate
from trading.decision.decide import decide, wanted
from trading.decision.records import ClosedTrade, Decision, DecisionInput, InstrumentView
from trading.equity import EquityCurve, equity_curve
from trading.execution.intents import TradeRequest
from trading.execution.plan import close_reasons, legs, requests_of
from trading.execution.settle import Settlement, settle
from trading.trade_book import closed_trades

__all__ = ["BacktestRun", "Rules", "run_backtest"]


class BacktestRun:
    """One run over decided bars: its venue, and the requests it sent, by decided row."""

    def __init__(self, bars: DecidedBars, rules: Rules) -> None:
        self.bars = bars = bars.asked_for(rules.decision)
        self.rules = rules
        self.verdicts = gate.evaluate(bars.gate_columns(rules.instrument), rules.decision)
        self.venue = _opened(bars, rules)
        self.inputs = RowInputs(bars, rules, self.venue)
        self.sent: dict[int, tuple[TradeRequest, ...]] = {}
        self._answers: list[tuple[TradeRequest, SendResult, int]] = []

    @property
    def deals(self) -> tuple[Deal, ...]:
        return self.venue.deals()

    @property
    def settlements(self) -> list[Settlement]:
        """What became of each request, in the order sent."""
        return [settle(of, trade_result(answer, of, at)) for of, answer, at in self._answers]

    @property
    def answers(self) -> tuple[tuple[TradeRequest, SendResult, int], ...]:
        """Each request, what the terminal answered, and when, in the order sent."""
        return tuple(self._answers)

    @property
    def initial_balance(self) -> float:
        return self.venue.terminal.initial_balance

    @property
    def final_equity(self) -> float:
        return self.venue.terminal.equity

    @cached_property
    def trades(self) -> tuple[ClosedTrade, ...]:
        """Folded once, at the first reading: for a run that is over."""
        return closed_trades(self.deals, self.rules.strategy_id, reason_of=self.venue.reason_of)

    @property
    def terms(self) -> InstrumentView:
        """The symbol as the account sees it."""
        return self.venue.state()[3]

    @property
    def curve(self) -> EquityCurve:
        """Marked-to-market equity of the decided bars."""
        traded = [deal for deal in self.deals if deal.type in (DealType.BUY, DealType.SELL)]
        return equity_curve(
            traded, self.bars.bars, self.terms, initial_balance=self.initial_balance
        )

    def decided(self) -> Iterator[tuple[int, DecisionInput, Decision]]:
        """Every decided bar again, oldest first: its row, what it was decided on, and how.

        In a fresh account that gets the same orders. `RuntimeError` if one then wants other orders
        than were sent.
        """
        again = BacktestRun(self.bars, self.rules)
        for row in range(len(self.bars)):
            now, decision = again.decide_at(row)
            requests = again.act(row, now, decision)
            if requests != self.sent.get(row, ()):
                raise RuntimeError(
                    f"backtest: bar {now.market.open_ms} decided anew wants {requests}"
                )
            yield row, now, decision

    def lines(self) -> Iterator[str]:
        """The canonical line of every decided bar, as `decided` comes by them."""
        return (decision_line(now, decision) for _, now, decision in self.decided())

    def decide_at(self, row: int) -> tuple[DecisionInput, Decision]:
        """Moves to the close of a row and decides it."""
        self.venue.advance(self.inputs.close_ms(row))
        return self.decide_here(row)

    def decide_here(self, row: int) -> tuple[DecisionInput, Decision]:
        """Decides a row whose close it is at the venue."""
        verdict = self.verdicts.row(row)
        now = self.inputs.at(row, gate_open=verdict.denied == 0)
        return now, decide(now, self.rules.decision, verdict)

    def visit(self, row: int) -> None:
        """Decides and acts at the close of a row; what speaks against an entry is not written."""
        self.venue.advance(self.inputs.close_ms(row))
        verdict = self.verdicts.row(row)
        now = self.inputs.at(row, gate_open=verdict.denied == 0)
        intents = wanted(now, self.rules.decision, verdict)
        if intents:
            self.act(row, now, Decision(now.market.symbol, now.market.open_ms, intents, ()))
        else:
            self.inputs.decided(now)

    def act(self, row: int, now: DecisionInput, decision: Decision) -> tuple[TradeRequest, ...]:
        """Plans and sends what was decided."""
        self.inputs.decided(now)
        if not decision.intents:
            return ()
        planned = legs(
            decision,
            now.quote,
            self.venue.spec,
            strategy_id=self.rules.strategy_id,
            valid_for_ms=self.rules.valid_for_ms,
            magic_bits=self.rules.magic_bits,
            open_trades=now.open_trades,
        )
        requests = requests_of(planned)
        if now.open_trades:
            self.venue.reasons.update(close_reasons(planned))
        for request in requests:
            answer = self.venue.send(request, now.quote)
            self._answers.append((request, answer, now.market.close_ms))
        self.sent[row] = requests
        return requests


def run_backtest(bars: DecidedBars, rules: Rules, *, skip_idle: bool = True) -> BacktestRun:
    """Decides every bar of `bars` in order and returns the ledger and the decisions.

    `skip_idle=False` visits every bar; it changes no decision and no deal.
    """
    run = BacktestRun(bars, rules)
    candidates = np.flatnonzero(run.verdicts.denied == 0).tolist()
    with _no_collector():
        if not skip_idle:
            _visit_all(run)
        elif run.inputs.watches:
            _visit_watched(run, candidates)
        else:
            _visit_entries(run, candidates)
    run.venue.advance(run.inputs.close_ms(len(bars) - 1))
    return run


def _visit_all(run: BacktestRun) -> None:
    for row in range(len(run.bars)):
        run.visit(row)


def _visit_entries(run: BacktestRun, candidates: list[int]) -> None:
    """Only rows where something may be opened: nobody looks at what is open."""
    venue, most = run.venue, run.rules.decision.max_open_positions
    close_ms = run.bars.close_ms.data
    for row in candidates:
        venue.advance(close_ms[row])
        if venue.holds < most:
            now, decision = run.decide_here(row)
            run.act(row, now, decision)


def _visit_watched(run: BacktestRun, candidates: list[int]) -> None:
    """Rows where something may be opened, and those at which an open trade is not quiet."""
    venue, most = run.venue, run.rules.decision.max_open_positions
    candidates = [*candidates, len(run.bars)]
    row = 0
    while True:
        candidate = candidates[bisect_left(candidates, row)]
        if venue.holds:
            row = run.inputs.first_busy(row, candidate if venue.holds < most else candidates[-1])
            if row < candidates[-1]:
                venue.advance(run.inputs.close_ms(row))
        if not venue.holds:
            row = candidates[bisect_left(candidates, row)]
        if row >= candidates[-1]:
            return
        run.visit(row)
        row += 1


@contextmanager
def _no_collector() -> Iterator[None]:
    """Records refer to nothing behind them, so the cycle collector would only cost a third."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        # what was made goes to the oldest generation without a look at it
        gc.freeze()
        gc.unfreeze()
        if was_on:
            gc.enable()


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
        slippage_table=rules.slippage,
        server_zone=rules.paper.server_timezone,
        minutes=None if rules.minutes is None else {symbol: rules.minutes},
        inside_bars=rules.paper.m1_inside_bars,
    )
    return Venue(terminal, symbol, rules.strategy_id)
