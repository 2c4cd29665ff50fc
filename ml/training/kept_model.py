"""The LightGBM text that training keeps, if it is the one inside the graph that trades.

The text lies in the warm start's folder, which another training may have written; so it is asked
the same rows as the graph's own LightGBM node, and both must answer alike.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ml.predictors.session import open_session, run_rows
from ml.training.models import TrainingError

TEXT = "lgb.txt"
_TOLERANCE = 1e-5
_INNER = "lgb_probabilities"


def lgb_text(folder: Path, graph: bytes, rows: NDArray[np.float32]) -> str:
    """The text model of `folder`, which answers `rows` (n, k) as the graph's LightGBM does.

    Raises `TrainingError` where it is missing or is another model's.
    """
    from lightgbm import Booster

    path = folder / TEXT
    again = "train again: python train_ml_model.py --ensemble"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise TrainingError(f"{path}: no such file; {again}") from None
    booster = Booster(model_str=text)
    if booster.num_feature() != rows.shape[1]:
        raise TrainingError(
            f"{path}: {rows.shape[1]} features are expected, it reads {booster.num_feature()}; "
            f"{again}"
        )
    largest = float(np.abs(booster.predict(rows) - _graphs_own(graph, rows)).max(initial=0.0))
    if not largest <= _TOLERANCE:
        raise TrainingError(
            f"{path}: is not the model of the graph: answers differ by {largest:.2g}, "
            f"{_TOLERANCE:g} is allowed; {again}"
        )
    return text


def _graphs_own(graph: bytes, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the LightGBM node inside the graph says, before calibration."""
    import onnx

    model = onnx.load_model_from_string(graph)
    inner = onnx.helper.make_tensor_value_info(_INNER, onnx.TensorProto.FLOAT, [None, None])
    del model.graph.output[:]
    model.graph.output.append(inner)
    return np.asarray(run_rows(open_session(model.SerializeToString()), rows)[0])
