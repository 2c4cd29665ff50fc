"""Who is judged on which weeks, and what the gates say: told results, no model."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from backtest.sweep.search import SweepTable
from retrain.evaluation import judged_span, why_not_compared
from retrain.judging import score_gate, walk_forward_gate
from retrain.options import WeeklyOptions
from retrain.phase import Run
from retrain.sweeping import why_not
from retrain.window import WEEK_MS
from settings import load_settings
from settings.strategy_params import write_strategy_params
from tests.builders import MONDAY_MS
from tests.retrain.short_runs import with_result
from tests.retrain.weekly_runs import project_folder

_TO_MS = MONDAY_MS + 60 * WEEK_MS
_JUDGE_MS = _TO_MS - 26 * WEEK_MS
_DAY_MS = 86_400_000


def _run(root: Path, *, champion_ms: int | None = None, overrides: tuple[str, ...] = ()) -> Run:
    """A run that was audited: judged on the last 26 weeks."""
    project_folder(root)
    given = ("weekly.sweep_weeks=13", "weekly.judge_weeks=26", *overrides)
    run = Run(root / "run", root, WeeklyOptions(), load_settings(root, overrides=given), print)
    run.folder.mkdir()
    comparable_ms = None if champion_ms is None else champion_ms + 26 * WEEK_MS
    audited = {
        "from_ms": MONDAY_MS, "cutoff_ms": _JUDGE_MS - 13 * WEEK_MS, "judge_ms": _JUDGE_MS,
        "to_ms": _TO_MS, "champion_cutoff_ms": champion_ms, "comparable_from_ms": comparable_ms,
    }  # fmt: skip
    with_result(run, "data_audit", lambda _: audited)
    return run


def _score(value: float | None, why_not: str = "") -> dict[str, Any]:
    return {"value": value, "profit_factor_p5": 1.1, "max_drawdown": 0.05, "trades": 200,
            "why_not": why_not}  # fmt: skip


def _evaluated(run: Run, mine: dict[str, Any], theirs: dict[str, Any] | None) -> Run:
    from_ms, to_ms = judged_span(run)
    told = {
        "from_ms": from_ms, "to_ms": to_ms, "weeks": (to_ms - from_ms) / WEEK_MS,
        "candidate": {"score": mine, "sharpe": 1.2},
        "champion": None if theirs is None else {"score": theirs},
        "champion_why_not": why_not_compared(run),
    }  # fmt: skip
    with_result(run, "evaluate", lambda _: told)
    return run


def _missed(made: Any) -> list[str]:
    return [each["name"] for each in made.figures["criteria"] if not each["met"]]


def test_champion_that_learned_before_the_judged_weeks_is_judged_on_all_of_them(
    tmp_path: Path,
) -> None:
    run = _run(tmp_path / "p", champion_ms=_JUDGE_MS - 14 * WEEK_MS)
    assert why_not_compared(run) == ""
    assert judged_span(run) == (_JUDGE_MS, _TO_MS)


def test_champion_that_learned_from_a_judged_week_is_not_compared_and_stays(
    tmp_path: Path,
) -> None:
    run = _run(tmp_path / "p", champion_ms=_JUDGE_MS + WEEK_MS)
    assert "it learned until 2025-09-01 00:00 UTC, 25.0 weeks" in why_not_compared(run)
    assert "from 2026-03-02 00:00 UTC on" in why_not_compared(run)
    assert judged_span(run) == (_JUDGE_MS, _TO_MS)
    made = score_gate(_evaluated(run, _score(50.0), None))
    assert _missed(made) == ["window"]


def test_window_moves_with_the_champion_where_enough_weeks_are_left(tmp_path: Path) -> None:
    champion_ms = _JUDGE_MS + 2 * WEEK_MS
    run = _run(tmp_path / "p", champion_ms=champion_ms, overrides=("gate.retrain.min_weeks=20",))
    assert judged_span(run) == (champion_ms, _TO_MS)
    assert score_gate(_evaluated(run, _score(9.0), _score(5.0))).figures["passed"]


def test_champion_that_learned_to_the_end_leaves_no_week(tmp_path: Path) -> None:
    run = _run(tmp_path / "p", champion_ms=_TO_MS + WEEK_MS)
    assert "0.0 weeks before the end" in why_not_compared(run)
    assert _missed(score_gate(_evaluated(run, _score(9.0), None))) == ["window"]


@pytest.mark.parametrize(
    ("mine", "theirs", "missed"),
    [
        (_score(9.0), _score(5.0), []),
        (_score(5.9), _score(5.0), ["better than the old"]),
        (_score(-40.0), _score(-50.0), []),
        (_score(None, "60 trades"), _score(-50.0), ["new score", "better than the old"]),
        (_score(-90.0), _score(None, "60 trades"), []),
    ],
    ids=["better", "by-less-than-the-margin", "both-lose", "not-comparable", "old-not-comparable"],
)
def test_score_gate(
    tmp_path: Path, mine: dict[str, Any], theirs: dict[str, Any], missed: list[str]
) -> None:
    run = _run(tmp_path / "p", champion_ms=_JUDGE_MS - WEEK_MS)
    made = score_gate(_evaluated(run, mine, theirs))
    assert _missed(made) == missed
    assert made.figures["passed"] == (not missed)
    assert made.state == "done"


@pytest.mark.parametrize(
    ("lost_r", "missed"),
    [(0.9, []), (2.0, ["profit factor of the pool", "worst fold"])],
    ids=["earns", "loses"],
)
def test_walk_forward_gate_cuts_the_judged_weeks_into_folds(
    tmp_path: Path, lost_r: float, missed: list[str]
) -> None:
    run, days = _run(tmp_path / "p"), range(1, 182)
    r = [1.0 if day % 2 else -lost_r for day in days]
    closed = [_JUDGE_MS + day * _DAY_MS for day in days]
    run.backtests.mkdir()
    trades = {"closed_ms": closed, "net": [10 * each for each in r], "r": r}
    (run.backtests / "candidate_trades.json").write_text(json.dumps(trades))
    made = walk_forward_gate(_evaluated(run, _score(5.0), None))
    assert _missed(made) == missed
    worst = next(each for each in made.figures["criteria"] if each["name"] == "worst fold")
    assert worst["seen"].endswith("of 6 folds")


def _table(*, improves: bool = True, pbo: float | None = 0.1, best: bool = True) -> SweepTable:
    made: Any = SimpleNamespace(
        best=SimpleNamespace(overrides={"risk_percent": 1.0}, score=9.0) if best else None,
        improves=lambda row, margin: improves,
        pbo=pbo,
    )
    table: SweepTable = made
    return table


@pytest.mark.parametrize(
    ("table", "enabled", "said"),
    [
        (_table(), True, ""),
        (_table(best=False), True, "no setting is comparable"),
        (_table(improves=False), True, "no setting beats today's"),
        (_table(pbo=0.21), True, "PBO 0.210, at most 0.2 is allowed"),
        (_table(pbo=None), True, "could not be measured"),
        (_table(), False, "strategy_params.enabled is false"),
    ],
    ids=["chosen", "not-comparable", "too-small", "overfitted", "no-pbo", "switched-off"],
)
def test_setting_of_the_sweep_is_chosen_only_if_it_means_something(
    tmp_path: Path, table: SweepTable, enabled: bool, said: str
) -> None:
    project_folder(tmp_path / "p")
    write_strategy_params(tmp_path / "p" / "models", {}, {})
    given = (f"strategy_params.enabled={str(enabled).lower()}",)
    settings = load_settings(tmp_path / "p", overrides=given)
    run = Run(tmp_path / "run", tmp_path / "p", WeeklyOptions(), settings, print)
    found = why_not(run, table)
    assert said in found
    assert bool(said) == bool(found)
