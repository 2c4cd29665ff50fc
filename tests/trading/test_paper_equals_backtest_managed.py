"""Four models, all guards and management rules on: paper and backtest still agree, bit by bit.

One run over real HTTP, stopped and its bridge killed in the middle; in one process, switches in
pairs, and the backtest with and without skipping idle bars.
"""

from dataclasses import replace
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest

from backtest.driver import BacktestRun
from tests.trading.paper_runs import (
    Case,
    backtest_of,
    intents_of,
    make_case,
    run_in_process,
    run_over_http,
    settings_of,
)
from trading.canonical import deal_line, parse_input, sha256_lines
from trading.decision.decide import wanted
from trading.decision.records import DecisionInput
from trading.journal import Journal

BARS = 150
SWITCHES: dict[str, Any] = {
    "max_trades_per_day": 9,
    "news_block_minutes": 15,
    "dynamic_sltp": {"use_model": True},
    "adx_regime_filter": {
        "enabled": True, "allow": "ranging", "trending_above": 0.35, "ranging_below": 0.3,
    },
    "session_filter": {
        "enabled": True, "zone": "Europe/Berlin", "windows": [{"start": "05:00", "end": "02:00"}],
    },
    "rollover_filter": {"enabled": True},
    "equity_curve_filter": {"enabled": True, "lookback_trades": 4, "max_drawdown_pct": 4.0},
    "prop": {"profile": "ftmo_2step", "initial_balance": 10_000.0, "phase": "funded"},
}  # fmt: skip
MANAGEMENT: dict[str, Any] = {
    "kelly_lot_sizing": {"enabled": True},
    "ml_sltp": {"enabled": True},
    "partial_close": {"enabled": True, "break_even": False, "at_profit_atr": 0.4},
    "ml_trailing_stop": {"enabled": True, "min_profit_atr": 0.3},
    "add": {"enabled": True, "threshold": 0.8},
}
EARLY = {"min_bars_held": 2}


def all_on(**management: Any) -> dict[str, Any]:
    sections = MANAGEMENT | management
    return SWITCHES | {"position_optimization": EARLY, "ml_active_management": sections}


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Kelly sizing is left to the pairs: it would size most of these entries to nothing."""
    folder = tmp_path_factory.mktemp("case")
    return make_case(folder, settings_of(**all_on(kelly_lot_sizing={})), bars=BARS)


@pytest.fixture(scope="module")
def backtest(case: Case) -> BacktestRun:
    return backtest_of(case)


@pytest.fixture(scope="module")
def lines(backtest: BacktestRun) -> list[str]:
    return list(backtest.lines())


def test_run_over_http_stopped_and_killed_in_the_middle_equals_the_backtest(
    case: Case, backtest: BacktestRun, lines: list[str], tmp_path: Path
) -> None:
    run_over_http(case, tmp_path, stop_after=70)
    run_over_http(case, tmp_path)
    journal = Journal(tmp_path / "journal.sqlite")
    told, hashes = list(journal.decision_lines("BTCUSD")), journal.meta("hashes")
    journal.close()
    assert told == lines
    traded = [deal for deal in backtest.deals if deal.symbol]
    assert hashes == f"{sha256_lines(lines)} {sha256_lines(map(deal_line, traded))}"


def test_every_kind_of_intent_and_question_is_in_the_run(lines: list[str]) -> None:
    decided = intents_of(lines)
    assert set(decided) == {"enter", "add", "close", "partial", "modify"}
    assert min(decided.values()) >= 3
    inputs = [parse_input(line) for line in lines]
    held = [each for now in inputs for each in now.held]
    assert any(each.forecast is not None for each in held)
    assert all(each.forecast is None for each in held if each.bars_held < EARLY["min_bars_held"])
    assert any(now.stops is not None for now in inputs)
    assert len({now.risk_multiplier for now in inputs}) >= 3
    assert all(now.guard is not None and now.guard.prop is not None for now in inputs)
    assert any(now.news for now in inputs)
    assert len({now.market.trending for now in inputs}) == 2


def test_m1_bars_are_part_of_what_is_decided_on(case: Case, lines: list[str]) -> None:
    without = replace(case, plan=replace(case.plan, m1=None, m1_file=None))
    assert list(backtest_of(without).lines()) != lines


def test_skipping_idle_bars_changes_nothing(case: Case, lines: list[str]) -> None:
    whole = backtest_of(case, skip_idle=False)
    assert list(whole.lines()) == lines


def test_guards_see_the_same_days_whether_idle_bars_are_visited_or_passed_over(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[int, Any]] = []

    def kept(now: DecisionInput, *rest: Any) -> Any:
        seen[-1][now.market.open_ms] = now.guard
        return wanted(now, *rest)

    monkeypatch.setattr("backtest.driver.wanted", kept)
    for skip_idle in (True, False):
        seen.append({})
        backtest_of(case, skip_idle=skip_idle)
    skipping, whole = seen
    assert 20 < len(skipping) < len(whole) == BARS
    assert skipping == {open_ms: whole[open_ms] for open_ms in skipping}


def pairwise(names: list[str]) -> list[dict[str, bool]]:
    """Settings of two-valued switches in which each pair of them takes all four values."""
    wanted = {
        (a, x, b, y) for a, b in combinations(names, 2) for x, y in product((True, False), repeat=2)
    }
    rows = []
    while wanted:
        row: dict[str, bool] = {}
        for name in names:
            gain = {
                value: sum((a, row[a], name, value) in wanted for a in row)
                for value in (True, False)
            }
            row[name] = gain[True] >= gain[False] if len(rows) % 2 else gain[True] > gain[False]
        covered = {(a, row[a], b, row[b]) for a, b in combinations(names, 2)}
        if not covered & wanted:  # a pair that the greedy row cannot reach is set by hand
            a, x, b, y = min(wanted)
            row |= {a: x, b: y}
            covered = {(a, row[a], b, row[b]) for a, b in combinations(names, 2)}
        wanted -= covered
        rows.append(row)
    return rows


GUARDS = {"max_daily_loss_pct": 0.5, "max_weekly_drawdown_pct": 1.0}
BY_SWITCH: dict[str, dict[str, Any]] = {
    "guards": GUARDS,
    **{name: {name: value} for name, value in SWITCHES.items()},
    **{name: {"ml_active_management": {name: value}} for name, value in MANAGEMENT.items()},
    "no_position_model": {"ml_active_management": {"enabled": False}},
    "no_risk_model": {"risk_model": {"enabled": False}},
}
OFF: dict[str, Any] = {"max_daily_loss_pct": 0.0, "max_weekly_drawdown_pct": 0.0}


def settings_with(row: dict[str, bool]) -> dict[str, Any]:
    """The switches of a row; an addition needs the position model."""
    tree: dict[str, Any] = OFF | {"position_optimization": EARLY, "ml_active_management": {}}
    for name in (name for name, is_on in row.items() if is_on):
        section = dict(BY_SWITCH[name])
        tree["ml_active_management"] |= section.pop("ml_active_management", {})
        tree |= section
    if tree["ml_active_management"].get("enabled") is False:
        tree["ml_active_management"].pop("add", None)
    return tree


ROWS = pairwise(list(BY_SWITCH))


@pytest.mark.parametrize("row", ROWS, ids=map(str, range(len(ROWS))))
def test_switches_in_pairs_agree_on_paper_in_the_backtest_and_without_skipping(
    row: dict[str, bool], case: Case, tmp_path: Path
) -> None:
    few = replace(case.plan, limits=replace(case.plan.limits, bars=60))
    mine = replace(case, decision=settings_of(**settings_with(row)), plan=few)
    run = backtest_of(mine)
    lines = list(run.lines())
    told, _ = run_in_process(mine, tmp_path)
    assert told == lines
    assert backtest_of(mine, skip_idle=False).sent == run.sent


def test_primary_exit_agrees_too(case: Case, tmp_path: Path) -> None:
    management = {
        "ml_sltp": {}, "ml_trailing_stop": {}, "kelly_lot_sizing": {},
        "partial_close": {"enabled": True, "at_profit_atr": 0.4},
        "position_as_primary_exit": {"enabled": True},
    }  # fmt: skip
    mine = replace(case, decision=settings_of(**all_on(**management)))
    lines = list(backtest_of(mine).lines())
    told, _ = run_in_process(mine, tmp_path)
    assert told == lines
    assert {"enter", "close", "modify"} <= set(intents_of(lines))
