"""A sweep: the same table wherever it runs, nothing tried twice, every trial in the ledger."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtest.gate_settings import GoLiveSettings, RetrainSettings
from backtest.memory import Memory
from backtest.statistics import (
    Overfitting,
    TrialSharpes,
    deflated_sharpe,
    overfitting,
    shape_of,
    sharpe_daily,
)
from backtest.sweep import search
from backtest.sweep.base import SweepBase, identity
from backtest.sweep.errors import SweepError
from backtest.sweep.grid import expand
from backtest.sweep.search import Progress, SweepRow, SweepTable, run_sweep
from backtest.sweep.store import SweepStore
from backtest.sweep.table import as_dict, words
from backtest.sweep.trial import Bench, Result, Trial
from ml.training.trials import TrialLedger

GRID = {
    "position_optimization.exit_threshold": [0.6, 0.85],
    "position_optimization.min_bars_held": [1, 4],
    "prediction.quantile.top_share": [0.3, 0.5],
}
SMALL = {"position_optimization.exit_threshold": [0.6, 0.85], "risk_percent": [0.5, 1.0]}
Sweep = Callable[..., SweepTable]


class Halted(Exception):
    """What ends a sweep in the middle of a test."""


@pytest.fixture
def sweep(base: SweepBase, tmp_path: Path) -> Sweep:
    """Runs points over the base, in this process, with a store and a ledger of the test's own."""

    def run(points: Sequence[Any], **how: Any) -> SweepTable:
        how = {"workers": 1} | how
        ledger, store = TrialLedger(tmp_path / "l.sqlite"), SweepStore(tmp_path / "s.sqlite")
        return run_sweep(base, points, ledger=ledger, store=store, **how)

    return run


@pytest.fixture(scope="module")
def unbroken(base: SweepBase, tmp_path_factory: pytest.TempPathFactory) -> SweepTable:
    folder = tmp_path_factory.mktemp("unbroken")
    ledger, store = TrialLedger(folder / "l.sqlite"), SweepStore(folder / "s.sqlite")
    return run_sweep(base, expand([GRID]), ledger=ledger, store=store, workers=1)


def told(table: SweepTable) -> dict[str, Any]:
    """What is the same wherever a sweep runs; its words say how many trials were stored before."""
    return as_dict(table, GoLiveSettings()) | {"words": 0}


def scored(row: SweepRow, score: float | None) -> SweepRow:
    return replace(row, result=Result({**row.figures, "score": score}, row.result.daily))


def test_trials_differ_and_are_comparable(unbroken: SweepTable) -> None:
    assert len(unbroken.rows) == 8
    assert all(row.score is not None for row in unbroken.rows)
    assert len({row.figures["net_profit"] for row in unbroken.rows}) >= 4
    assert unbroken.best is max(unbroken.rows, key=lambda row: row.score or -1e9)


def test_trial_is_the_backtest_of_the_same_settings(base: SweepBase, sweep: Sweep) -> None:
    """Answers that a bench has kept from trials before change nothing."""
    points = expand([SMALL])
    table = sweep(points)
    alone = Bench(base).run(Trial(points[-1], base.from_ms, base.to_ms))
    assert alone.figures == table.rows[-1].figures
    assert alone.daily.tobytes() == table.rows[-1].result.daily.tobytes()


def test_processes_make_the_same_table(unbroken: SweepTable, sweep: Sweep) -> None:
    assert told(sweep(expand([GRID]), workers=2)) == told(unbroken)


def test_halted_sweep_goes_on_and_equals_an_unbroken_one(
    unbroken: SweepTable, sweep: Sweep, tmp_path: Path
) -> None:
    def halt(so_far: Progress) -> None:
        if so_far.done == 3:
            raise Halted

    with pytest.raises(Halted):
        sweep(expand([GRID]), progress=halt)
    resumed = sweep(expand([GRID]))
    assert resumed.made == unbroken.made - 3
    assert told(resumed) == told(unbroken)
    # 8 settings, today's, and the sweep itself: none is missing, none is there twice
    assert TrialLedger(tmp_path / "l.sqlite").count("sweep") == unbroken.made + 1


def test_ledger_holds_every_trial_and_the_sweep(sweep: Sweep, tmp_path: Path) -> None:
    table = sweep(expand([SMALL]))
    ledger = TrialLedger(tmp_path / "l.sqlite")
    *trials, whole = ledger.rows("sweep")
    assert [each.what["overrides"] for each in trials] == [
        {}, *(dict(row.overrides) for row in table.rows if row.key != table.today.key)
    ]  # fmt: skip
    assert {each.what["sweep"] for each in trials} == {table.id}
    assert trials[0].result["score"] == table.today.score
    assert whole.what["whole_sweep"] is True
    assert whole.result["settings"] == len(table.rows)
    ledger.verify()


def test_swept_again_nothing_is_run_and_nothing_is_counted(sweep: Sweep, tmp_path: Path) -> None:
    first = sweep(expand([SMALL]))
    counted = TrialLedger(tmp_path / "l.sqlite").count()
    again = sweep(expand([SMALL]))
    assert again.made == 0
    assert told(again) == told(first)
    assert TrialLedger(tmp_path / "l.sqlite").count() == counted


def test_ledger_that_is_another_one_now_is_told_of_the_trials_that_were_stored(
    sweep: Sweep, tmp_path: Path
) -> None:
    first = sweep(expand([SMALL]))
    counted = TrialLedger(tmp_path / "l.sqlite").count()
    for file in tmp_path.glob("l.sqlite*"):
        file.unlink()
    again = sweep(expand([SMALL]))
    assert again.made == 0
    assert told(again) == told(first)
    ledger = TrialLedger(tmp_path / "l.sqlite")
    assert ledger.count() == counted
    whole = next(row.result for row in ledger.rows() if "whole_sweep" in row.what)
    assert whole["pbo"] == first.pbo


def test_words_say_what_the_best_is_worth_among_so_many(unbroken: SweepTable) -> None:
    rows = {row.key: row.result.daily for row in (unbroken.today, *unbroken.rows)}
    ratios = [sharpe_daily(each).annual / math.sqrt(365) for each in rows.values()]
    assert unbroken.best is not None
    expected = deflated_sharpe(
        shape_of(unbroken.best.result.daily), TrialSharpes.of(ratios, len(ratios))
    )
    assert unbroken.best_deflated_sharpe == pytest.approx(expected)
    assert f"deflated Sharpe of the best {expected:.2f}, 0.95 is proof" in " ".join(
        words(unbroken, GoLiveSettings())
    )
    nothing = replace(unbroken, rows=tuple(scored(row, None) for row in unbroken.rows))
    assert nothing.best_deflated_sharpe is None


def test_settings_that_come_to_today_s_are_one_trial(base: SweepBase, sweep: Sweep) -> None:
    same = base.settings.decision.risk_percent
    table = sweep([{"risk_percent": same}, {"risk_percent": 2 * same}])
    assert table.made == 2
    assert table.rows[0].key == table.today.key


def test_unknown_key_is_refused_with_near_matches_before_the_first_trial(
    sweep: Sweep, tmp_path: Path
) -> None:
    with pytest.raises(SweepError) as refused:
        sweep([{"risk_procent": 1}, {"exit_threshold": 0.5}, {"prediction.gat": "fixed"}])
    said = str(refused.value)
    assert "risk_procent: a key of decisions or paper is allowed, did you mean risk_percent" in said
    assert "did you mean position_optimization.exit_threshold" in said
    assert "did you mean prediction.gate" in said
    assert TrialLedger(tmp_path / "l.sqlite").count() == 0


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ({"position_optimization.exit_threshold": 1.5}, "less than or equal to 1"),
        ({"prediction.gate": "oracle"}, "'quantile' or 'fixed'"),
        ({"paper.slippage_points": -1}, "paper.slippage_points"),
        ({"max_lot": "big"}, "max_lot"),
        ({"adx_regime_filter.ranging_below": 0.9}, "both regimes would hold at once"),
        ({"prop.profile": "ftmo_2step"}, "a key of decisions or paper is allowed"),
        ({"features.groups": ["base"]}, "a key of decisions or paper is allowed"),
    ],
    ids=["bound", "choice", "paper", "kind", "pair", "prop", "features"],
)
def test_value_that_the_schema_refuses_stops_the_sweep_before_it_begins(
    override: dict[str, Any], words: str, sweep: Sweep, tmp_path: Path
) -> None:
    with pytest.raises(SweepError, match=words):
        sweep([{"risk_percent": 1.0}, override])
    assert TrialLedger(tmp_path / "l.sqlite").count() == 0


def test_look_back_of_the_gate_can_be_swept(sweep: Sweep) -> None:
    table = sweep([{"prediction.quantile.lookback_days": days} for days in (2, 4)])
    assert all(row.figures["trades"] > 50 for row in table.rows)
    assert table.rows[0].figures != table.rows[1].figures


def test_overfitting_is_that_of_all_different_settings(unbroken: SweepTable) -> None:
    by_key = {row.key: row.result.daily for row in (unbroken.today, *unbroken.rows)}
    assert unbroken.overfitting == overfitting(np.column_stack(list(by_key.values())))
    assert 0 <= unbroken.overfitting.pbo <= 1


@pytest.mark.parametrize(
    ("margin", "is_better"),
    [
        (RetrainSettings(margin=2.0), True),
        (RetrainSettings(margin=2.1), False),
        (RetrainSettings(margin=0, margin_share=0.05), False),
    ],
    ids=["at-the-margin", "below-the-margin", "below-the-share"],
)
def test_setting_beats_today_only_by_the_margin_of_the_retrain_gate(
    unbroken: SweepTable, margin: RetrainSettings, is_better: bool
) -> None:
    table = replace(unbroken, today=scored(unbroken.today, 50.0))
    assert table.improves(scored(table.rows[0], 52.0), margin) is is_better
    assert not table.improves(scored(table.rows[0], None), margin)
    assert replace(table, today=scored(table.today, None)).improves(table.rows[0], margin)


def test_words_hold_the_pbo_against_the_limit_of_the_settings(unbroken: SweepTable) -> None:
    table = replace(unbroken, overfitting=Overfitting(0.15, 0.1, 70, 8))
    assert "within the limit of 0.2" in " ".join(words(table, GoLiveSettings()))
    assert "above the limit of 0.1" in " ".join(words(table, GoLiveSettings(max_overfitting=0.1)))
    unknown = replace(table, overfitting=Overfitting(float("nan"), float("nan"), 0, 1))
    assert unknown.pbo is None
    assert "PBO: not measured" in " ".join(words(unknown, GoLiveSettings()))


def test_spans_of_their_own_have_no_overfitting(base: SweepBase, sweep: Sweep) -> None:
    middle = (base.from_ms + base.to_ms) // 2
    spans = [(base.from_ms, middle), (middle, base.to_ms)]
    table = sweep([Trial({}, *span) for span in spans])
    assert table.overfitting is None
    first, second = (row.figures["trades"] for row in table.rows)
    assert first + second == pytest.approx(table.today.figures["trades"], abs=3)


def test_other_data_models_or_code_are_other_trials(base: SweepBase) -> None:
    from dataclasses import replace

    changed = [
        replace(base, code="another"),
        replace(base, models={**base.models, "model_compat.json": b"{}"}),
        replace(base, history=base.history.rows(1, len(base.history))),
        replace(base, orders=replace(base.orders, magic_bits=32)),
    ]
    assert len({identity(each) for each in (base, *changed)}) == 5


def test_worker_of_another_version_is_refused(base: SweepBase) -> None:
    from dataclasses import replace

    with pytest.raises(SweepError, match="same program version"):
        Bench(replace(base, code="another"))


def test_answers_of_before_are_not_asked_again(
    base: SweepBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[str]] = []
    of = Memory.of

    def spied(memory: Memory, models: Any) -> Any:
        assert memory._folder is not None
        seen.append({file.name for file in memory._folder.iterdir()})
        return of(memory, models)

    monkeypatch.setattr(Memory, "of", spied)
    from dataclasses import replace

    Bench(replace(base, answers={"answers_x.npz": b"kept"}))
    assert "answers_x.npz" in seen[0]


def test_process_that_dies_loses_nothing(
    unbroken: SweepTable, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of two processes is killed after the second result."""
    import multiprocessing

    killed = []

    def kill(so_far: Progress) -> None:
        if so_far.done == 2 and not killed:
            victim = multiprocessing.active_children()[0]
            victim.kill()
            killed.append(victim.pid)

    table = sweep(expand([GRID]), workers=2, progress=kill)
    assert killed
    assert told(table) == told(unbroken)


def test_few_trials_are_not_worth_processes() -> None:
    assert search._workers(None, 10) == 1
    assert search._workers(3, 10) == 3
