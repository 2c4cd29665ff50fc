"""What a start says of the four models, and how far they have learned."""

from pathlib import Path

import pytest

from ml.features.settings import FeatureSettings
from ml.predictors.compat import Kind, Manifest, ModelCompatibilityError, read_manifest
from ml.predictors.settings import ModelPaths
from tests.tiny_models import learned_from_another, write_models
from trading.decision.settings import DecisionSettings
from trading.model import beside, graph_hashes, load_for, model_lines, seen_until, strangers

DEFAULT = DecisionSettings()


def test_each_model_has_a_line_that_says_used_or_switched_off(tmp_path: Path) -> None:
    models = load_for(write_models(tmp_path), FeatureSettings(), "BTCUSD")
    assert model_lines(models, DEFAULT) == (
        "signal model: ensemble_btcusd-live.onnx, learned until 2020-01-01 00:00 UTC",
        "position model: position_btcusd-live.onnx, learned until 2020-01-01 00:00 UTC",
        "SL/TP model: switched off (dynamic_sltp.use_model): static multiples",
        "risk model: risk_btcusd-live.onnx, learned until 2020-01-01 00:00 UTC",
    )
    others = DecisionSettings.model_validate({
        "dynamic_sltp": {"use_model": True}, "risk_model": {"enabled": False},
        "ml_active_management": {"enabled": False},
    })  # fmt: skip
    said = model_lines(models, others)
    assert said[1] == (
        "position model: switched off (ml_active_management.enabled): no exits by a model"
    )
    assert said[2].startswith("SL/TP model: sltp_btcusd-live.onnx")
    assert said[3] == "risk model: switched off (risk_model.enabled): multiplier 1.0"


def test_absent_models_say_what_holds_instead(tmp_path: Path) -> None:
    models = load_for(write_models(tmp_path, ["signal"]), FeatureSettings(), "BTCUSD")
    assert model_lines(models, DEFAULT)[1:] == (
        "position model: absent: no exits by a model",
        "SL/TP model: absent: static multiples",
        "risk model: absent: multiplier 1.0",
    )
    assert beside(models).position is None


@pytest.mark.parametrize("learned", [True, False])
def test_missing_m1_bars_are_told_where_the_model_has_learned_from_them(
    tmp_path: Path, learned: bool
) -> None:
    models = load_for(write_models(tmp_path, m1=learned), FeatureSettings(), "BTCUSD")
    assert beside(models).minutes is learned
    assert ("none are given" in model_lines(models, DEFAULT, has_m1=False)[1]) is learned
    assert "none are given" not in model_lines(models, DEFAULT, has_m1=True)[1]


@pytest.mark.parametrize("kind", ["position", "sltp", "risk"])
def test_model_in_use_that_learned_from_another_signal_model_is_warned_of(
    tmp_path: Path, kind: Kind
) -> None:
    paths = write_models(tmp_path)
    learned_from_another(paths, kind)
    models = load_for(paths, FeatureSettings(), "BTCUSD")
    every = DecisionSettings.model_validate({"dynamic_sltp": {"use_model": True}})
    assert model_lines(models, every)[4:] == (
        f"warning: the {kind} model learned from another signal model than the one that serves: "
        f"train it again (python train_ml_model.py --{kind})",
    )
    assert len(strangers(models, every)) == 1


def test_model_of_another_signal_that_is_switched_off_is_no_warning(tmp_path: Path) -> None:
    paths = write_models(tmp_path)
    learned_from_another(paths, "sltp")
    models = load_for(paths, FeatureSettings(), "BTCUSD")
    assert [each.metadata.kind for each in models.of_another_signal] == ["sltp"]
    assert strangers(models, DEFAULT) == ()


def test_models_for_another_symbol_are_refused(tmp_path: Path) -> None:
    paths = write_models(tmp_path)
    with pytest.raises(ModelCompatibilityError, match="a model for XAUUSD is needed"):
        load_for(paths, FeatureSettings(), "XAUUSD")


def test_the_model_that_learned_last_decides_from_when_results_count(tmp_path: Path) -> None:
    paths = write_models(tmp_path)
    cutoff_ms = 1_577_836_800_000
    models = load_for(paths, FeatureSettings(), "BTCUSD")
    assert seen_until(models, cutoff_ms) == ""
    assert seen_until(models, cutoff_ms - 1).startswith("the model has learned")
    _learn_longer(paths, cutoff_ms + 60_000)
    later = load_for(paths, FeatureSettings(), "BTCUSD")
    assert seen_until(later, cutoff_ms).startswith(
        "the risk model has learned from bars until 2020-01-01 00:01 UTC"
    )
    assert len(graph_hashes(later)) == 4


def _learn_longer(paths: ModelPaths, cutoff_ms: int) -> None:
    entries = dict(read_manifest(paths.manifest).models)
    name = paths.risk.graph.name
    entries[name] = entries[name].model_copy(update={"train_cutoff_ms": cutoff_ms})
    paths.manifest.write_text(Manifest(models=entries).text())
