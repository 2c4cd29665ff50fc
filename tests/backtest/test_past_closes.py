"""What closes that nobody decided were worth, from deals and bars: as the terminal itself says."""

import pytest

from backtest.driver import BacktestRun
from broker.simulator.settings import PaperSettings
from market.instruments import instrument
from tests.backtest.markets import decided, random_probabilities, random_walk, rules
from trading.decision.guards import worst_equity
from trading.past_closes import past_closes


@pytest.mark.parametrize("symbol", ["BTCUSD", "EURUSD"])
def test_past_closes_are_worth_what_the_terminal_said(symbol: str) -> None:
    of = instrument(symbol)
    level, atr = {"BTCUSD": (60_000.0, 300.0), "EURUSD": (1.1, 0.004)}[symbol]
    bars = random_walk(of, 300, seed=3, level=level, move=0.002)
    columns = decided(bars, random_probabilities(len(bars), seed=5), atr=atr, floor=0.1)
    by = rules(
        of, PaperSettings(slippage_points=0), max_lot=50.0, max_open_positions=2,
        max_daily_loss_pct=0.0, max_weekly_drawdown_pct=0.0,
        risk_management={"min_atr_threshold": 0.0},
        spread_filter={"max_points": 1e9, "max_atr_share": 1.0},
    )  # fmt: skip
    run = BacktestRun(columns, by)
    said, ended = [], set()
    for row in range(len(bars)):
        now, decision = run.decide_at(row)
        said.append((now.account.balance, now.account.equity, worst_equity(now)))
        run.act(row, now, decision)
        ended |= {trade.closed_ms for trade in run.venue.book.closed}
    deals = run.deals
    told = past_closes(bars, deals, run.terms, balance=run.venue.terminal.balance)
    assert len(told) == len(bars)
    held = 0
    for (balance, equity, worst), past, open_ms in zip(said, told, bars.open_ms, strict=True):
        sent_now = sum(
            deal.commission for deal in deals
            if deal.time_msc == past.close_ms and deal.entry == 0 and deal.symbol
        )  # fmt: skip
        assert past.balance - sent_now == pytest.approx(balance, abs=1e-6)
        swap = 3 * of.swap_long if of.swap_long else 0.0
        assert past.equity == pytest.approx(equity, abs=0.05 + abs(swap) * 50)
        ends_inside = any(open_ms <= ms <= past.close_ms for ms in ended)
        if not ends_inside:
            assert past.worst_equity == pytest.approx(worst, abs=0.05 + abs(swap) * 50)
        held += equity != balance
    assert held > 50
