"""The evidence file, and what a real-money account without it is told."""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtest.evidence import (
    ChargedCosts,
    Evidence,
    EvidenceError,
    System,
    differences,
    flat,
    read_evidence,
    system_of,
    write_evidence,
)
from backtest.forecast_band import WEEK_MS, forecast_band
from backtest.gate_settings import BandSettings, GoLiveSettings
from backtest.go_live import (
    Go,
    Refusal,
    override_sentence,
    require_evidence,
    require_override,
)
from broker.contract.constants import AccountTradeMode
from ml.features.settings import FeatureSettings
from ml.predictors.model_set import load_models
from tests.evaluation.made import PROVEN
from tests.tiny_models import GROUPS, write_models
from trading.decision.settings import DecisionSettings

LIMITS = GoLiveSettings()
HERE = System(
    "BTCUSD",
    {"signal": "a" * 64, "risk": "b" * 64},
    {"signal": "c" * 64, "risk": "d" * 64},
    flat(DecisionSettings().model_dump(mode="json")),
)
DATA = "e" * 64
CHARGED = ChargedCosts(50, 1200.0)
LEARNT = ChargedCosts(None, 2500.0, "costs.json", "9" * 64, 312)


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    closed = np.arange(0, 40 * WEEK_MS, WEEK_MS // 8)
    returns = np.where(np.arange(len(closed)) % 9 < 5, 0.004, -0.004)
    band = forecast_band(
        closed, returns, from_ms=0, to_ms=40 * WEEK_MS, settings=BandSettings(), replicates=200
    )
    return Evidence(
        HERE, DATA, 0, 40 * WEEK_MS, 1_760_000_000_000, PROVEN, band, 57, "f" * 64, CHARGED
    )


def test_evidence_comes_back_from_its_file_as_it_was(evidence: Evidence, tmp_path: Path) -> None:
    path = tmp_path / "evidence" / "btcusd.json"
    own = write_evidence(path, evidence)
    assert read_evidence(path) == evidence
    assert json.loads(path.read_text(encoding="utf-8"))["sha256"] == own
    assert [each.name for each in path.parent.iterdir()] == ["btcusd.json"]


def test_evidence_of_figures_that_are_not_finite_is_json_that_proves_nothing(
    evidence: Evidence, tmp_path: Path
) -> None:
    path = tmp_path / "e.json"
    write_evidence(path, replace(evidence, figures=replace(PROVEN, profit_factor_p5=math.inf)))
    again = read_evidence(path)
    assert again is not None
    assert isinstance(require_evidence(AccountTradeMode.REAL, again, HERE, LIMITS), Refusal)


def test_no_file_is_no_evidence(tmp_path: Path) -> None:
    assert read_evidence(tmp_path / "none.json") is None


def _figures(content: dict[str, Any]) -> None:
    content["figures"]["deflated_sharpe"] = 0.99


def _graph(content: dict[str, Any]) -> None:
    content["system"]["graphs"]["signal"] = "0" * 64


def _band(content: dict[str, Any]) -> None:
    content["band"]["paper"][0]["drawdown_high"] = 0.9


def _hash(content: dict[str, Any]) -> None:
    content["sha256"] = "0" * 64


def _no_hash(content: dict[str, Any]) -> None:
    del content["sha256"]


@pytest.mark.parametrize(
    "tamper", [_figures, _graph, _band, _hash, _no_hash], ids=lambda each: each.__name__.strip("_")
)
def test_file_that_was_edited_is_refused(
    evidence: Evidence, tmp_path: Path, tamper: Callable[[dict[str, Any]], None]
) -> None:
    path = tmp_path / "e.json"
    write_evidence(path, evidence)
    content = json.loads(path.read_text(encoding="utf-8"))
    tamper(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(EvidenceError, match="was changed after it was written"):
        read_evidence(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "JSON is allowed"), ("[]", "schema 2 is allowed, 'list' came"),
     ('{"schema": 1}', "schema 2 is allowed, 1 came")],
    ids=["broken", "list", "older"],
)  # fmt: skip
def test_other_files_are_refused_with_what_to_do(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "e.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(EvidenceError, match=f"{said}.*make the evidence again"):
        read_evidence(path)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (replace(HERE, symbol="XAUUSD"), "symbol: the evidence is for BTCUSD, XAUUSD is here"),
        (replace(HERE, graphs={"signal": "9" * 64, "risk": "b" * 64}),
         "model graph signal: the evidence is for aaaaaaaaaaaa…, 999999999999… is here"),
        (replace(HERE, graphs={"signal": "a" * 64}),
         "model graph risk: the evidence is for bbbbbbbbbbbb…, nothing is here"),
        (replace(HERE, features={"signal": "9" * 64, "risk": "d" * 64}),
         "features of the model signal: the evidence is for cccccccccccc…, 999999999999… is here"),
        (replace(HERE, settings=dict(HERE.settings) | {"risk_percent": 9.0}),
         "setting risk_percent: the evidence is for 2.0, 9.0 is here"),
    ],
    ids=["symbol", "another-graph", "model-gone", "features", "risk"],
)  # fmt: skip
def test_another_system_is_named(evidence: Evidence, other: System, said: str) -> None:
    assert [each.text for each in differences(evidence, other)] == [said]
    answer = require_evidence(AccountTradeMode.REAL, evidence, other, LIMITS)
    assert isinstance(answer, Refusal)
    assert [each.what for each in answer.missing] == [said]
    assert "write its evidence" in answer.missing[0].proof


@pytest.mark.parametrize("name", ["risk_percent", "max_lot"])
def test_less_risk_needs_no_new_evidence(evidence: Evidence, name: str) -> None:
    less = replace(HERE, settings=dict(HERE.settings) | {name: HERE.settings[name] / 2})
    assert isinstance(require_evidence(AccountTradeMode.REAL, evidence, less, LIMITS), Go)
    more = replace(HERE, settings=dict(HERE.settings) | {name: HERE.settings[name] * 1.01})
    assert isinstance(require_evidence(AccountTradeMode.REAL, evidence, more, LIMITS), Refusal)
    none = replace(HERE, settings={k: v for k, v in HERE.settings.items() if k != name})
    assert [each.here for each in differences(evidence, none)] == ["nothing"]


def test_other_data_is_named_where_the_data_is_there_to_compare(evidence: Evidence) -> None:
    assert differences(evidence, HERE, DATA) == ()
    (found,) = differences(evidence, HERE, "1" * 64)
    assert found.text == "data: the evidence is for eeeeeeeeeeee…, 111111111111… is here"


def test_settings_have_one_hash_whatever_their_order(evidence: Evidence) -> None:
    turned = replace(HERE, settings=dict(reversed(list(HERE.settings.items()))))
    assert turned.settings_sha256 == HERE.settings_sha256
    assert differences(evidence, turned) == ()
    risk = replace(HERE, settings=dict(HERE.settings) | {"risk_percent": 1.9})
    assert risk.settings_sha256 != HERE.settings_sha256


def test_real_money_with_fitting_evidence_goes(evidence: Evidence) -> None:
    answer = require_evidence(AccountTradeMode.REAL, evidence, HERE, LIMITS)
    assert isinstance(answer, Go)
    assert answer.override is None


@pytest.mark.parametrize("mode", [AccountTradeMode.REAL, 7], ids=["real", "unknown-mode"])
def test_real_money_without_evidence_is_refused_and_told_what_would_prove_it(mode: int) -> None:
    answer = require_evidence(mode, None, HERE, LIMITS)
    assert isinstance(answer, Refusal)
    assert "there is no evidence file" in answer.text
    assert "What would prove it: train, backtest out of sample and shadow-trade" in answer.text


def test_real_money_with_evidence_of_too_little_is_told_how_much_is_missing(
    evidence: Evidence,
) -> None:
    thin = replace(evidence, figures=replace(PROVEN, trades=220, shadow_days=4.0))
    answer = require_evidence(AccountTradeMode.REAL, thin, HERE, LIMITS)
    assert isinstance(answer, Refusal)
    assert [each.what.split(":")[0] for each in answer.missing] == ["trades", "shadow trading"]
    assert "80 more out-of-sample trades, about 10 weeks" in answer.text


def test_evidence_of_less_slippage_than_is_named_here_is_refused(evidence: Evidence) -> None:
    answer = require_evidence(AccountTradeMode.REAL, evidence, HERE, LIMITS, slippage_points=51)
    assert isinstance(answer, Refusal)
    (missing,) = answer.missing
    assert missing.what == (
        "costs: the evidence is for 50 points of slippage, paper.slippage_points is 51 here"
    )
    same = require_evidence(AccountTradeMode.REAL, evidence, HERE, LIMITS, slippage_points=50)
    assert isinstance(same, Go)
    assert same.note.endswith(
        "at a mean spread of 1,200 points, 50 points of slippage, the instrument's specification"
    )


def test_costs_that_were_learnt_are_taken_and_named(evidence: Evidence) -> None:
    learnt = replace(evidence, costs=LEARNT)
    answer = require_evidence(AccountTradeMode.REAL, learnt, HERE, LIMITS, slippage_points=500)
    assert isinstance(answer, Go)
    assert answer.note.endswith(
        "at costs learnt from 312 deals (costs.json, sha256 999999999999): a mean spread of 2,500 "
        "points"
    )


def test_spread_that_the_shadow_saw_and_the_evidence_did_not_charge_is_a_gap() -> None:
    assert CHARGED.gaps(1300.0) == ()  # 0.92 of it
    (gap,) = CHARGED.gaps(1400.0)
    assert gap == "1,200 points of spread a bar were charged, the shadow saw 1,400"


def test_costs_are_bound_with_the_rest(evidence: Evidence, tmp_path: Path) -> None:
    path = tmp_path / "e.json"
    write_evidence(path, replace(evidence, costs=LEARNT))
    again = read_evidence(path)
    assert again is not None
    assert again.costs == LEARNT
    path.write_text(path.read_text().replace("costs.json", "other.json"))
    with pytest.raises(EvidenceError, match="was changed after it was written"):
        read_evidence(path)


@pytest.mark.parametrize("mode", [AccountTradeMode.DEMO, AccountTradeMode.CONTEST])
def test_demo_account_trades_without_evidence_and_says_so(mode: AccountTradeMode) -> None:
    answer = require_evidence(mode, None, HERE, LIMITS)
    assert isinstance(answer, Go)
    assert "trades without proof (there is no evidence file)" in answer.note


def test_stricter_settings_judge_old_evidence_anew(evidence: Evidence) -> None:
    strict = GoLiveSettings(min_trades=1000)
    assert isinstance(require_evidence(AccountTradeMode.REAL, evidence, HERE, strict), Refusal)


def _refused() -> Refusal:
    answer = require_evidence(AccountTradeMode.REAL, None, HERE, LIMITS)
    assert isinstance(answer, Refusal)
    return answer


def test_override_goes_on_the_exact_sentence_and_leaves_a_record() -> None:
    sentence = override_sentence(12345678)
    assert sentence == "I trade account 12345678 with real money and without proof"
    answer = require_override(f" {sentence}\n", 12345678, _refused(), HERE, now_ms=5)
    assert isinstance(answer, Go)
    assert answer.override is not None
    record = answer.override.as_dict()
    assert record["sentence"] == sentence
    assert record["graphs"] == HERE.graphs
    assert record["settings_sha256"] == HERE.settings_sha256
    assert record["missing"] == ["there is no evidence file"]
    assert (record["login"], record["at_ms"]) == (12345678, 5)
    assert answer.note.startswith("OVERRIDE: account 12345678")
    json.dumps(record)


@pytest.mark.parametrize(
    "typed",
    ["", "yes", "I trade account 12345679 with real money and without proof",
     "i trade account 12345678 with real money and without proof"],
    ids=["nothing", "yes", "another-login", "lower-case"],
)  # fmt: skip
def test_any_other_sentence_stays_a_refusal_that_says_what_to_type(typed: str) -> None:
    answer = require_override(typed, 12345678, _refused(), HERE, now_ms=5)
    assert isinstance(answer, Refusal)
    assert answer.missing[-1].proof == f"typing exactly: {override_sentence(12345678)}"
    assert f"{typed!r} came" in answer.missing[-1].what


def test_system_is_read_from_the_loaded_models_and_the_settings_in_force(tmp_path: Path) -> None:
    paths = write_models(tmp_path)
    models = load_models(paths, FeatureSettings(groups=GROUPS))
    decision = DecisionSettings(risk_percent=0.5)
    found = system_of(models, decision)
    graphs = {kind: getattr(paths, kind).graph for kind in ("signal", "position", "sltp", "risk")}
    hashes = {kind: hashlib.sha256(path.read_bytes()).hexdigest() for kind, path in graphs.items()}
    assert found.graphs == hashes
    assert found.features["signal"] == models.signal.metadata.feature_hash
    assert found.settings["risk_percent"] == 0.5
    assert found.settings["prediction.gate"] == decision.prediction.gate
    assert found.symbol == "BTCUSD"
