"""What the trading host may load, and what it answers."""

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from market.bars import Bars
from ml.ensemble_predictor import EnsemblePredictor, ModelCompatibilityError, ModelMissing
from ml.features.matrix import feature_matrix
from ml.features.settings import FeatureSettings
from ml.predictors.compat import Manifest, ModelEntry, read_manifest
from ml.predictors.ensemble import FeatureRowError
from ml.predictors.settings import ModelPaths
from tests.training.tables import Trained


@pytest.fixture(scope="module")
def predictor(trained: Trained) -> EnsemblePredictor:
    return EnsemblePredictor(trained.paths).load()


@pytest.fixture(scope="module")
def rows(market: Bars) -> np.ndarray:
    return feature_matrix(market, round_step=1000.0, first_row=len(market) - 5000)


@pytest.fixture
def copy(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> ModelPaths:
    """The trained files in a folder of their own."""
    paths = trained.paths.in_folder(tmp_path_factory.mktemp("copy"))
    for name in ("graph", "metadata", "manifest"):
        getattr(paths, name).write_bytes(getattr(trained.paths, name).read_bytes())
    return paths


def change_entry(paths: ModelPaths, change: Callable[[ModelEntry], ModelEntry]) -> None:
    models = {name: change(entry) for name, entry in read_manifest(paths.manifest).models.items()}
    paths.manifest.write_text(Manifest(models=models).text())


def test_probabilities_are_the_mean_of_the_models_and_sum_to_one(
    predictor: EnsemblePredictor, rows: np.ndarray
) -> None:
    said = predictor.predict(rows)
    assert said.probabilities.dtype == np.float64
    assert said.model_probabilities.shape == (5000, 3, 3)
    assert said.probabilities.sum(axis=1) == pytest.approx(np.ones(5000), abs=1e-12)
    assert said.model_probabilities.mean(axis=1) == pytest.approx(said.probabilities, abs=1e-12)
    best = said.model_probabilities.argmax(axis=2)
    assert np.array_equal(said.votes, np.array([1, -1, 0])[best])
    assert said.votes.dtype == np.int8


@pytest.mark.parametrize("size", [1, 2, 3, 7, 49, 50, 51, 127, 128, 129, 1000, 4096, 4097])
def test_a_row_has_the_same_bits_alone_and_in_any_batch(
    predictor: EnsemblePredictor, rows: np.ndarray, size: int
) -> None:
    whole = predictor.predict(rows)
    for first in (0, 1, 333, 5000 - size):
        part = predictor.predict(rows[first : first + size])
        for name in ("probabilities", "model_probabilities", "votes"):
            expected = getattr(whole, name)[first : first + size]
            assert getattr(part, name).tobytes() == expected.tobytes()


def test_no_rows_give_no_predictions(predictor: EnsemblePredictor, rows: np.ndarray) -> None:
    assert len(predictor.predict(rows[:0])) == 0


def test_a_row_that_is_not_finite_is_refused_by_the_features_name(
    predictor: EnsemblePredictor, rows: np.ndarray
) -> None:
    for value in (np.nan, np.inf, 1e300):
        bad = rows[:5].copy()
        bad[3, predictor.metadata.feature_names.index("adx_14")] = value
        with pytest.raises(FeatureRowError, match=r"adx_14 is .* in row 3") as caught:
            predictor.predict(bad)
        assert caught.value.feature == "adx_14"


def test_a_row_of_another_width_is_refused(predictor: EnsemblePredictor, rows: np.ndarray) -> None:
    with pytest.raises(FeatureRowError, match=r"\(n, 62\) is allowed, \(5000, 61\) came"):
        predictor.predict(rows[:, :61])


def test_a_predictor_that_is_not_loaded_says_so(rows: np.ndarray) -> None:
    with pytest.raises(RuntimeError, match="load"):
        EnsemblePredictor().predict(rows)


def test_metadata_tells_symbol_features_cutoff_and_hash(
    predictor: EnsemblePredictor, trained: Trained
) -> None:
    entry = predictor.metadata
    assert entry.symbol == "BTCUSD"
    assert len(entry.feature_names) == 62
    assert entry.train_cutoff_ms == trained.task.cutoff_ms
    assert len(entry.graph.sha256) == 64


def test_no_model_says_how_to_train_one(copy: ModelPaths) -> None:
    copy.graph.unlink()
    with pytest.raises(ModelMissing, match=r"train_ml_model\.py --ensemble"):
        EnsemblePredictor(copy).load()
    copy.manifest.unlink()
    with pytest.raises(ModelMissing, match=r"model_compat\.json: no such file"):
        EnsemblePredictor(copy).load()


def test_a_symbol_without_a_model_names_what_there_is(copy: ModelPaths) -> None:
    with pytest.raises(ModelMissing, match=r"lists ensemble_btcusd-live\.onnx, not ens"):
        EnsemblePredictor(copy.for_symbol("XAUUSD")).load()


def test_a_truncated_graph_is_refused(copy: ModelPaths) -> None:
    copy.graph.write_bytes(copy.graph.read_bytes()[:-100])
    with pytest.raises(ModelCompatibilityError, match="truncated"):
        EnsemblePredictor(copy).load()


def test_a_changed_byte_is_refused_by_its_hash(copy: ModelPaths) -> None:
    for path in (copy.graph, copy.metadata):
        content = bytearray(path.read_bytes())
        content[500] ^= 1
        path.write_bytes(bytes(content))
        with pytest.raises(ModelCompatibilityError, match=r"sha256 .* is listed"):
            EnsemblePredictor(copy).load()
        content[500] ^= 1
        path.write_bytes(bytes(content))
    EnsemblePredictor(copy).load()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"models": {"a": {"kind": 1}}}', '{"odd": 1}'])
def test_a_damaged_manifest_is_refused(copy: ModelPaths, text: str) -> None:
    copy.manifest.write_text(text)
    with pytest.raises(ModelCompatibilityError, match="the manifest is damaged, train again"):
        EnsemblePredictor(copy).load()


def test_the_first_feature_that_differs_is_named(copy: ModelPaths) -> None:
    def renamed(entry: ModelEntry) -> ModelEntry:
        names = list(entry.feature_names)
        names[4], names[5] = names[5], names[4]
        return entry.model_copy(update={"feature_names": tuple(names)})

    change_entry(copy, renamed)
    with pytest.raises(ModelCompatibilityError, match="feature 5 is rsi_slope in the model and"):
        EnsemblePredictor(copy).load()


def test_a_model_of_other_groups_is_refused(copy: ModelPaths) -> None:
    with pytest.raises(ModelCompatibilityError, match="the first one more is volatility_regime"):
        EnsemblePredictor(copy, FeatureSettings(groups=("base",))).load()


def test_changed_formulas_are_seen_by_the_feature_hash(copy: ModelPaths) -> None:
    change_entry(copy, lambda entry: entry.model_copy(update={"feature_hash": "0" * 64}))
    with pytest.raises(ModelCompatibilityError, match=r"feature hash 000000000000… in the model"):
        EnsemblePredictor(copy).load()


def test_the_predictor_imports_no_training_library() -> None:
    code = (
        "import sys, ml.ensemble_predictor as e; e.EnsemblePredictor();"
        "bad = {'sklearn', 'xgboost', 'lightgbm', 'onnx', 'skl2onnx', 'ml.training'};"
        "sys.exit(', '.join(bad & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
