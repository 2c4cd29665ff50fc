"""Phases 1 to 10 on the generated market: what each reads, writes and comes to."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ml.training.table
from backtest.evidence import read_evidence
from ml.predictors.compat import FileStamp
from ml.train_inputs import TrainInputs
from ml.training.models import TrainingError
from ml.training.trials import TrialLedger
from retrain import checking, tuning
from retrain.candidate import finished, tuned_inputs
from retrain.checking import calibration_and_parity
from retrain.errors import PhaseFailed
from retrain.evaluation import evaluate, trades_of
from retrain.history import candidate_settings
from retrain.phase import Run
from retrain.snapshot import digest
from retrain.store import PhaseStore
from retrain.sweeping import sweep
from retrain.window import WEEK_MS, market, window
from tests.retrain.costs import charged, dear_costs
from tests.retrain.short_runs import forget_from, go_to, short_project, short_run, with_result


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A run whose gates have spoken; nothing served before it."""
    root = short_project(tmp_path_factory.mktemp("weekly") / "project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        yield go_to(short_run(root), "score_gate")


@pytest.fixture
def copied(judged: Run, tmp_path: Path) -> Run:
    """The same run in a folder of its own, for tests that change it."""
    folder = shutil.copytree(judged.folder, tmp_path / judged.folder.name)
    return replace(judged, folder=folder)


def _rows(run: Run, *kinds: Any) -> list[Any]:
    return list(TrialLedger(run.settings.ml.study.ledger_path).rows(*kinds))


def test_cutoff_lies_sweep_and_judge_weeks_before_the_end(judged: Run) -> None:
    of = window(judged)
    assert of.to_ms - of.judge_ms == 9 * WEEK_MS
    assert of.judge_ms - of.cutoff_ms == 3 * WEEK_MS
    assert of.to_ms == int(market(judged).close_ms[-1])


def test_training_reads_no_bar_from_the_cutoff_on(judged: Run) -> None:
    inputs = tuned_inputs(judged)
    assert int(inputs.bars.close_ms[-1]) == window(judged).cutoff_ms
    assert {row.what["train_cutoff"] for row in _rows(judged, "train")} == {
        judged.result("retrain")["train_cutoff_date"]
    }


def test_model_that_was_explained_is_not_trained_again_where_tuning_finds_nothing(
    judged: Run,
) -> None:
    assert not judged.result("tune")["changed"]
    assert judged.result("shap")["graph_sha256"] == judged.result("retrain")["graphs"]["signal"]
    assert len(_rows(judged, "train")) == 1


def test_tuned_parameters_are_trained_with(copied: Run) -> None:
    params = {"rf": {"n_estimators": 7}, "xgb": {}, "lgb": {}}
    told = {"params": params, "studies": {"signal": "of a test"}}
    with_result(copied, "tune", lambda before: before | told)
    inputs = tuned_inputs(copied)
    assert inputs.params.by_name["rf"] == {"n_estimators": 7}
    assert inputs.tuning == {"signal": "of a test"}
    assert finished(inputs, "signal") is None


@pytest.fixture
def with_position(copied: Run) -> Run:
    """The run as if a position model had been asked for."""
    return replace(copied, options=replace(copied.options, kinds=("signal", "position")))


def test_position_model_is_tuned_too_and_the_signal_model_is_not_trained_again(
    with_position: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int, bool]] = []

    def better(inputs: TrainInputs, kind: str, *given: Any, **named: Any) -> TrainInputs:
        has_signal = inputs.paths.graph.is_file()
        asked.append((kind, inputs.options.trials, has_signal))
        ml = inputs.settings.ml
        if kind == "position":
            changed = ml.position_training.model_dump() | {"lgb_params": {"num_leaves": 5}}
            position = type(ml.position_training).model_validate(changed)
            ml = ml.model_copy(update={"position_training": position})
        settings = inputs.settings.model_copy(update={"ml": ml})
        return replace(inputs, settings=settings, tuning={**inputs.tuning, kind: "study"})

    monkeypatch.setattr(tuning, "tuned", better)
    made = tuning.tune(with_position).figures
    assert asked == [("signal", 1, True), ("position", 1, True)]
    assert made["changed"]
    with_result(with_position, "tune", lambda told: made)
    signal = tuned_inputs(with_position)
    assert finished(signal, "signal") is not None
    position = tuned_inputs(with_position, "position").settings.ml.position_training
    assert position.lgb_params.root == {"num_leaves": 5}
    assert signal.settings.ml == with_position.settings.ml


def test_position_model_that_cannot_be_tuned_is_said_and_trained_as_before(
    with_position: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(inputs: TrainInputs, kind: str, *given: Any, **named: Any) -> TrainInputs:
        if kind == "position":
            raise TrainingError("too few trades")
        return replace(inputs, tuning={kind: "study"})

    monkeypatch.setattr(tuning, "tuned", fails)
    made = tuning.tune(with_position)
    assert made.words[-1] == "position: not tuned: too few trades"
    assert not made.figures["changed"]


def test_model_whose_bytes_were_changed_is_trained_again(copied: Run) -> None:
    inputs = tuned_inputs(copied)
    assert finished(inputs, "signal") is not None
    graph = copied.candidate_paths.graph
    graph.write_bytes(graph.read_bytes()[:-1])
    assert finished(inputs, "signal") is None


def test_model_of_other_code_is_trained_again(copied: Run) -> None:
    card = copied.candidate / "cards" / "ensemble_btcusd-live.json"
    told = json.loads(card.read_text(encoding="utf-8"))
    told["code"]["sources_sha256"] = "0" * 64
    card.write_text(json.dumps(told), encoding="utf-8")
    assert finished(tuned_inputs(copied), "signal") is None


def test_bars_that_changed_since_the_audit_are_refused(copied: Run) -> None:
    with_result(copied, "data_audit", lambda told: told | {"data_sha256": "0" * 64})
    with pytest.raises(PhaseFailed, match=r"were audited.*--new"):
        market(copied)


def test_every_check_has_its_figure(judged: Run) -> None:
    told = judged.result("calibration_and_parity")
    assert told["passed"]
    names = [each["name"] for each in told["checks"]]
    assert names == ["calibration", "ONNX = native", "live = batch", "lookahead"]
    assert all(each["rows"] > 0 for each in told["checks"])


def test_candidate_that_is_badly_calibrated_is_not_admissible(judged: Run) -> None:
    ml = judged.settings.ml
    study = ml.study.model_copy(update={"calibration_limit": 1e-6})
    strict = judged.settings.model_copy(update={"ml": ml.model_copy(update={"study": study})})
    made = calibration_and_parity(replace(judged, settings=strict))
    assert made.state == "done"
    assert not made.figures["passed"]
    assert [each["name"] for each in made.figures["checks"] if not each["met"]] == ["calibration"]
    assert made.words[-1] == "the candidate is not admissible: the champion stays"


def test_live_feature_that_differs_in_one_bit_is_not_admissible(
    judged: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    import trading.forecaster

    whole = trading.forecaster.feature_matrix

    def shifted(*given: Any, **named: Any) -> Any:
        rows = whole(*given, **named)
        rows[:, 0] = np.nextafter(rows[:, 0], np.inf)
        return rows

    monkeypatch.setattr(trading.forecaster, "feature_matrix", shifted)
    made = calibration_and_parity(judged).figures
    assert [each["name"] for each in made["checks"] if not each["met"]] == ["live = batch"]


def test_sweep_looks_at_the_weeks_between_cutoff_and_judge_alone(judged: Run) -> None:
    of = window(judged)
    spans = {(row.what["from_ms"], row.what["to_ms"]) for row in _rows(judged, "sweep")
             if "from_ms" in row.what}  # fmt: skip
    assert spans == {(of.cutoff_ms, of.judge_ms)}


def test_chosen_settings_are_those_the_candidate_is_judged_with(copied: Run) -> None:
    with_result(copied, "sweep", lambda told: told | {"chosen": {"risk_percent": 0.25}})
    assert candidate_settings(copied).decision.risk_percent == 0.25
    assert copied.settings.decision.risk_percent == 2.0


def test_evaluation_is_one_look_at_the_judged_weeks(judged: Run) -> None:
    (look,) = _rows(judged, "look")
    of = window(judged)
    assert (look.what["from_ms"], look.what["to_ms"]) == (of.judge_ms, of.to_ms)
    assert look.what["graphs"] == judged.result("retrain")["graphs"]


def test_evaluation_writes_report_trades_and_evidence_of_the_candidate(judged: Run) -> None:
    told = judged.result("evaluate")["candidate"]
    closed_ms, net, _ = trades_of(judged, "candidate")
    assert told["trades"] == len(net) >= 100
    assert (np.diff(closed_ms) >= 0).all()
    assert (judged.folder / told["report"]).is_file()
    evidence = read_evidence(judged.candidate / told["evidence"])
    assert evidence is not None
    assert dict(evidence.system.graphs) == {
        "signal": FileStamp.of(judged.candidate_paths.graph).sha256
    }
    assert evidence.figures.shadow_days == 0
    assert evidence.figures.window_gaps == evidence.figures.ledger_gaps == ()
    assert json.loads(json.dumps(evidence.band.as_dict())) == told["band"]


@pytest.fixture
def dear(copied: Run, tmp_path: Path) -> Run:
    """The run with a cost file and a ledger of its own."""
    ml = copied.settings.ml
    study = ml.study.model_copy(update={"ledger": tmp_path / "trials.sqlite"})
    settings = copied.settings.model_copy(update={"ml": ml.model_copy(update={"study": study})})
    return charged(replace(copied, settings=settings), dear_costs(tmp_path / "costs.json"))


def test_candidate_and_its_evidence_pay_the_costs_of_the_file(judged: Run, dear: Run) -> None:
    made, before = evaluate(dear), judged.result("evaluate")
    now, then = made.figures["candidate"], before["candidate"]
    assert now["graphs"] == then["graphs"]
    assert now["net_profit"] < then["net_profit"]
    assert now["band"] != then["band"]
    paid, free = (read_evidence(run.candidate / "evidence_btcusd.json") for run in (dear, judged))
    assert paid is not None
    assert free is not None
    assert paid.figures.profit_factor_p5 < free.figures.profit_factor_p5
    assert (paid.costs.file, paid.costs.deals, free.costs.file) == ("costs.json", 40, "")
    assert made.words[0].startswith("costs learnt from 40 deals and 500 quotes (costs.json, sha256")
    assert before["costs"]["words"] == [
        "costs: the bars' spreads, paper.slippage_points, the instrument's commission and swap"
    ]


def test_sweep_pays_the_costs_of_the_file(judged: Run, dear: Run) -> None:
    forget_from(dear, "sweep")
    sweep(dear)
    free, paid = (
        sum(row.result["net_profit"] for row in _rows(run, "sweep") if "net_profit" in row.result)
        for run in (judged, dear)
    )
    assert paid < free
    assert len(_rows(dear, "sweep")) == len(_rows(judged, "sweep"))


def test_checks_are_of_the_bars_as_they_were(judged: Run, dear: Run) -> None:
    assert checking._decided(dear, checking.EFFORTS["quick"]).costs is None
    assert calibration_and_parity(dear).figures == judged.result("calibration_and_parity")


@pytest.mark.parametrize("phase", [sweep, evaluate], ids=["sweep", "evaluate"])
def test_cost_file_that_changes_under_a_run_is_refused(
    phase: Callable[[Run], Any], dear: Run
) -> None:
    assert dear.options.costs is not None
    dear_costs(dear.options.costs, deals=41)
    with pytest.raises(
        PhaseFailed, match=r"costs\.json: the costs that the run began with .*--new"
    ):
        phase(dear)


def test_without_a_champion_a_score_is_enough(judged: Run) -> None:
    assert judged.result("evaluate")["champion"] is None
    assert judged.result("score_gate")["passed"]


def test_run_killed_in_retrain_comes_to_the_same(judged: Run, copied: Run) -> None:
    trainings = len(_rows(judged, "train"))
    forget_from(copied, "retrain")
    shutil.rmtree(copied.backtests)
    go_to(copied, "score_gate")
    before, after = PhaseStore(judged.folder).all(), PhaseStore(copied.folder).all()
    assert {name: (each.state, each.figures) for name, each in after.items()} == {
        name: (each.state, each.figures) for name, each in before.items()
    }
    assert len(_rows(judged, "train")) == trainings
    assert trades_of(copied, "candidate")[1].tolist() == trades_of(judged, "candidate")[1].tolist()


def test_candidate_of_shuffled_labels_leaves_the_models_folder_byte_for_byte(
    judged: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = judged.root
    shutil.copytree(judged.candidate, root / "models")
    before = digest(root / "models")
    whole = ml.training.table.signal_labels

    def shuffled(*given: Any, **named: Any) -> Any:
        made = whole(*given, **named)
        drawn = np.random.default_rng(5).integers(0, 3, 100_000, dtype=np.int8)
        return replace(made, label=drawn[: len(made.label)])

    monkeypatch.setattr(ml.training.table, "signal_labels", shuffled)
    run = go_to(short_run(root, skip=("shap", "tune", "sweep"), new=True), "report")
    told = run.result("evaluate")
    assert (
        told["champion"]["decisions_sha256"]
        == (judged.result("evaluate")["candidate"]["decisions_sha256"])
    )
    assert told["candidate"]["net_profit"] < told["champion"]["net_profit"]
    assert not run.result("score_gate")["passed"]
    assert run.result("swap")["action"] == "keep"
    assert digest(root / "models") == before
