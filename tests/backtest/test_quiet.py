"""Closes of open trades that are passed over: whatever manages or guards the trade, the closes
that are visited see what they would have seen, and nothing else is sent."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from backtest import quiet
from backtest.columns import DecidedBars
from backtest.driver import BacktestRun, Rules, run_backtest
from backtest.memory import Said
from broker.contract.messages import OrderRequest
from broker.simulator.settings import PaperSettings
from market.bars import Bars, Float64s
from market.instruments import instrument
from settings.prop import read_prop_profile
from tests.backtest.markets import STRATEGY, decided, random_probabilities, random_walk
from tests.trading.test_paper_equals_backtest_managed import pairwise
from trading.advice import BesideModels
from trading.bridge_process import PROJECT_ROOT
from trading.decision.decide import wanted
from trading.decision.records import DecisionInput
from trading.decision.settings import DecisionSettings
from trading.execution.intents import LevelsRequest
from trading.trade_state import TradeFacts

FEATURES = ("one", "two", "momentum_decay")
WIDE = {"spread_filter": {"max_points": 1e9, "max_atr_share": 1.0}}
FIXED = {"prediction": {"gate": "fixed", "confidence_threshold": 0.6}}


class Drawn:
    """A position model whose answer is drawn by its row: mostly HOLD, at times EXIT or ADD."""

    def predict(self, rows: Float64s) -> Said:
        drawn = np.modf(np.abs(rows[:, 0] * 977 + rows[:, 4] * 13 + rows[:, 5] * 7))[0]
        says = np.where(drawn < 0.85, 0, np.where(drawn < 0.95, 1, 2))
        return Said(np.c_[0.05 + 0.85 * np.eye(3)[says], np.repeat(says[:, None], 3, axis=1)])


def market(symbol: str, count: int, atr: float) -> DecidedBars:
    """So many decided bars after those that ATR needs before it is known."""
    level, move = (60_000.0, 0.002) if symbol == "BTCUSD" else (2000.0, 0.001)
    bars = random_walk(instrument(symbol), 4600 + 2 * count, seed=4, level=level, move=move)
    first = int(np.isnan(TradeFacts(bars, instrument(symbol))._atr).sum())
    return cut(bars.rows(0, first + count), first, atr)


def cut(bars: Bars, first: int, atr: float) -> DecidedBars:
    columns = decided(bars, random_probabilities(len(bars), seed=5), atr=atr)
    features = np.random.default_rng(6).normal(size=(len(bars), len(FEATURES)))
    features[::97, 1] = np.nan
    forecasts = replace(columns.forecasts, features=features, feature_names=FEATURES)
    return replace(
        columns, first=first, forecasts=forecasts.rows(first, len(bars)),
        margin_floor=columns.margin_floor[first:], atr=columns.atr[first:],
        ema200=columns.ema200[first:],
    )  # fmt: skip


def rules(symbol: str = "BTCUSD", *, paper: PaperSettings | None = None, **tree: Any) -> Rules:
    tree = WIDE | FIXED | {"risk_management": {"min_atr_threshold": 0.5}} | tree
    tree |= {"prop_rules": read_prop_profile(PROJECT_ROOT, tree, [])}
    models = BesideModels(position=Drawn())
    settings = DecisionSettings.model_validate(tree)
    return Rules(
        instrument(symbol), settings, paper or PaperSettings(), STRATEGY, models=models
    )  # fmt: skip


Inputs = dict[int, str]


def watched(
    columns: DecidedBars, by: Rules, monkeypatch: pytest.MonkeyPatch, *, skip_idle: bool
) -> tuple[BacktestRun, Inputs]:
    """The run, and what each visited close was decided on."""
    seen: Inputs = {}

    def kept(now: DecisionInput, *rest: Any) -> Any:
        seen[now.market.open_ms] = repr(now)
        return wanted(now, *rest)

    monkeypatch.setattr("backtest.driver.wanted", kept)
    return run_backtest(columns, by, skip_idle=skip_idle), seen


def assert_same(
    columns: DecidedBars, by: Rules, monkeypatch: pytest.MonkeyPatch
) -> tuple[BacktestRun, int]:
    """Equal with and without skipping; the run, and how many closes it visited."""
    fast, few = watched(columns, by, monkeypatch, skip_idle=True)
    slow, every = watched(columns, by, monkeypatch, skip_idle=False)
    assert len(every) == len(columns)
    assert few == {open_ms: every[open_ms] for open_ms in few}
    assert fast.sent == slow.sent
    assert fast.deals == slow.deals
    return fast, len(few)


OFF: dict[str, Any] = {
    "max_daily_loss_pct": 0.0, "max_weekly_drawdown_pct": 0.0, "risk_percent": 1.0,
}  # fmt: skip
SWITCHES: dict[str, dict[str, Any]] = {
    "guards": {"max_daily_loss_pct": 3.0, "max_weekly_drawdown_pct": 8.0},
    "prop": {"prop": {"profile": "ftmo_2step", "initial_balance": 10_000.0}},
    "more_risk": {"risk_percent": 2.5},
    "three_positions": {"max_open_positions": 3},
    "partial": {"partial_close": {"enabled": True, "break_even": False, "at_profit_atr": 0.6}},
    "trail": {"ml_trailing_stop": {"enabled": True, "min_profit_atr": 0.5}},
    "add": {"add": {"enabled": True, "threshold": 0.8, "min_profit_atr": 0.1}},
    "other_zone": {"timezone": "America/New_York"},
}
MANAGEMENT = ("partial", "trail", "add")
ROWS = pairwise(list(SWITCHES))


def tree_of(row: dict[str, bool]) -> dict[str, Any]:
    tree = OFF | {"ml_active_management": {}}
    for name in (name for name, is_on in row.items() if is_on):
        if name in MANAGEMENT:
            tree["ml_active_management"] |= SWITCHES[name]
        else:
            tree |= SWITCHES[name]
    return tree


@pytest.mark.parametrize("row", ROWS, ids=map(str, range(len(ROWS))))
def test_switches_in_pairs_see_and_send_the_same_with_and_without_passing_over(
    row: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = assert_same(market("BTCUSD", 1200, 900.0), rules(**tree_of(row)), monkeypatch)
    assert len(run.deals) > 20


def test_most_closes_of_a_held_trade_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    by = rules(prop={"profile": "ftmo_2step", "initial_balance": 10_000.0}, risk_percent=0.2)
    run, visited = assert_same(market("BTCUSD", 3000, 1500.0), by, monkeypatch)
    closes = {trade.close_type for trade in run.trades}
    assert closes == {"ML_EXIT", "SL_HIT", "TP_HIT"}
    held = sum((trade.closed_ms - trade.opened_ms) // 900_000 for trade in run.trades)
    assert visited < held / 2


def test_an_addition_comes_on_the_close_the_model_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest lot leaves most of the risk budget to additions."""
    add = {"enabled": True, "threshold": 0.8, "min_profit_atr": 0.05}
    by = rules(max_lot=0.02, ml_active_management={"add": add})
    run, _ = assert_same(market("BTCUSD", 1500, 1500.0), by, monkeypatch)
    times = [trade.opened_ms for trade in run.trades]
    overlapping = sum(
        one.opened_ms < other < one.closed_ms for one in run.trades for other in times
    )
    assert overlapping >= 5


def test_a_break_even_that_cannot_be_set_yet_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    part = {"enabled": True, "break_even": True, "at_profit_atr": 0.02}
    by = rules(ml_active_management={"enabled": False, "partial_close": part})
    run, _ = assert_same(market("BTCUSD", 2500, 900.0), by, monkeypatch)
    parts, changes = (
        {row for row, sent in run.sent.items() if any(isinstance(each, kind) for each in sent)}
        for kind in (OrderRequest, LevelsRequest)
    )
    assert len(changes & parts) > 5
    assert changes - parts


@pytest.mark.parametrize("profile", ["ftmo_2step", "fundingpips_2step"])
def test_a_prop_firms_lines_are_seen_on_the_close_they_are_reached(
    profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    by = rules(
        prop={"profile": profile, "initial_balance": 10_000.0, "buffer_share": 0.0,
              "soft_stop_share": 0.15, "flatten_share": 0.2},
        risk_percent=3.0, max_daily_loss_pct=0.0, max_weekly_drawdown_pct=0.0,
        ml_active_management={"enabled": False},
    )  # fmt: skip
    run, _ = assert_same(market("BTCUSD", 3000, 1500.0), by, monkeypatch)
    assert sum(trade.close_type.startswith("PROP_") for trade in run.trades) >= 3


@pytest.mark.parametrize("phase", ["challenge", "funded"])
def test_nights_weekends_and_a_firm_that_wants_to_be_flat(
    phase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prop = {"profile": "ftmo_2step", "initial_balance": 10_000.0, "phase": phase}
    paper = PaperSettings(server_timezone="Europe/Helsinki")
    by = rules("XAUUSD", paper=paper, prop=prop, risk_percent=0.5, max_lot=5.0,
               news_filter={"when_unknown": "trade"})  # fmt: skip
    run, _ = assert_same(market("XAUUSD", 3000, 25.0), by, monkeypatch)
    assert any(deal.swap for deal in run.deals)
    assert any(trade.close_type == "PROP_BREAK" for trade in run.trades) is (phase == "funded")


def test_a_trade_older_than_the_look_back_is_looked_at_on_every_close(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("trading.trade_state.HELD_LOOKBACK_MS", 20 * 900_000)
    monkeypatch.setattr(quiet, "HELD_LOOKBACK_MS", 20 * 900_000)
    assert_same(market("BTCUSD", 1500, 3000.0), rules(), monkeypatch)


def test_holes_in_the_market_are_no_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = market("BTCUSD", 1500, 900.0)
    bars, kept = columns.history, np.random.default_rng(8).random(len(columns.history)) > 0.1
    holed = replace(bars, **{
        name: getattr(bars, name)[kept]
        for name in ("open_ms", "open", "high", "low", "close", "tick_volume", "spread_points")
    })  # fmt: skip
    assert_same(cut(holed, int(kept[: columns.first].sum()), 900.0), rules(), monkeypatch)
