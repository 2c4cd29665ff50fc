"""Folders of small models that every predictor check accepts, made without training."""

from pathlib import Path

from ml.features.catalogue import feature_hash, names
from ml.features.settings import FeatureSettings
from ml.predictors.compat import FileStamp, Manifest, ModelEntry
from ml.predictors.session import OPTIONS, RUNTIME_VERSION
from ml.predictors.settings import ModelPaths

CUTOFF_MS = 1_735_516_800_000


def make_models(folder: Path, *, scale: float, symbols: tuple[str, ...] = ("BTCUSD",)) -> Path:
    """A folder with a signal model for each symbol; `scale` makes graphs differ."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = {}
    for symbol in symbols:
        paths = ModelPaths().for_symbol(symbol).in_folder(folder)
        paths.graph.write_bytes(signal_graph(scale))
        paths.metadata.write_text(f'{{"scale": {scale}, "symbol": "{symbol}"}}\n')
        entries[paths.graph.name] = _entry(paths, symbol)
    (folder / "model_compat.json").write_text(Manifest(models=entries).text())
    (folder / "card.md").write_text(f"scale {scale}\n")
    return folder


def signal_graph(scale: float, n_features: int = 62) -> bytes:
    """Softmax of the first three features times `scale`, as a calibrated ensemble answers it."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    constants = [
        numpy_helper.from_array(np.array([0, 1, 2], dtype=np.int64), "three"),
        numpy_helper.from_array(np.array([float(scale)]), "scale"),
        numpy_helper.from_array(np.array([1]), "one"),
        numpy_helper.from_array(np.array([1, 3, 1]), "thrice"),
        numpy_helper.from_array(np.array([0.0]), "zero"),
    ]
    nodes = [
        helper.make_node("Gather", ["features", "three"], ["some"], axis=1),
        helper.make_node("Cast", ["some"], ["wide"], to=TensorProto.DOUBLE),
        helper.make_node("Mul", ["wide", "scale"], ["scaled"]),
        helper.make_node("Tanh", ["scaled"], ["flat"]),
        helper.make_node("Softmax", ["flat"], ["probabilities"], axis=1),
        helper.make_node("Unsqueeze", ["probabilities", "one"], ["each"]),
        helper.make_node("Tile", ["each", "thrice"], ["model_probabilities"]),
        helper.make_node("Mul", ["probabilities", "zero"], ["nothing"]),
        helper.make_node("Cast", ["nothing"], ["votes"], to=TensorProto.INT8),
    ]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "small", [info("features", TensorProto.FLOAT, [None, n_features])],
        [info("probabilities", TensorProto.DOUBLE, [None, 3]),
         info("model_probabilities", TensorProto.DOUBLE, [None, 3, 3]),
         info("votes", TensorProto.INT8, [None, 3])],
        constants,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


def served(folder: Path) -> dict[str, bytes]:
    """What the paths of `ml_config.json` show: names at the top of the folder, and their bytes."""
    return {each.name: each.read_bytes() for each in folder.iterdir() if _is_shown(each)}


def _is_shown(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".")


def _entry(paths: ModelPaths, symbol: str) -> ModelEntry:
    columns = names(FeatureSettings().groups)
    return ModelEntry(
        kind="signal", symbol=symbol, timeframe="M15", classes=("BUY", "SELL", "HOLD"),
        feature_names=columns, feature_hash=feature_hash(columns),
        train_cutoff_date="2024-12-30T00:00:00+00:00", train_cutoff_ms=CUTOFF_MS,
        graph=FileStamp.of(paths.graph), metadata=FileStamp.of(paths.metadata),
        opset={"": 17}, onnxruntime_version=RUNTIME_VERSION, onnxruntime_options=OPTIONS,
    )  # fmt: skip
