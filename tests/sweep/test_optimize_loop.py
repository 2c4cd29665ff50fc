"""The optimisation loop: groups stay or go by SHAP and score; a stopped loop goes on."""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from backtest.gate_settings import RetrainSettings
from ml.training.study_settings import GroupRules
from ml.tune.loop import (
    Groups,
    LoopOutcome,
    LoopRules,
    Measured,
    Params,
    Proposal,
    StepLog,
    largest_shap,
    optimise,
)
from scripts.optimize_loop import apply, main
from settings import load_settings
from settings.strategy_params import write_strategy_params

ROOT = Path(__file__).resolve().parents[2]
BASE: Groups = ("base", "regime")
RULES = LoopRules(
    GroupRules(candidates=("smc", "onchain"), margin=0.5, margins={"onchain": 2.0}),
    0.001,
    RetrainSettings(),
)
NOTHING = Proposal(None, ["too small"])
MUCH = {"base": 0.2, "regime": 0.1}


@dataclass
class Told:
    """A bench that answers from a table: by groups, and whether parameters were tuned."""

    answers: dict[tuple[Groups, bool], Measured]
    proposal: Proposal = NOTHING
    asked: list[str] = field(default_factory=list)
    dies_at: int = 99

    def measure(self, groups: Groups, params: Params) -> Measured:
        self._ask("+".join(groups) + (" tuned" if params else ""))
        return self.answers[groups, bool(params)]

    def tune(self, groups: Groups) -> Proposal:
        self._ask("tune " + "+".join(groups))
        return self.proposal

    def _ask(self, what: str) -> None:
        if len(self.asked) == self.dies_at:
            raise KeyboardInterrupt
        self.asked.append(what)


def measured(score: float | None, **shap: float) -> Measured:
    return Measured(score, 300, {**MUCH, **shap})


def run(bench: Told, folder: Path, present: Groups = BASE) -> LoopOutcome:
    return optimise(bench, present, RULES, StepLog(folder / "steps.json", "same"))


def with_smc(score: float | None, shap: float) -> Told:
    wide = (*BASE, "smc")
    return Told({
        (BASE, False): measured(10.0), (wide, False): measured(score, smc=shap),
        ((*BASE, "onchain"), False): measured(11.9, onchain=0.1),
        ((*wide, "onchain"), False): measured(11.9, onchain=0.1),
    })  # fmt: skip


@pytest.mark.parametrize(
    ("score", "shap", "kept"),
    [
        (10.5, 0.001, True),
        (10.49, 0.001, False),
        (20.0, 0.0009, False),
        (None, 0.1, False),
    ],
    ids=["margin-reached", "margin-missed", "shap-too-small", "not-comparable"],
)
def test_group_is_kept_for_score_and_shap_together(
    score: float | None, shap: float, kept: bool, tmp_path: Path
) -> None:
    made = run(with_smc(score, shap), tmp_path)
    assert ("smc" in made.groups) is kept
    assert made.verdicts[0].step == "add smc"
    assert made.verdicts[0].kept is kept
    assert "onchain" not in made.groups  # its own margin is 2.0
    assert made.sections == ({"features": {"groups": made.groups}} if kept else {})


def test_group_that_says_nothing_is_dropped_unless_the_score_falls(tmp_path: Path) -> None:
    for score, dropped in ((10.0, True), (9.9, False)):
        bench = with_smc(10.0, 0.0)
        bench.answers[BASE, False] = measured(10.0, regime=0.0005)
        bench.answers[("base",), False] = measured(score)
        made = run(bench, tmp_path / str(score))
        assert ("regime" not in made.groups) is dropped


def test_group_that_says_something_is_not_trained_without(tmp_path: Path) -> None:
    bench = with_smc(10.0, 0.0)
    run(bench, tmp_path)
    assert bench.asked == ["base+regime", "base+regime+smc", "base+regime+onchain",
                           "tune base+regime"]  # fmt: skip


@pytest.mark.parametrize(("score", "kept"), [(11.0, True), (10.9, False), (None, False)])
def test_parameters_are_kept_at_the_retrain_margin(
    score: float | None, kept: bool, tmp_path: Path
) -> None:
    bench = with_smc(10.0, 0.0)
    bench.proposal = Proposal({"rf_params": {"n_estimators": 7}}, ["found"])
    bench.answers[BASE, True] = measured(score)
    made = run(bench, tmp_path)
    assert made.sections == ({"rf_params": {"n_estimators": 7}} if kept else {})
    assert made.score_after == (score if kept else 10.0)


def test_stopped_loop_goes_on_and_equals_an_unbroken_one(tmp_path: Path) -> None:
    unbroken = run(with_smc(10.5, 0.1), tmp_path / "unbroken")
    steps = len(with_smc(10.5, 0.1).answers) + 1
    asked: list[str] = []
    for at in range(steps):
        bench = with_smc(10.5, 0.1)
        bench.dies_at = 1
        try:
            made = run(bench, tmp_path / "broken")
        except KeyboardInterrupt:
            asked += bench.asked
            continue
        asked += bench.asked
        assert at > 0
        break
    assert made == unbroken
    assert len(asked) == len(set(asked))


def test_steps_of_another_loop_are_not_taken(tmp_path: Path) -> None:
    StepLog(tmp_path / "steps.json", "one").step("train", lambda: 1)
    assert StepLog(tmp_path / "steps.json", "one").step("train", lambda: 2) == 1
    assert StepLog(tmp_path / "steps.json", "other").step("train", lambda: 3) == 3


def test_largest_shap_of_a_group_leaves_protected_features_out() -> None:
    features = [
        {"name": "a", "mean_abs_shap": 0.2, "protected": True},
        {"name": "b", "mean_abs_shap": 0.1, "protected": False},
        {"name": "c", "mean_abs_shap": 0.05, "protected": False},
    ]
    assert largest_shap(features, {"a": "x", "b": "x", "c": "y"}) == {"x": 0.1, "y": 0.05}


def test_dry_run_says_the_steps_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work, out = tmp_path / "work", tmp_path / "out.json"
    assert main(["--dry-run", "--work", str(work), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "train with smc" in said
    assert "onchain" not in said  # its files are not given
    assert list(tmp_path.iterdir()) == []


def found(sections: dict[str, Any]) -> LoopOutcome:
    return LoopOutcome(("base",), 10.0, 12.0, (), sections)


def test_what_is_applied_is_what_the_next_training_reads(tmp_path: Path) -> None:
    config = json.loads((ROOT / "config.json").read_text()) | {"strategy_params": {"enabled": True}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    shutil.copy(ROOT / "ml_config.json", tmp_path)
    shutil.copytree(ROOT / "config", tmp_path / "config")
    write_strategy_params(tmp_path / "models", {"risk_percent": 0.7}, {})
    settings, said = load_settings(tmp_path), list[str]()
    sections = {"features": {"groups": ["base"]}, "rf_params": {"n_estimators": 7}}
    assert apply(found(sections), settings, tmp_path, said.append) == 0
    settings = load_settings(tmp_path)
    assert settings.ml.features.groups == ("base",)
    assert settings.ml.rf_params.root == {"n_estimators": 7}
    assert settings.decision.risk_percent == 0.7
    assert "train before" in said[0]


def test_nothing_better_is_not_applied(tmp_path: Path) -> None:
    said = list[str]()
    assert apply(found({}), load_settings(), tmp_path, said.append) == 1
    assert "nothing is applied" in said[0]
    assert list(tmp_path.iterdir()) == []


def test_apply_with_overrides_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--apply", "--override", "training.seed=1"]) == 2
    assert "--apply without --override" in capsys.readouterr().err


def test_file_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", "nofile.parquet", "--to", "2025-06-01"]) == 2
    assert "error: nofile.parquet: there is no such file" in capsys.readouterr().err


@pytest.mark.soak
def test_loop_trains_explains_judges_and_tunes(tmp_path: Path) -> None:
    """The real commands on the generated market; the second run takes every step from the log."""
    overrides = ["training.n_splits=3", "prediction.quantile.lookback_days=20",
                 "study.sample_days=120", f"study.ledger={tmp_path / 'trials.sqlite'}",
                 f"study.storage={tmp_path / 'optuna.sqlite'}"]  # fmt: skip
    flags = [
        "--from", "2024-01-01", "--to", "2025-02-01", "--profile", "quick", "--trials", "2",
        "--work", str(tmp_path / "work"), "--out", str(tmp_path / "out.json"),
        *(word for each in overrides for word in ("--override", each)),
    ]  # fmt: skip
    assert main(flags) == 0
    made: dict[str, Any] = json.loads((tmp_path / "out.json").read_text())
    assert made["verdicts"][0]["step"] == "add smc"
    steps = (tmp_path / "work" / "steps.json").read_bytes()
    assert main(flags) == 0
    assert (tmp_path / "work" / "steps.json").read_bytes() == steps
    assert json.loads((tmp_path / "out.json").read_text()) == made
