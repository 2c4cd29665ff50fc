"""The four models as the trading host loads them: each checked, the absent ones named None."""

from pathlib import Path

import numpy as np
import pytest

from ml.features.settings import FeatureSettings
from ml.position_predictor import PositionPredictor
from ml.predictors.checked import CheckedPredictor, FeatureRowError
from ml.predictors.compat import (
    Kind,
    Manifest,
    ModelCompatibilityError,
    ModelMissing,
    read_manifest,
)
from ml.predictors.model_set import ModelSet, load_models
from ml.predictors.settings import ModelPaths
from ml.risk_predictor import RiskPredictor
from ml.sltp_predictor import SltpPredictor
from tests.tiny_models import files_of, write_models

BESIDE: tuple[Kind, ...] = ("position", "sltp", "risk")
FLAGS = {"signal": "--ensemble", "position": "--position", "sltp": "--sltp", "risk": "--risk"}


@pytest.fixture
def paths(tmp_path: Path) -> ModelPaths:
    return write_models(tmp_path)


def load(paths: ModelPaths) -> ModelSet:
    return load_models(paths, FeatureSettings())


def model(models: ModelSet, kind: Kind) -> CheckedPredictor:
    found = getattr(models, kind)
    assert found is not None
    return found


def rows_for(one: CheckedPredictor, count: int = 300) -> np.ndarray:
    rng = np.random.default_rng(3)
    return rng.normal(size=(count, len(one.metadata.feature_names)))


def test_all_listed_models_are_loaded(paths: ModelPaths) -> None:
    models = load(paths)
    assert [each.metadata.kind for each in models.all] == ["signal", "position", "sltp", "risk"]
    assert len(model(models, "position").metadata.feature_names) == 71
    assert len(model(models, "risk").metadata.feature_names) == 7


@pytest.mark.parametrize("kind", BESIDE)
def test_a_model_that_the_manifest_does_not_list_is_none(tmp_path: Path, kind: Kind) -> None:
    models = load(write_models(tmp_path, [each for each in ("signal", *BESIDE) if each != kind]))
    assert getattr(models, kind) is None
    assert len(models.all) == 3


def test_without_a_signal_model_there_is_no_set(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"not ensemble_btcusd-live\.onnx; train it: python"):
        load(write_models(tmp_path, BESIDE))


@pytest.mark.parametrize("kind", BESIDE)
def test_a_listed_graph_that_is_gone_is_an_error(paths: ModelPaths, kind: Kind) -> None:
    files_of(paths, kind).graph.unlink()
    with pytest.raises(ModelMissing, match=rf"no such file; .*train_ml_model\.py {FLAGS[kind]}$"):
        load(paths)


@pytest.mark.parametrize("kind", BESIDE)
@pytest.mark.parametrize("name", ["graph", "metadata"])
def test_a_changed_byte_is_an_error(paths: ModelPaths, kind: Kind, name: str) -> None:
    path: Path = getattr(files_of(paths, kind), name)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(ModelCompatibilityError, match=r"sha256 .* is listed in the manifest"):
        load(paths)


@pytest.mark.parametrize("kind", BESIDE)
def test_the_first_feature_that_differs_is_named(paths: ModelPaths, kind: Kind) -> None:
    listed = dict(read_manifest(paths.manifest).models)
    name = files_of(paths, kind).graph.name
    theirs = listed[name].feature_names
    swapped = (*theirs[:-2], theirs[-1], theirs[-2])
    listed[name] = listed[name].model_copy(update={"feature_names": swapped})
    paths.manifest.write_text(Manifest(models=listed).text())
    with pytest.raises(ModelCompatibilityError, match=f"is {theirs[-1]} in the model and"):
        load(paths)


def test_a_graph_of_another_kind_is_refused(paths: ModelPaths) -> None:
    listed = dict(read_manifest(paths.manifest).models)
    name = paths.sltp.graph.name
    listed[name] = listed[name].model_copy(update={"kind": "risk"})
    paths.manifest.write_text(Manifest(models=listed).text())
    with pytest.raises(ModelCompatibilityError, match="listed as kind risk, sltp is allowed"):
        load(paths)


def test_a_graph_with_other_outputs_is_refused(paths: ModelPaths) -> None:
    listed = dict(read_manifest(paths.manifest).models)
    signal, sltp = (listed[each.graph.name] for each in (paths.signal, paths.sltp))
    paths.sltp.graph.write_bytes(paths.signal.graph.read_bytes())
    listed[paths.sltp.graph.name] = sltp.model_copy(
        update={"graph": signal.graph.model_copy(update={"file": paths.sltp.graph.name})}
    )
    paths.manifest.write_text(Manifest(models=listed).text())
    with pytest.raises(ModelCompatibilityError, match=r"outputs \('multiples',\) are allowed"):
        load(paths)


def test_models_of_two_symbols_are_no_set(paths: ModelPaths) -> None:
    listed = dict(read_manifest(paths.manifest).models)
    name = paths.position.graph.name
    listed[name] = listed[name].model_copy(update={"symbol": "XAUUSD"})
    paths.manifest.write_text(Manifest(models=listed).text())
    with pytest.raises(ModelCompatibilityError, match="BTCUSD as the signal model is allowed"):
        load(paths)


@pytest.mark.parametrize("kind", BESIDE)
def test_a_row_has_the_same_bits_alone_and_in_a_batch(paths: ModelPaths, kind: Kind) -> None:
    one = model(load(paths), kind)
    rows = rows_for(one)
    whole = _answers(one, rows)
    for i in (0, 1, 17, 299):
        assert _answers(one, rows[i : i + 1]).tobytes() == whole[i : i + 1].tobytes()


@pytest.mark.parametrize("kind", BESIDE)
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300], ids=["nan", "inf", "beyond_float32"])
def test_a_value_that_is_not_finite_is_refused_by_name(
    paths: ModelPaths, kind: Kind, value: float
) -> None:
    one = model(load(paths), kind)
    rows = rows_for(one, 4)
    rows[2, 3] = value
    with pytest.raises(FeatureRowError, match=r"in row 2") as caught:
        _answers(one, rows)
    assert caught.value.feature == one.metadata.feature_names[3]


def test_answers_have_the_agreed_shapes(paths: ModelPaths) -> None:
    models = load(paths)
    assert isinstance(models.position, PositionPredictor)
    assert isinstance(models.sltp, SltpPredictor)
    assert isinstance(models.risk, RiskPredictor)
    said = models.position.predict(rows_for(models.position, 5))
    assert (said.probabilities.shape, said.votes.shape) == ((5, 3), (5, 3))
    multiples = models.sltp.predict(rows_for(models.sltp, 5))
    assert multiples.shape == (5, 2)
    assert (multiples[:, 1] > multiples[:, 0]).all()
    assert models.risk.predict(rows_for(models.risk, 5)).shape == (5,)


@pytest.mark.parametrize("made", [PositionPredictor, SltpPredictor, RiskPredictor])
def test_a_predictor_that_is_not_loaded_says_so(made: type[CheckedPredictor]) -> None:
    one = made()  # type: ignore[call-arg]
    with pytest.raises(RuntimeError, match=rf"{made.__name__}: call load\(\) first"):
        _ = one.metadata


def test_another_symbols_files_have_its_name() -> None:
    paths = ModelPaths().for_symbol("XAUUSD")
    assert paths.position.graph.name == "position_xauusd-live.onnx"
    assert paths.sltp.metadata.name == "sltp_metadata_xauusd.json"
    assert paths.for_symbol("XAUUSD") == paths
    assert ModelPaths().for_symbol("BTCUSD") == ModelPaths()


def test_paths_of_one_symbol_lead_to_those_of_every_other(tmp_path: Path) -> None:
    gold, euro = (ModelPaths().for_symbol(each) for each in ("XAUUSD", "EURUSD"))
    assert gold.for_symbol("BTCUSD") == ModelPaths()
    assert gold.for_symbol("EURUSD") == euro
    moved = gold.in_folder(tmp_path)
    assert moved.for_symbol("BTCUSD") == ModelPaths().in_folder(tmp_path)
    assert moved.for_symbol("EURUSD") == euro.in_folder(tmp_path)


def _answers(one: CheckedPredictor, rows: np.ndarray) -> np.ndarray:
    said = one.predict(rows)  # type: ignore[attr-defined]
    found: np.ndarray = getattr(said, "probabilities", said)
    return found
