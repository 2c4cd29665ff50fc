"""The training report: whole, self-contained, and plain about what does not beat its baseline."""

import json
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml.training.models import TrainingError
from ml.training.oof import OofForecasts, oof_path
from ml.training.report import write_report
from ml.training.report_parts import shortcomings
from ml.training.report_words import beside_baseline
from ml.training.risk_scores import RiskTest, earned
from ml.training.summary import headline_score
from tests.training.tables import Trained


@pytest.fixture
def metadata(trained: Trained) -> dict[str, Any]:
    return deepcopy(trained.metadata)


def _page(tmp_path: Path, *metadata: dict[str, Any], **parts: Any) -> str:
    path = tmp_path / "reports" / "training.html"
    write_report(path, metadata, **parts)
    assert [each.name for each in path.parent.iterdir()] == ["training.html"]
    return path.read_text(encoding="utf-8")


def test_page_has_every_part_and_needs_nothing_from_elsewhere(
    trained: Trained, metadata: dict[str, Any], tmp_path: Path
) -> None:
    page = _page(
        tmp_path, metadata, oof=oof_path(trained.paths, "BTCUSD"), trials=1234,
        notes=["devices: <the CPU>"],
    )  # fmt: skip
    for words in ("Signal model", "Fold by fold", "Calibration", "Trials in the ledger so far: "
                  "1,234", "devices: &lt;the CPU&gt;", "No SHAP summary yet"):  # fmt: skip
        assert words in page
    pictures = re.findall(r"<img alt='([^']*)' src='data:image/png;base64,", page)
    assert [each.split(":")[0] for each in pictures] == [
        "label distribution", "confusion matrix, out of fold", "reliability curves by class",
    ]  # fmt: skip
    assert not re.search(r"(src|href)=.(?!data:)", page)
    assert "http" not in page


@pytest.mark.parametrize("trades", [0, 1])
def test_risk_model_without_two_test_trades_is_not_tested(trades: int) -> None:
    ways = [np.full(4, 1e-4)] * 3
    test = RiskTest(*ways, np.ones(4), np.arange(4) < trades, np.arange(4))
    scores = {"kind": "risk", "walk_forward": earned(test)}
    assert headline_score(scores) == ("not tested", "-")


def test_risk_model_with_two_test_trades_has_a_score_and_one_to_beat() -> None:
    test = RiskTest(
        np.full(4, 2e-4), np.full(4, 1e-4), np.zeros(4), np.ones(4), np.arange(4) < 2, np.arange(4)
    )
    scores = {"kind": "risk", "walk_forward": earned(test)}
    assert headline_score(scores) == ("+2.00 bp a trade", "+1.00")


def test_every_fold_stands_beside_its_baseline(metadata: dict[str, Any]) -> None:
    head, rows = beside_baseline(metadata["folds"])
    assert len(rows) == len(metadata["folds"])
    place = head.index("log loss")
    assert head[place + 1] == "baseline log loss"
    first = metadata["folds"][0]
    assert rows[0][place] == f"{first['log_loss']:.4f}"
    assert rows[0][place + 1] == f"{first['baseline']['log_loss']:.4f}"
    assert rows[0][head.index("test from")] == first["test_from"][:10]


def test_nested_figures_of_a_regressor_have_their_own_columns() -> None:
    fold = {
        "rows": 1200, "mae": {"sl": 0.4, "tp": 1.5}, "baseline": {"mae": {"sl": 0.39, "tp": 1.6}},
        "pair": [0.5, 5.0], "gated": {"model": None},
    }  # fmt: skip
    head, rows = beside_baseline([fold])
    assert head == ["rows", "mae sl", "baseline mae sl", "mae tp", "baseline mae tp", "pair",
                    "gated model"]  # fmt: skip
    assert rows == [["1,200", "0.4000", "0.3900", "1.5000", "1.6000", "0.5000, 5.0000", "-"]]


def _with_log_loss(metadata: dict[str, Any], folds: list[float], whole: float) -> None:
    """Every baseline log-loss is 1.0 and every accuracy beats its own."""
    parts = [metadata["walk_forward"], *metadata["folds"]]
    for part, value in zip(parts, [whole, *folds], strict=True):
        part["log_loss"], part["accuracy"] = value, 0.6
        part["baseline"] = {"log_loss": 1.0, "accuracy": 0.5}


def test_model_that_beats_its_baseline_in_every_fold_has_no_shortcoming(
    metadata: dict[str, Any],
) -> None:
    _with_log_loss(metadata, [0.9, 0.8], 0.85)
    assert shortcomings(metadata) == []


def test_model_that_does_not_beat_its_baseline_is_told_so_in_plain_words(
    metadata: dict[str, Any], tmp_path: Path
) -> None:
    _with_log_loss(metadata, [1.1, 0.95], 1.03)
    said = "It does not beat its baseline by log-loss: 1.0300 against 1.0000, better in 1 of 2 f"
    assert shortcomings(metadata)[0].startswith(said)
    page = _page(tmp_path, metadata)
    assert f"<p class='alarm'>{said}" in page


def test_model_that_wins_over_all_but_not_in_each_fold_is_told_so(metadata: dict[str, Any]) -> None:
    _with_log_loss(metadata, [1.1, 0.7], 0.9)
    assert shortcomings(metadata) == [
        "By log-loss it beats its baseline over all, but only in 1 of 2 folds."
    ]


def test_missing_forecasts_leave_out_calibration_and_say_so(
    metadata: dict[str, Any], tmp_path: Path
) -> None:
    page = _page(tmp_path, metadata, oof=tmp_path / "none.npz")
    assert "No out-of-fold forecasts: no calibration curves." in page
    assert "confusion matrix" not in page


def test_damaged_forecasts_stop_the_report_and_leave_no_page(
    metadata: dict[str, Any], tmp_path: Path
) -> None:
    bad = tmp_path / "oof.npz"
    bad.write_bytes(b"not an npz")
    with pytest.raises(TrainingError, match="damaged"):
        write_report(tmp_path / "page.html", [metadata], oof=bad)
    assert not (tmp_path / "page.html").exists()


def test_shap_summary_of_an_earlier_model_is_not_shown(
    trained: Trained, metadata: dict[str, Any], tmp_path: Path
) -> None:
    oof = oof_path(trained.paths, "BTCUSD")
    summary = {
        "graph_sha256": OofForecasts.load(oof).graph_sha256, "outputs": ["BUY"], "rows": 5,
        "of_rows": 9, "from": "a", "to": "b", "unit": "u",
        "features": [{"name": "rsi_14", "rank": 1, "mean_abs_shap": 0.1, "protected": False,
                      "by_output": {"BUY": 0.1}}],
    }  # fmt: skip
    path = tmp_path / "shap_summary.json"
    path.write_text(json.dumps({"signal": summary}))
    assert "rsi_14" in _page(tmp_path / "one", metadata, oof=oof, shap_summary=path)
    path.write_text(json.dumps({"signal": summary | {"graph_sha256": "0" * 64}}))
    page = _page(tmp_path / "two", metadata, oof=oof, shap_summary=path)
    assert "belongs to an earlier model" in page
    assert "rsi_14" not in page


def test_report_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the metadata of one model at least"):
        write_report(tmp_path / "page.html", [])
