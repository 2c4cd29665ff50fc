"""Reliability curves against hand-made and simulated forecasts, and the door over real files."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml import calibration_check
from ml.training.oof import OofForecasts, oof_path
from ml.training.pictures import reliability_png
from ml.training.reliability import Reliability, reliabilities, reliability, verdict
from tests.training.tables import Trained

PNG = b"\x89PNG\r\n\x1a\n"


def test_error_is_the_mean_gap_between_probability_and_frequency_over_equal_count_bins() -> None:
    """Four rows at 0.2 of which one came, four at 0.6 of which four came: gaps 0.05 and 0.4."""
    probability = np.array([0.6, 0.2] * 4)
    hit = np.array([True, True, True, False, True, False, True, False])
    found = reliability(probability, hit, model="rf", cls="BUY", bins=2)
    assert [(each.rows, each.frequency) for each in found.bins] == [(4, 0.25), (4, 1.0)]
    assert [each.probability for each in found.bins] == pytest.approx([0.2, 0.6])
    assert found.error == pytest.approx((0.05 + 0.4) / 2)


def test_bins_hold_equal_counts_and_each_lies_inside_its_wilson_limits() -> None:
    rng = np.random.default_rng(1)
    probability = rng.random(2000)
    found = reliability(probability, rng.random(2000) < probability, model="rf", cls="BUY")
    assert [each.rows for each in found.bins] == [100] * 20
    assert all(each.low <= each.frequency <= each.high for each in found.bins)


def test_equal_probabilities_share_one_bin() -> None:
    probability = np.r_[np.full(90, 0.3), np.linspace(0.4, 0.5, 10)]
    found = reliability(probability, np.arange(100) < 27, model="rf", cls="BUY", bins=10)
    assert [each.rows for each in found.bins] == [90, 10]
    assert found.bins[0].frequency == pytest.approx(0.3)


def test_perfect_probabilities_show_no_more_than_the_noise_that_is_named() -> None:
    rng = np.random.default_rng(2)
    errors, noises = [], []
    for _ in range(40):
        probability = rng.uniform(0.2, 0.6, 2000)
        found = reliability(probability, rng.random(2000) < probability, model="rf", cls="BUY")
        errors.append(found.error)
        noises.append(found.noise)
    assert np.mean(errors) == pytest.approx(np.mean(noises), rel=0.05)


def test_probabilities_that_are_too_sure_show_their_gap() -> None:
    rng = np.random.default_rng(3)
    true = rng.uniform(0.3, 0.5, 20_000)
    found = reliability(true + 0.1, rng.random(20_000) < true, model="rf", cls="BUY")
    assert found.error == pytest.approx(0.1, abs=0.01)


def test_curves_cover_each_model_then_the_ensemble_and_each_class() -> None:
    rng = np.random.default_rng(4)
    models = rng.dirichlet([1, 1, 1], (50, 2))
    label = rng.integers(0, 3, 50).astype(np.int8)
    curves = reliabilities(models.mean(axis=1), models, label, ["rf", "xgb"], ["A", "B", "C"])
    assert [(each.model, each.cls) for each in curves] == [
        (model, cls) for model in ("rf", "xgb", "ensemble") for cls in "ABC"
    ]
    second = reliability(models[:, 1, 2], label == 2, model="xgb", cls="C")
    assert curves[5] == second


def test_verdict_names_the_worst_curve_and_passes_at_the_limit_itself() -> None:
    rows = np.full(100, 0.25)
    curve = reliability(rows, np.arange(100) < 30, model="lgb", cls="HOLD")
    assert curve.error == pytest.approx(0.05)
    assert verdict({"signal": [curve]}, curve.error)["passed"]
    failed = verdict({"signal": [curve]}, curve.error - 1e-9)
    assert not failed["passed"]
    assert failed["lines"][0].startswith("signal: not passed; the largest error is 0.0500 (lgb, H")
    assert failed["rows"] == {"signal": 100}


def test_curve_comes_back_from_json_and_no_rows_are_refused() -> None:
    curve = reliability(np.array([0.1, 0.9]), np.array([False, True]), model="rf", cls="BUY")
    assert Reliability.of(json.loads(json.dumps(curve.as_dict()))) == curve
    with pytest.raises(ValueError, match="rf, BUY: one row at least is needed"):
        reliability(np.empty(0), np.empty(0, dtype=bool), model="rf", cls="BUY")


def test_picture_is_a_png_and_the_same_curves_give_the_same_bytes() -> None:
    curve = reliability(np.array([0.1, 0.9]), np.array([False, True]), model="rf", cls="BUY")
    first = reliability_png([curve], 0.05)
    assert first.startswith(PNG)
    assert reliability_png([curve], 0.05) == first


def test_door_prints_writes_and_ends_by_the_limit(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = trained.paths.graph.parent
    arguments = ["--models", str(folder), "--json"]
    assert calibration_check.main([*arguments, "--limit", "0.9"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["passed"]
    assert set(said["errors"]["signal"]) == {"rf", "xgb", "lgb", "ensemble"}
    stored = json.loads((folder / "calibration_btcusd.json").read_text())
    assert stored["errors"] == said["errors"]
    assert len(stored["curves"]["signal"]) == 12
    assert (folder / "calibration_btcusd.png").read_bytes().startswith(PNG)
    assert calibration_check.main(["--models", str(folder), "--limit", "0.000001"]) == 1
    assert "not passed" in capsys.readouterr().out


def test_door_refuses_forecasts_of_another_graph_and_says_what_to_do(
    trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    path = oof_path(trained.paths, "BTCUSD")
    kept = OofForecasts.load(path)
    try:
        replace(kept, graph_sha256="0" * 64).save(path)
        assert calibration_check.main(["--models", str(path.parent)]) == 2
    finally:
        kept.save(path)
    assert "train the signal model again" in capsys.readouterr().err


def test_door_without_a_model_says_to_train_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert calibration_check.main(["--models", str(tmp_path)]) == 2
    assert "train a model first" in capsys.readouterr().err
