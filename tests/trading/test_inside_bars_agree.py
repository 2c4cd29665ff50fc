"""M1 bars inside M15 bars: paper over HTTP, paper in one process and backtest are equal bit by bit.

The minutes are made so that each bar's high and low fall into different ones, in an order that
alternates: without them both levels in one bar are the stop.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backtest.driver import BacktestRun, run_backtest
from broker.simulator.settings import PaperSettings
from market.bars import Bars
from market.sources.files import read_bars
from tests.trading.paper_runs import (
    BTC,
    Case,
    decided_of,
    make_case,
    rules_of,
    run_in_process,
    run_over_http,
    settings_of,
)
from trading.canonical import deal_line, sha256_lines
from trading.errors import PaperError
from trading.journal import Journal
from trading.paper import PaperOptions, plan_run

BARS = 120
# Levels a bar often touches both of, and entries wherever a side has votes.
EAGER = {
    "prediction": {"quantile": {"lookback_days": 2, "top_share": 0.9}},
    "dynamic_sltp": {"sl_atr_multiplier": 0.3, "tp_atr_multiplier": 0.3},
    "spread_filter": {"max_points": 1e9, "max_atr_share": 10.0},
    "circuit_breaker": {"enabled": False},
    "risk_percent": 0.2,
}


def minutes_of(path: Path, bars: Bars) -> Path:
    """15 flat minutes a bar at its open; the high in the 4th, the low in the 10th, or the other
    way round in every second bar."""
    count = len(bars)
    opens = np.repeat(bars.open, 15).reshape(count, 15)
    high, low = opens.copy(), opens.copy()
    odd = np.arange(count) % 2 == 1
    rows = np.arange(count)
    high[rows, np.where(odd, 9, 3)] = bars.high
    low[rows, np.where(odd, 3, 9)] = bars.low
    at = bars.open_ms[:, None] + np.arange(15) * 60_000
    table = pa.table(
        {
            "time": pa.array(at.ravel(), pa.timestamp("ms", "UTC")),
            "open": opens.ravel(), "high": high.ravel(), "low": low.ravel(),
            "close": opens.ravel(), "tick_volume": np.ones(count * 15, dtype=np.int64),
            "spread": np.repeat(bars.spread_points, 15),
        }
    )  # fmt: skip
    pq.write_table(table, path)
    return path


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("inside")
    paper = PaperSettings(m1_inside_bars=True)
    made = make_case(folder, settings_of(**EAGER), bars=BARS, paper=paper, kinds=("signal",))
    from_ms = made.plan.limits.from_ms
    near = made.plan.bars.between(from_ms - 8 * 900_000, from_ms + (BARS + 4) * 900_000)
    file = minutes_of(folder / "inside.parquet", near)
    return replace(made, plan=replace(made.plan, m1_file=file, m1=read_bars(file, BTC)))


def backtest(case: Case) -> BacktestRun:
    rules = replace(rules_of(case), minutes=case.plan.m1)
    return run_backtest(decided_of(case), rules)


@pytest.fixture(scope="module")
def inside(case: Case) -> BacktestRun:
    return backtest(case)


def hashes(run: BacktestRun) -> tuple[str, str]:
    deals = sha256_lines(deal_line(deal) for deal in run.deals[1:])
    return sha256_lines(run.lines()), deals


def ambiguous(run: BacktestRun) -> int:
    return sum(deal.ambiguous for deal in run.venue.terminal.ledger.deals)


def test_minutes_turn_stops_into_targets_and_leave_nothing_untold(
    case: Case, inside: BacktestRun
) -> None:
    without = backtest(replace(case, paper=PaperSettings()))
    assert ambiguous(without) > 10
    assert ambiguous(inside) == 0
    won = [sum(trade.close_type == "TP_HIT" for trade in run.trades) for run in (without, inside)]
    assert won[1] > won[0] + 3


def test_paper_in_one_process_makes_the_same_lines_and_deals(
    case: Case, inside: BacktestRun, tmp_path: Path
) -> None:
    lines, terminal = run_in_process(case, tmp_path)
    assert sha256_lines(lines) == sha256_lines(inside.lines())
    assert terminal.deals() == inside.deals


def test_paper_over_http_with_a_killed_bridge_makes_the_same_hashes(
    case: Case, inside: BacktestRun, tmp_path: Path
) -> None:
    run_over_http(case, tmp_path, stop_after=BARS // 2)
    run_over_http(case, tmp_path)
    journal = Journal(tmp_path / "journal.sqlite")
    assert journal.meta("hashes") == " ".join(hashes(inside))
    journal.close()


def test_terminal_of_other_minutes_does_not_go_on_with_the_state(
    case: Case, inside: BacktestRun
) -> None:
    off = backtest(replace(case, paper=PaperSettings())).venue.terminal
    assert off.fingerprint() != inside.venue.terminal.fingerprint()


def test_switch_without_minutes_is_refused_before_the_run(case: Case) -> None:
    options = PaperOptions(None, None, None, BARS, "max")
    with pytest.raises(PaperError, match="--m1 FILE is needed"):
        plan_run(options, case.trade, case.paper)
    with pytest.raises(ValueError, match="M1 bars of BTCUSD are needed"):
        run_backtest(decided_of(case), rules_of(case))


def test_minutes_that_do_not_hold_the_whole_span_are_said(case: Case) -> None:
    minutes, from_ms = case.plan.m1, case.plan.limits.from_ms
    assert minutes is not None
    limits = replace(case.plan.limits, to_ms=from_ms + BARS * 900_000)
    whole = replace(case.plan, limits=limits)
    assert whole.missing_minutes(case.paper) == ()
    first = int(minutes.open_ms.searchsorted(from_ms))
    half = replace(whole, m1=minutes.rows(0, first + BARS * 15 // 2))
    (words,) = half.missing_minutes(case.paper)
    assert "50.0% of the span's minutes" in words
    assert half.missing_minutes(PaperSettings()) == ()
