"""The direct records of the terminal say what its native face says: the daemon reads the latter."""

from dataclasses import fields

import numpy as np
import pytest

from backtest.driver import BacktestRun, run_backtest
from backtest.venue import Venue
from broker.native import NativeBroker
from broker.simulator.native import NativeTerminal
from broker.simulator.settings import PaperSettings
from market.instruments import instrument
from market.server_clock import ServerClock
from tests.backtest.markets import STRATEGY, decided, random_probabilities, random_walk, rules
from trading import views
from trading.decision.records import DecisionInput
from trading.trade_book import TradeBook

PAPERS = {
    "dollars": PaperSettings(),
    "cents in Athens": PaperSettings(
        currency="USC", balance=1_000_000.0, server_timezone="Europe/Athens"
    ),
}


def native(venue: Venue, zone: str) -> NativeBroker:
    terminal = venue.terminal
    return NativeBroker(
        NativeTerminal(terminal), ServerClock(zone), now_ms=lambda: terminal.now_ms, mode="paper"
    )


def as_the_daemon_reads_it(
    run: BacktestRun, row: int, broker: NativeBroker, now: DecisionInput
) -> DecisionInput:
    symbol = run.rules.instrument.symbol
    book = TradeBook(STRATEGY)
    book.add(broker.deals(from_ms=0, to_ms=now.market.close_ms + 86_400_000))
    snapshot = broker.snapshot(symbol)
    account = snapshot.account
    terms = views.instrument_view(
        broker.symbol(symbol), snapshot.tick, account.leverage,
        commission_per_lot=run.rules.instrument.commission_per_lot / account.unit_to_base,
    )  # fmt: skip
    return views.assemble(
        run.bars.market(row), run.bars.forecasts.row(row), "", views.quote(snapshot.tick),
        views.account_view(account), views.open_trades(snapshot.positions, STRATEGY), terms, book,
        day_zone=run.rules.decision.timezone,
        session_open=run.rules.instrument.sessions.is_open(now.market.close_ms),
    )  # fmt: skip


@pytest.mark.parametrize("paper", PAPERS.values(), ids=PAPERS)
@pytest.mark.parametrize("symbol", ["BTCUSD", "XAUUSD", "EURUSD"])
def test_input_equals_the_one_read_through_the_native_face(
    symbol: str, paper: PaperSettings
) -> None:
    of = instrument(symbol)
    level, atr = {"BTCUSD": (60_000.0, 300.0), "XAUUSD": (2000.0, 8.0), "EURUSD": (1.1, 0.004)}[
        symbol
    ]
    bars = random_walk(of, 250, seed=3, level=level, move=0.002)
    columns = decided(bars, random_probabilities(len(bars), seed=5), atr=atr, floor=0.1)
    by = rules(
        of, paper, max_lot=50.0, max_open_positions=2,
        risk_management={"min_atr_threshold": 0.0},
        spread_filter={"max_points": 1e9, "max_atr_share": 1.0},
        max_daily_loss_pct=0.0, max_weekly_drawdown_pct=0.0,
    )  # fmt: skip
    run = BacktestRun(columns, by)
    broker = native(run.venue, paper.server_timezone)
    held = 0
    for row in range(len(bars)):
        now, decision = run.decide_at(row)
        assert as_the_daemon_reads_it(run, row, broker, now) == now
        held += len(now.open_trades)
        run.act(row, now, decision)
    assert held > 50
    assert np.all([settled.state == "filled" for settled in run.settlements])
    assert broker.deals(from_ms=0, to_ms=bars.open_ms[-1] + 10**9) == run.deals


def test_orders_through_the_native_face_make_the_same_deals() -> None:
    of = instrument("BTCUSD")
    bars = random_walk(of, 400, seed=3, level=60_000.0, move=0.002)
    columns = decided(bars, random_probabilities(len(bars), seed=5), atr=300.0, floor=0.1)
    by = rules(of, PaperSettings(slippage_points=200), spread_filter={"max_atr_share": 1.0})
    direct, other = run_backtest(columns, by), BacktestRun(columns, by)
    broker = native(other.venue, "UTC")
    for row, requests in direct.sent.items():
        other.venue.advance(int(columns.close_ms[row]))
        for request in requests:
            assert broker.send(request).outcome == "filled"
    other.venue.advance(direct.venue.terminal.now_ms)
    assert len(direct.deals) > 30
    assert other.deals == direct.deals


def test_spec_equals_the_native_faces_where_decisions_look() -> None:
    of = instrument("XAUUSD")
    bars = random_walk(of, 10, seed=3, level=2000.0, move=0.002)
    run = BacktestRun(decided(bars, random_probabilities(len(bars), seed=5)), rules(of))
    theirs = native(run.venue, "UTC").symbol("XAUUSD")
    looked_at = {field.name for field in fields(theirs)} - {"swap_rollover3days", "spec_hash"}
    assert {name: getattr(run.venue.spec, name) for name in looked_at} == {
        name: getattr(theirs, name) for name in looked_at
    }
