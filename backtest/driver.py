"""The daemon's own decide, plan and settle over history, with the simulated terminal as venue.

At each decided bar's close τ the terminal runs its events first, then the decision is made and its
orders are sent: the rules of docs/architecture.md, "Paper over HTTP equals the backtest".

Bars that the gate denies by stateless rules alone are not visited: nothing can be sent there. The
canonical lines are made afterwards, by deciding every bar again. Positions open after the last
decision stay open and are marked to market, as in paper.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from backtest.columns import DecidedBars, RowReader
from backtest.venue import Venue, trade_result
from broker.contract.constants import DealType
from broker.contract.messages import Deal
from broker.simulator.records import SendResult
from broker.simulator.settings import PaperSettings
from broker.simulator.terminal import SimulatedTerminal
from market.instrument import Instrument
from trading.canonical import decision_line
from trading.decision import gate
from trading.decision.decide import decide
from trading.decision.records import ClosedTrade, Decision, DecisionInput, InstrumentView
from trading.decision.settings import DecisionSettings
from trading.equity import EquityCurve, equity_curve
from trading.execution.intents import TradeRequest
from trading.execution.plan import close_reasons, legs, requests_of
from trading.execution.settle import Settlement, settle
from trading.trade_book import closed_trades
from trading.views import assemble


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """Everything a run is decided by, beside its bars."""

    instrument: Instrument
    decision: DecisionSettings
    paper: PaperSettings
    strategy_id: int
    valid_for_ms: int = 300_000
    magic_bits: int = 48


class BacktestRun:
    """One run over decided bars: its venue, and the requests it sent, by decided row."""

    def __init__(self, bars: DecidedBars, rules: Rules) -> None:
        self.bars = bars
        self.rules = rules
        self.verdicts = gate.evaluate(bars.gate_columns(rules.instrument), rules.decision)
        self.session_open = rules.instrument.sessions.are_open(bars.close_ms).tolist()
        self.venue = _opened(bars, rules)
        self.sent: dict[int, tuple[TradeRequest, ...]] = {}
        self._rows = RowReader(bars)
        self._answers: list[tuple[TradeRequest, SendResult, int]] = []

    @property
    def deals(self) -> tuple[Deal, ...]:
        return self.venue.deals()

    @property
    def settlements(self) -> list[Settlement]:
        """What became of each request, in the order sent."""
        return [settle(of, trade_result(answer, of, at)) for of, answer, at in self._answers]

    @property
    def initial_balance(self) -> float:
        return self.venue.terminal.initial_balance

    @property
    def final_equity(self) -> float:
        return self.venue.terminal.equity

    @property
    def trades(self) -> tuple[ClosedTrade, ...]:
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

    def lines(self) -> Iterator[str]:
        """The canonical line of every decided bar, oldest first.

        Every bar is decided again, in a fresh account that gets the same orders. `RuntimeError`
        if one then wants other orders than were sent.
        """
        again = BacktestRun(self.bars, self.rules)
        for row in range(len(self.bars)):
            now, decision = again.decide_at(row)
            requests = again.act(row, now, decision)
            if requests != self.sent.get(row, ()):
                raise RuntimeError(
                    f"backtest: bar {now.market.open_ms} decided anew wants {requests}"
                )
            yield decision_line(now, decision)

    def decide_at(self, row: int) -> tuple[DecisionInput, Decision]:
        """Moves to the close of a row and decides it."""
        self.venue.advance(self._rows.close_ms(row))
        return self.decide_here(row)

    def decide_here(self, row: int) -> tuple[DecisionInput, Decision]:
        """Decides a row whose close it is at the venue."""
        now = self._input(row)
        return now, decide(now, self.rules.decision, self.verdicts.row(row))

    def act(self, row: int, now: DecisionInput, decision: Decision) -> tuple[TradeRequest, ...]:
        """Plans and sends what was decided."""
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
        self.venue.reasons.update(close_reasons(planned))
        for request in requests:
            answer = self.venue.send(request, now.quote)
            self._answers.append((request, answer, now.market.close_ms))
        self.sent[row] = requests
        return requests

    def _input(self, row: int) -> DecisionInput:
        """The snapshot at the close of a row, as the daemon would have read it."""
        rows, venue = self._rows, self.venue
        market = rows.market(row)
        venue.read_deals()
        quote, account, mine, terms = venue.state()
        forecast = rows.forecast(row)
        return assemble(
            market,
            forecast,
            "" if forecast else self.bars.forecasts.missing_feature(row),
            quote,
            account,
            mine,
            terms,
            venue.book,
            day_zone=self.rules.decision.timezone,
            session_open=self.session_open[row],
        )


def run_backtest(bars: DecidedBars, rules: Rules, *, skip_idle: bool = True) -> BacktestRun:
    """Decides every bar of `bars` in order and returns the ledger and the decisions.

    `skip_idle=False` visits every bar; it changes no decision and no deal.
    """
    run = BacktestRun(bars, rules)
    rows = np.flatnonzero(run.verdicts.denied == 0) if skip_idle else np.arange(len(bars))
    close_ms = bars.close_ms.data
    venue, most = run.venue, rules.decision.max_open_positions
    with _no_collector():
        for row in rows.tolist():
            venue.advance(close_ms[row])
            if not (skip_idle and venue.holds >= most):
                run.act(row, *run.decide_here(row))
    venue.advance(close_ms[-1])
    return run


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
        server_zone=rules.paper.server_timezone,
    )
    return Venue(terminal, symbol, rules.strategy_id)
