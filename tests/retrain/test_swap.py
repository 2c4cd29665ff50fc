"""Phase swap: what serves afterwards, and what stays as it was."""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backtest.evidence import read_evidence
from backtest.gate_settings import GoLiveSettings
from backtest.go_live import Go, require_evidence
from backtest.parity import main as parity
from backtest.shadow.challenger import read_challenger
from backtest.shadow.standing import ShadowStanding
from broker.contract.constants import AccountTradeMode
from ml.features.settings import FeatureSettings
from ml.hub.errors import HubError
from ml.hub.folder import ModelFolder
from ml.hub.install import loads
from ml.predictors.settings import ModelPaths
from retrain import challenging, daemons, swapping
from retrain.errors import PhaseFailed
from retrain.install import serving_graphs, stage
from retrain.phase import Run
from retrain.swapping import swap
from tests.hub.models import make_models
from tests.retrain.projects import (
    BEGAN_MS,
    EVIDENCE,
    REFUSED,
    RESULTS,
    evidence_of,
    judged,
    make_run,
    shown,
    small_band,
    tree,
)
from trading.journal import Journal
from trading.model_source import ANSWER, REQUEST, SwapRequest
from trading.state_folder import StateFolder

REQUESTED = SwapRequest("v20261120", "v20261120-abc")
SHADOW = ("weekly.shadow_days=6", "weekly.notify=false")


def with_band(project: Path, **more: Any) -> Run:
    """A run in whose settings a candidate has to be in shadow first."""
    candidate = judged(9.0) | {"band": small_band().as_dict()}
    told = RESULTS["evaluate"] | {"candidate": candidate}
    return make_run(project, overrides=SHADOW, evaluate=told, **more)


def stands(monkeypatch: pytest.MonkeyPatch, **values: Any) -> None:
    """How the challenger in shadow stands."""
    found = ShadowStanding(**values)
    monkeypatch.setattr(challenging, "standing", lambda *given, **named: found)


def placed(project: Path) -> None:
    """The run of a week before, which has placed its candidate."""
    run = with_band(project, scale=3, name="20261113")
    assert swap(run).figures["action"] == "place"


def test_candidate_that_passed_serves_with_cards_and_evidence(run: Run) -> None:
    models = run.root / "models"
    before = serving_graphs(run.paths, "BTCUSD")
    result = swap(run)
    assert result.figures["action"] == "serve"
    assert result.figures["before"] == before
    assert result.figures["after"] == serving_graphs(run.candidate_paths, "BTCUSD") != before
    for name, content in shown(run.candidate).items():
        assert (models / name).read_bytes() == content
    assert (models / EVIDENCE).read_bytes() == (run.candidate / EVIDENCE).read_bytes()
    assert (models / "cards" / "ensemble_btcusd-live.json").read_text() == '{"of": 2}\n'
    installed = ModelFolder(models).installed()
    assert installed is not None
    assert installed.tag == "v20261120"
    loads(ModelPaths(), FeatureSettings())(models)


def test_installed_models_can_be_asked_for_by_a_daemon(run: Run) -> None:
    """It finds them by the name in the request, and serves the same folder again."""
    kept = swap(run).figures["kept"]
    folder = ModelFolder(run.root / "models")
    now = tree(folder.path)
    with folder.locked():
        folder.serve(folder.kept(kept))
    assert tree(folder.path) == now


def test_models_that_a_killed_swap_has_kept_are_not_kept_twice(run: Run) -> None:
    kept = stage(run, run.candidate, tag="v20261120", made_ms=BEGAN_MS)
    assert stage(run, run.candidate, tag="v20261120", made_ms=BEGAN_MS) == kept
    assert [each.name for each in kept.parent.iterdir()] == [kept.name]


def test_gate_that_says_no_leaves_the_folder_byte_for_byte(project: Path) -> None:
    run = make_run(project, **REFUSED)
    before = tree(project / "models")
    result = swap(run)
    assert result.figures["action"] == "keep"
    assert result.words == ("the champion stays: not passed: score_gate",)
    assert tree(project / "models") == before
    assert not (run.folder / "snapshot").exists()


@pytest.mark.parametrize("name", ["calibration_and_parity", "walk_forward_gate", "score_gate"])
def test_each_gate_alone_keeps_the_champion(name: str, project: Path) -> None:
    run = make_run(project, **{name: {"passed": False, "checks": [], "criteria": []}})
    assert swap(run).words == (f"the champion stays: not passed: {name}",)


def test_candidate_whose_graph_is_damaged_changes_nothing(run: Run) -> None:
    (run.candidate / "ensemble_btcusd-live.onnx").write_bytes(b"damaged")
    before = tree(run.root / "models")
    with pytest.raises(PhaseFailed, match="these models cannot serve, the champion stays"):
        swap(run)
    assert tree(run.root / "models") == before


def test_models_that_cannot_be_read_once_shown_are_taken_back(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(run.root / "models")

    def fails(run: Run, kept: Path) -> None:
        assert tree(run.root / "models") != before
        raise HubError("the disk says no")

    monkeypatch.setattr(swapping, "require_served", fails)
    with pytest.raises(PhaseFailed, match="the old ones are back: the disk says no"):
        swap(run)
    assert tree(run.root / "models") == before
    monkeypatch.undo()
    assert swap(run).figures["action"] == "serve"


def test_models_of_another_symbol_in_the_folder_serve_on(project: Path) -> None:
    models = project / "models"
    make_models(models, scale=1, symbols=("BTCUSD", "XAUUSD"))
    (models / "evidence_xauusd.json").write_text('{"of": "gold"}\n')
    run = make_run(project)
    gold = serving_graphs(run.paths, "XAUUSD")
    assert swap(run).figures["action"] == "serve"
    assert serving_graphs(run.paths, "XAUUSD") == gold != {}
    assert (models / "evidence_xauusd.json").read_text() == '{"of": "gold"}\n'
    loads(ModelPaths(), FeatureSettings())(models)


def test_champion_that_was_changed_meanwhile_stops_the_run(run: Run) -> None:
    make_models(run.root / "models", scale=7)
    before = tree(run.root / "models")
    with pytest.raises(PhaseFailed, match="other models serve than when this run began"):
        swap(run)
    assert tree(run.root / "models") == before


def test_settings_that_the_sweep_chose_come_with_the_models(run: Run) -> None:
    text = json.dumps({"overrides": {"risk_percent": 1.5}, "found": {}, "written_ms": 1})
    (run.candidate / "strategy_params.json").write_text(text)
    assert swap(run).figures["settings"] == {"risk_percent": 1.5}
    assert (run.root / "models" / "strategy_params.json").read_text() == text


def test_settings_in_force_go_along_to_models_that_lie_elsewhere(run: Run) -> None:
    """The candidate was judged with them."""
    text = json.dumps({"overrides": {"risk_percent": 1.25}, "found": {}, "written_ms": 1})
    (run.root / "models" / "strategy_params.json").write_text(text)
    elsewhere = make_models(run.root / "elsewhere", scale=1)
    swap(replace(run, options=replace(run.options, models=elsewhere)))
    assert (elsewhere / "strategy_params.json").read_text() == text


def test_settings_in_force_stay_where_the_sweep_chose_none(run: Run) -> None:
    """A person has applied them since the models before were trained."""
    file = run.root / "models" / "strategy_params.json"
    text = json.dumps({"overrides": {"risk_percent": 1.25}, "found": {}, "written_ms": 1})
    file.write_text(text)
    assert swap(run).figures["settings"] == {"risk_percent": 1.25}
    assert file.read_text() == text
    assert file.is_symlink()


def test_without_a_champion_the_candidate_serves_at_once(project: Path) -> None:
    for each in (project / "models").iterdir():
        if each.is_file():
            each.unlink()
    run = with_band(project)
    result = swap(run)
    assert (result.figures["action"], result.figures["before"]) == ("serve", {})
    assert result.words[0] == "the candidate serves: there was no model to protect"


def test_candidate_that_passed_decides_in_shadow_first(project: Path) -> None:
    run = with_band(project)
    before = shown(project / "models")
    result = swap(run)
    assert result.figures["action"] == "place"
    assert shown(project / "models") == before
    challenger = read_challenger(project / "models", "BTCUSD")
    assert challenger is not None
    assert challenger.graphs == serving_graphs(run.candidate_paths, "BTCUSD")


def test_candidate_without_a_forecast_band_is_not_placed(project: Path) -> None:
    result = swap(make_run(project, overrides=SHADOW))
    assert result.figures["action"] == "keep"
    assert "no forecast band" in result.words[0]


GOOD = {
    "days": 6.4, "bars": 600, "trades": 9, "inside": True, "compared_rows": 600,
    "spread_points": 1210.0,
}  # fmt: skip


def test_proven_challenger_is_promoted_and_the_candidate_waits_for_the_next_run(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed(project)
    stands(monkeypatch, **GOOD)
    run = with_band(project)
    result = swap(run)
    assert result.figures["action"] == "serve"
    assert result.figures["origin"] == "20261113"
    assert result.figures["challenger"]["ruling"] == "promoted"
    assert result.figures["after"] == result.figures["challenger"]["graphs"]
    assert read_challenger(project / "models", "BTCUSD") is None
    assert not (project / "models" / "challenger.json").exists()


def test_evidence_of_a_promoted_challenger_has_its_days_in_shadow(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The go-live gate is passed by what the pipeline made alone."""
    placed(project)
    challenger = read_challenger(project / "models", "BTCUSD")
    assert challenger is not None
    judged = read_evidence(challenger.folder / EVIDENCE)
    assert judged is not None
    stands(monkeypatch, **(GOOD | {"days": 14.5}))
    run = with_band(project)
    figures = swap(run).figures
    served = read_evidence(project / "models" / EVIDENCE)
    assert served == replace(
        judged, made_ms=served.made_ms,
        figures=replace(
            judged.figures, shadow_days=14.5, shadow_inside=True, feature_rows=600,
            feature_differences=0, cost_gaps=(),
        ),
    )  # fmt: skip
    assert figures["go_live"]["passed"]
    here = replace(judged.system, graphs=challenger.graphs)
    answer = require_evidence(AccountTradeMode.REAL, served, here, GoLiveSettings())
    assert isinstance(answer, Go)


def test_spread_that_the_challenger_saw_and_was_not_judged_at_is_in_its_evidence(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed(project)
    stands(monkeypatch, **(GOOD | {"days": 14.5, "spread_points": 1500.0}))
    go_live = swap(with_band(project)).figures["go_live"]
    (missing,) = [each for each in go_live["criteria"] if not each["met"]]
    assert missing["name"] == "costs"
    assert missing["seen"] == "1,200 points of spread a bar were charged, the shadow saw 1,500"


def test_shadow_that_was_too_short_for_real_money_is_said(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed(project)
    stands(monkeypatch, **GOOD)
    result = swap(with_band(project))
    assert "go-live gate of its evidence, for real money: not passed: shadow trading" in (
        result.words
    )
    (missing,) = [each for each in result.figures["go_live"]["criteria"] if not each["met"]]
    assert missing["seen"] == "6 days, inside the band"
    assert missing["proof"].startswith("8 more days of shadow trading")


def test_candidate_that_serves_at_once_has_no_day_in_shadow(run: Run) -> None:
    """weekly.shadow_days is 0: nothing was decided on live bars, and nothing is claimed."""
    result = swap(run)
    served = read_evidence(run.root / "models" / EVIDENCE)
    assert served == evidence_of(run)
    missing = [each["name"] for each in result.figures["go_live"]["criteria"] if not each["met"]]
    assert missing == ["costs", "live = batch features", "shadow trading"]


@pytest.mark.parametrize("text", ["{}", ""], ids=["of another program", "none"])
def test_models_whose_evidence_cannot_be_read_serve_and_it_is_said(text: str, run: Run) -> None:
    path = run.candidate / EVIDENCE
    path.write_text(text) if text else path.unlink()
    result = swap(run)
    assert result.figures["action"] == "serve"
    assert ("make the evidence again" if text else "no evidence serves") in result.words[-1]


def test_promotion_does_not_need_this_weeks_gates(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed(project)
    stands(monkeypatch, **GOOD)
    assert swap(with_band(project, **REFUSED)).figures["action"] == "serve"


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({**GOOD, "days": 3.0}, "3.0 of 6 shadow days: it goes on"),
        ({"nothing": "no journal"}, "0.0 of 6 shadow days: no journal"),
    ],
    ids=["too short", "no shadow ran"],
)
def test_challenger_that_needs_more_days_stays_and_the_candidate_waits(
    values: dict[str, Any], why: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed(project)
    before = tree(project / "models")
    stands(monkeypatch, **values)
    result = swap(with_band(project))
    assert result.figures["action"] == "keep"
    assert why in result.words[0]
    assert tree(project / "models") == before


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (
            {**GOOD, "inside": False, "outside": ("4 trades",)},
            "outside its forecast band: 4 trades",
        ),
        ({**GOOD, "differing_rows": 2}, "2 of 600 feature rows are not those of the batch"),
    ],
    ids=["outside", "live is not batch"],
)
def test_challenger_that_failed_is_dropped_and_the_candidate_takes_its_place(
    values: dict[str, Any], why: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed(project)
    stands(monkeypatch, **values)
    run = with_band(project)
    result = swap(run)
    assert result.figures["action"] == "place"
    assert why in result.words[0]
    challenger = read_challenger(project / "models", "BTCUSD")
    assert challenger is not None
    assert challenger.graphs == serving_graphs(run.candidate_paths, "BTCUSD")


def test_command_that_finds_the_differing_row_is_there(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    placed(project)
    stands(monkeypatch, **{**GOOD, "differing_rows": 2})
    said = swap(with_band(project)).words[0]
    command = said.partition("find the cause: python -m backtest.parity ")[2]
    day, *named = command.replace("DAY", "2026-11-19").split()
    assert parity([day, *named]) == 2  # its shadow has not run here
    assert f"{named[1]}/journal.sqlite: no journal there yet" in capsys.readouterr().err


def test_challenger_held_against_another_champion_is_dropped(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed(project)
    stands(monkeypatch, **GOOD)
    make_models(project / "models", scale=8)
    result = swap(with_band(project, **REFUSED))
    assert result.figures["action"] == "keep"
    assert "other models serve than those that it was held against" in result.words[0]
    assert read_challenger(project / "models", "BTCUSD") is None


def test_what_was_decided_holds_for_a_run_that_goes_on(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed once the challenger was promoted and gone, it would else place the candidate."""
    placed(project)
    stands(monkeypatch, **GOOD)
    run = with_band(project)
    first = swap(run)
    assert swap(run).figures == first.figures
    assert read_challenger(project / "models", "BTCUSD") is None


# Daemons of this machine.


@contextmanager
def daemon(
    folder: Path, graphs: dict[str, str], answer: dict[str, Any] | None,
    mode: AccountTradeMode = AccountTradeMode.DEMO,
) -> Iterator[None]:  # fmt: skip
    """A state folder that is held, whose daemon serves these graphs and answers once."""
    with StateFolder(folder) as state:
        journal = Journal(state.journal)
        journal.record("models_served", 1, graphs=graphs)
        journal.set_meta(account_trade_mode=str(mode))
        journal.close()
        over = threading.Event()

        def answers() -> None:
            while not over.is_set() and not (folder / REQUEST).exists():
                time.sleep(0.01)
            if answer is not None and not over.is_set():
                (folder / ANSWER).write_text(json.dumps(answer))
                (folder / REQUEST).unlink()

        thread = threading.Thread(target=answers)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def test_only_running_daemons_that_serve_the_replaced_models_are_asked(tmp_path: Path) -> None:
    old = {"signal": "1" * 64}
    with (
        daemon(tmp_path / "live-a", old, None),
        daemon(tmp_path / "live-b", {"signal": "2" * 64}, None),
        daemon(tmp_path / "paper-c", old, None),
        daemon(tmp_path / "shadow-btcusd-d", old, None),
    ):
        assert [each.name for each in daemons.serving(tmp_path, old)] == ["live-a"]
    assert daemons.serving(tmp_path, old) == []


def test_daemon_that_swapped_or_refused_is_told_in_words(tmp_path: Path) -> None:
    swapped = {"kind": "models_swapped", "graphs": {}}
    with daemon(tmp_path / "live-a", {}, swapped):
        said = daemons.ask(tmp_path / "live-a", REQUESTED)
    assert said == "live-a: serves v20261120 from its next bar on"
    refused = {"kind": "model_swap_refused", "why": "the broker is away"}
    with daemon(tmp_path / "live-b", {}, refused):
        said = daemons.ask(tmp_path / "live-b", REQUESTED)
    assert said == "live-b: keeps its models until it is started again: the broker is away"


def test_daemon_with_real_money_is_not_asked_and_what_to_do_is_said(tmp_path: Path) -> None:
    """Without evidence for the new models it would open nothing."""
    folder = tmp_path / "live-a"
    with daemon(folder, {}, None, AccountTradeMode.REAL):
        said = daemons.ask(folder, REQUESTED)
    assert "trades real money and is not asked" in said
    assert "without evidence: scripts/evidence.py, then python trading.py --swap-model v2" in said
    assert not (folder / REQUEST).exists()
    with daemon(folder, {}, None, AccountTradeMode.REAL):
        said = daemons.ask(folder, REQUESTED, proven=True)
    assert "passes the go-live gate: python trading.py --swap-model v20261120" in said
    assert not (folder / REQUEST).exists()


def test_daemon_that_does_not_answer_fails_nothing_and_keeps_the_request(tmp_path: Path) -> None:
    folder = tmp_path / "live-a"
    with daemon(folder, {}, None):
        said = daemons.ask(folder, REQUESTED, patience_s=0.0)
        assert "has not answered" in said
        assert SwapRequest.read(folder) == REQUESTED


def test_folder_without_a_readable_journal_is_nobodys_daemon(tmp_path: Path) -> None:
    with StateFolder(tmp_path / "live-a") as state:
        sqlite3.connect(state.journal).close()
        state.journal.write_bytes(b"")
        assert daemons.serving(tmp_path, {"signal": "1" * 64}) == []
