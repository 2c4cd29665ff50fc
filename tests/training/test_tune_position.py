"""Tuning the position model: its folds manage trades of a signal that had not seen them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml.training.after_signal import signal_evidence
from ml.training.position_settings import PositionTrainingSettings
from ml.training.position_trainer import PositionTraining
from ml.training.settings import TrainingSettings
from ml.training.trials import TrialLedger
from ml.tune import position
from ml.tune.judge import judge
from ml.tune.position_search import RULE, PositionSearch, proposed
from ml.tune.study import StudyPlan, run_study, sqlite_url
from settings import load_settings
from tests.training.tables import Trained
from tests.training.test_tune_signal import Fixed, _rules

ROOT = Path(__file__).resolve().parents[2]
SMALL = PositionTrainingSettings.model_validate({"gate": {"top_share": 0.6, "lookback_days": 7}})


@pytest.fixture(scope="module")
def search(trained: Trained) -> PositionSearch:
    training = TrainingSettings(n_splits=2, embargo_bars=24, calibration_days=12)
    signal = replace(trained.task, training=training)
    rules = _rules("prediction.quantile.lookback_days=5")
    task = PositionTraining(signal, rules.decision, SMALL)
    return PositionSearch(task, signal_evidence(signal, trained.paths), rules)


@pytest.fixture(scope="module")
def judged(search: PositionSearch) -> list[Any]:
    """One trial whose rule believes every EXIT."""
    return list(search.trial(Fixed(rule_min_bars_held=2)))


def test_spans_follow_one_another_over_the_test_parts(search: PositionSearch) -> None:
    (first, middle), (same, last) = search.spans_ms
    assert first < middle == same < last
    open_ms, of = search.evidence.bars.open_ms, search.table.of
    for fold, (from_ms, to_ms) in zip(search.folds, search.spans_ms, strict=True):
        decided_ms = open_ms[of.bar[fold.test] - of.bars_held[fold.test]]
        assert from_ms == decided_ms.min()
        assert decided_ms.max() <= to_ms


def test_fold_learned_only_from_trades_that_ended_before_its_span(search: PositionSearch) -> None:
    end_bar = search.table.of.end_bar
    for fold, (from_ms, _) in zip(search.folds, search.spans_ms, strict=True):
        known = np.r_[fold.base, fold.calibration]
        assert search.evidence.bars.open_ms[end_bar[known].max()] < from_ms


def test_trades_are_those_of_the_span_and_some_are_ended_by_the_model(
    search: PositionSearch, judged: list[Any]
) -> None:
    without = search.without_model()
    assert without.score.trades > 10
    assert judged[-1].score.trades >= without.score.trades  # freed sooner, opened more often
    assert judged[-1].as_dict() != without.as_dict()


def test_rule_that_is_never_reached_leaves_every_trade_as_it_is_without_a_model(
    search: PositionSearch,
) -> None:
    never = Fixed(rule_exit_threshold=0.95, rule_min_prob_diff=0.5, rule_min_bars_held=24)
    assert list(search.trial(never))[-1].as_dict() == search.without_model().as_dict()


def test_runs_one_after_the_other_go_on_with_the_money_of_the_one_before(
    search: PositionSearch,
) -> None:
    decision = search._decision(search.task.decision.position_optimization)
    runs = [search._run(decision, None, span_ms) for span_ms in search.spans_ms]
    alone = [judge([run], seed=1) for run in runs]
    both = judge(runs, seed=1)
    left = runs[0].curve.close[-1] / runs[0].initial_balance
    assert both.score.trades == sum(each.score.trades for each in alone)
    assert both.net_profit == pytest.approx(alone[0].net_profit + left * alone[1].net_profit)
    assert both.score.max_drawdown >= max(each.score.max_drawdown for each in alone) - 1e-12


def test_identity_names_the_signal_graph_and_the_sample(search: PositionSearch) -> None:
    identity = search.identity()
    assert identity["signal_graph_sha256"] == search.evidence.entry.graph.sha256
    assert identity["sample"]["rows"] == len(search.table)
    fewer = replace(
        search, task=replace(search.task, settings=SMALL.model_copy(update={"max_rows": 1000}))
    )
    assert fewer.identity() != identity
    assert len(fewer.table) <= 1000 < len(search.table)


def test_proposal_can_be_copied_into_the_settings_files(search: PositionSearch) -> None:
    found = proposed(search.task, search.present())
    assert set(found["config"]["position_optimization"]) == set(RULE)
    section = found["ml_config"]["position_training"]
    made = PositionTrainingSettings.model_validate(SMALL.model_dump() | section)
    assert made.params.rf["max_features"] == 0.5
    assert made.params.lgb["num_leaves"] == 15
    rule = found["config"]["position_optimization"]
    texts = [f"position_optimization.{name}={value}" for name, value in rule.items()]
    assert load_settings(ROOT, overrides=texts).decision.position_optimization.min_bars_held == 4


def test_study_of_the_position_model_is_counted_like_any_other(
    search: PositionSearch, tmp_path: Path
) -> None:
    ledger = TrialLedger(tmp_path / "trials.sqlite")
    made = run_study(search, StudyPlan(sqlite_url(tmp_path / "optuna.sqlite"), 1, 1), ledger)
    assert made.study.startswith("position-btcusd-")
    (row,) = ledger.rows("tune_trial")
    assert row.what["model"] == "position"
    assert row.what["params"]["rule.exit_threshold"] == 0.8
    json.dumps(row.result, allow_nan=False)


def test_door_without_a_signal_model_says_which_comes_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert position.main(["--models", str(tmp_path), "--from", "2024-10-01",
                          "--to", "2025-01-01"]) == 2  # fmt: skip
    assert "the signal model comes first" in capsys.readouterr().err
