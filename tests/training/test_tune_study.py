"""Studies: seeded, resumable, pruned, counted in the ledger, on SQLite and on PostgreSQL."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest

from ml.training.models import TrainingError
from ml.training.trials import TrialLedger
from ml.tune.command import words
from ml.tune.storage import opened, sqlite_url
from ml.tune.study import Outcome, StudyPlan, outcome, run_study, study_name
from tests.postgres import postgres_url
from tests.training.hill import Hill

ROOT = Path(__file__).resolve().parents[2]


class Bench:
    """A folder with a study's database (in memory: for one call of `run`) and a ledger."""

    def __init__(self, folder: Path, *, in_memory: bool = False) -> None:
        self.url = "sqlite:///:memory:" if in_memory else sqlite_url(folder / "optuna.sqlite")
        self.ledger = TrialLedger(folder / "trials.sqlite")

    def run(self, trials: int, search: Hill | None = None, **plan: Any) -> Outcome:
        made = StudyPlan(self.url, trials, plan.pop("seed", 7), **plan)
        return run_study(search or Hill(), made, self.ledger)

    @property
    def tried(self) -> list[float]:
        return [row.what["params"].get("rf.x") for row in self.ledger.rows("tune_trial")]

    @property
    def states(self) -> list[str]:
        return [row.result["state"] for row in self.ledger.rows("tune_trial")]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def once(tmp_path: Path) -> Bench:
    return Bench(tmp_path, in_memory=True)


def test_first_trial_is_todays_parameters_and_the_best_one_is_found(once: Bench) -> None:
    made = once.run(25)
    assert once.tried[0] == 0.2
    assert made.present_value == pytest.approx(10 - 25 - 0.1)
    assert made.params is not None
    assert made.params["rf.x"] == pytest.approx(0.7, abs=0.1)
    assert made.improves
    assert made.trials == 25


def test_study_stopped_and_resumed_makes_the_trials_of_an_uninterrupted_one(tmp_path: Path) -> None:
    whole, parts = Bench(tmp_path / "whole"), Bench(tmp_path / "parts")
    uninterrupted = whole.run(13)
    for trials in (1, 5, 12, 13):
        resumed = parts.run(trials)
    assert parts.tried == whole.tried
    assert resumed == uninterrupted


def test_study_killed_in_a_trial_makes_the_trials_of_an_uninterrupted_one(tmp_path: Path) -> None:
    whole, killed = Bench(tmp_path / "whole"), Bench(tmp_path / "killed")
    uninterrupted = whole.run(13)
    for trials in (0, 6):
        if trials:
            killed.run(trials, alone=True)
        with opened(killed.url) as storage:
            _leave_running(storage, study_name(Hill()))
    resumed = killed.run(13, alone=True)
    assert killed.tried == whole.tried
    assert resumed == uninterrupted


def test_running_trial_of_another_process_is_left_alone(bench: Bench) -> None:
    bench.run(2)
    with opened(bench.url) as storage:
        _leave_running(storage, study_name(Hill()))
        bench.run(3)
        study = optuna.load_study(study_name=study_name(Hill()), storage=storage)
        states = [each.state.name for each in study.get_trials()]
    assert states == ["COMPLETE", "COMPLETE", "RUNNING", "COMPLETE"]


def _leave_running(storage: Any, name: str) -> None:
    """As a killed process leaves a study: one trial was begun and nobody works on it."""
    optuna.create_study(storage=storage, study_name=name, direction="maximize",
                        load_if_exists=True).ask()  # fmt: skip


def test_study_with_enough_trials_makes_no_more(bench: Bench) -> None:
    bench.run(4)
    assert bench.run(4).trials == 4
    assert bench.ledger.count() == 4


def test_trials_of_another_host_or_another_ledger_are_counted_in_this_one(
    bench: Bench, tmp_path: Path
) -> None:
    bench.run(4)
    here = TrialLedger(tmp_path / "here.sqlite")
    for _ in range(2):
        run_study(Hill(), StudyPlan(bench.url, 4, 7), here)
        assert [row.what["trial"] for row in here.rows("tune_trial")] == [0, 1, 2, 3]
    there = TrialLedger(tmp_path / "there.sqlite")
    run_study(Hill(), StudyPlan(bench.url, 6, 7), there)
    assert [row.result["state"] for row in there.rows()] == ["stored"] * 4 + ["complete"] * 2
    assert [row.what["params"] for row in there.rows()][:4] == [
        row.what["params"] for row in bench.ledger.rows()
    ]


def test_another_seed_makes_other_trials(tmp_path: Path) -> None:
    one, other = (Bench(tmp_path / name, in_memory=True) for name in ("one", "other"))
    one.run(4, seed=1)
    other.run(4, seed=2)
    assert one.tried[0] == other.tried[0]
    assert one.tried[1:] != other.tried[1:]


@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_pruned_trials_stop_early_and_are_in_the_ledger_like_the_others(
    once: Bench, pruner: Any
) -> None:
    made = once.run(30, pruner=pruner)
    assert made.pruned > 0
    assert once.states.count("pruned") == made.pruned
    assert once.states.count("complete") == made.trials - made.pruned
    assert once.ledger.count("tune_trial") == 30
    stopped = [row for row in once.ledger.rows() if row.result["state"] == "pruned"]
    assert all(row.result["folds"] < 3 for row in stopped)


def test_nothing_is_pruned_where_the_pruner_is_off(once: Bench) -> None:
    assert once.run(20, pruner="none").pruned == 0


def test_row_of_the_ledger_says_what_was_tried_on_which_data_and_what_came(once: Bench) -> None:
    once.run(1)
    (row,) = once.ledger.rows()
    assert (row.kind, row.data_sha256) == ("tune_trial", "d" * 64)
    assert row.what == {
        "symbol": "BTCUSD", "model": "signal", "study": study_name(Hill()), "trial": 0, "seed": 7,
        "params": {"rf.x": 0.2}, "sample": {"days": 100},
    }  # fmt: skip
    assert row.result["state"] == "complete"
    assert row.result["folds"] == 3
    assert row.result["score"] == pytest.approx(-15.1)
    assert (row.result["trades"], row.result["sharpe"]) == (150, 1.0)


def test_trial_with_too_few_trades_is_recorded_and_never_wins(once: Bench) -> None:
    made = once.run(8, Hill(no_trades_below=2.0))
    assert once.states == ["not comparable"] * 8
    assert (made.value, made.params, made.pruned) == (None, None, 8)
    assert "nothing is proposed" in words(made)[1]


def test_failing_trial_is_recorded_with_its_reason_and_the_study_goes_on(once: Bench) -> None:
    made = once.run(12, Hill(fails_above=0.5))
    assert made.failed > 0
    assert made.trials == 12
    assert once.states.count("failed") == made.failed
    failed = next(row for row in once.ledger.rows() if row.result["state"] == "failed")
    assert "is too large" in failed.result["why_not"]


def test_study_whose_trials_all_fail_says_why(once: Bench) -> None:
    with pytest.raises(TrainingError, match=r"all 3 trials failed: rf_params: 0\.\d\d is too"):
        once.run(3, Hill(fails_above=0.0))


def test_stopped_trial_is_recorded_does_not_count_and_is_made_again(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    optuna.logging.enable_propagation()
    try:
        with pytest.raises(KeyboardInterrupt):
            bench.run(3, Hill(stop_at=0))
    finally:
        optuna.logging.disable_propagation()
    assert caplog.records == []  # no traceback for a person who pressed Ctrl-C
    assert bench.states == ["stopped"]
    made = bench.run(3)
    assert made.trials == 3
    assert made.present_value is not None
    assert bench.states == ["stopped", "complete", "complete", "complete"]


def test_other_objective_gets_another_study(bench: Bench) -> None:
    first = bench.run(2)
    second = bench.run(3, Hill(extra="another gate"))
    assert first.study != second.study
    assert second.trials == 3
    assert bench.run(2).trials == 2


def test_gain_below_two_percent_or_one_point_improves_nothing() -> None:
    def made(value: float | None, present: float | None) -> Outcome:
        return Outcome("s", 9, 0, 0, value, {}, present)

    assert not made(10.9, 10.0).improves
    assert made(11.0, 10.0).improves
    assert not made(-98.5, -100.0).improves
    assert made(-98.0, -100.0).improves
    assert not made(5.0, None).improves
    assert "keep today's parameters" in words(made(10.9, 10.0))[-1]
    assert "bars it has not seen" in words(made(11.0, 10.0))[-1]


def test_best_that_does_not_beat_trading_without_the_model_is_told_so() -> None:
    made = Outcome("s", 9, 0, 0, 5.0, {}, 1.0)
    assert "it does not beat trading without this model (6.00)" in words(made, 6.0)
    assert "it beats trading without this model (4.00)" in words(made, 4.0)


@pytest.mark.parametrize("url", ["nowhere", "postgresql://me:secret@127.0.0.1:1/none"])
def test_storage_that_cannot_be_used_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(TrainingError, match="storage: ") as caught, opened(url):
        pass
    assert "secret" not in str(caught.value)


def test_two_processes_share_one_study_on_postgresql_and_one_ledger(tmp_path: Path) -> None:
    with postgres_url() as url:
        run_study(Hill(), StudyPlan(url, 1, 7), TrialLedger(tmp_path / "trials.sqlite"))
        command = [sys.executable, "-m", "tests.training.hill", url, str(tmp_path), "12"]
        workers = [
            subprocess.Popen(
                command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
            )
            for _ in range(2)
        ]
        said = [worker.communicate(timeout=120)[0] for worker in workers]
        assert [worker.returncode for worker in workers] == [0, 0]
        assert all(int(text) in (12, 13) for text in said)
        with opened(url) as storage:
            import optuna

            study = optuna.load_study(study_name=study_name(Hill()), storage=storage)
            made = outcome(study)
            numbers = sorted(trial.number for trial in study.get_trials(deepcopy=False))
    assert made.trials in (12, 13)  # both may begin the last one
    assert numbers == list(range(made.trials))
    ledger = TrialLedger(tmp_path / "trials.sqlite")
    assert ledger.verify() == made.trials
    assert sorted(row.what["trial"] for row in ledger.rows()) == numbers
