"""Regressors as one ONNX graph each, with the arithmetic that keeps their promises inside.

SL/TP: features float32 (n, k) → two TreeEnsembleRegressors → float64 → plus the center → each
multiple into its limits → the target at least `TARGET_BEYOND` beyond the stop → multiples (n, 2).

Risk: features float32 (n, 7) → one TreeEnsembleRegressor → float64 → plus the center → into its
limits → multiplier (n, 1).
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.bars import Float64s
from ml.predictors.session import open_session, run_rows
from ml.training.models import TrainingError
from ml.training.parity import ParityError
from ml.training.regressor import Regressor
from ml.training.trees import OPSET, float32_thresholds

SL_LIMITS = (0.5, 3.0)
TP_LIMITS = (0.75, 5.0)
TARGET_BEYOND = 0.1
MULTIPLIER_LIMITS = (0.10, 1.25)
MAX_DIFFERENCE = 1e-5
_SINGLE_ROWS = 256
_IR_VERSION = 9


@dataclass(frozen=True, slots=True)
class RegressorParity:
    """Largest difference from the library's float64 answer; rows asked alone as well."""

    rows: int
    largest_difference: float
    single_rows: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def multiples_graph(stop: Regressor, target: Regressor, n_features: int) -> bytes:
    """Two regressors as one graph; output `multiples` (n, 2) as stop, target."""
    from onnx import helper

    node = helper.make_node
    steps = [
        *_bounded(stop, "sl", n_features),
        *_bounded(target, "tp", n_features),
        node("Add", ["sl", "beyond"], ["tp_least"]),
        node("Max", ["tp", "tp_least"], ["tp_beyond"]),
        node("Concat", ["sl", "tp_beyond"], ["multiples"], axis=1),
    ]
    constants = {
        **_constants(stop, "sl", SL_LIMITS),
        **_constants(target, "tp", TP_LIMITS),
        "beyond": TARGET_BEYOND,
    }
    return _model("sltp", steps, constants, ("multiples", 2), n_features)


def bounded_multiples(stop: Float64s, target: Float64s) -> Float64s:
    """What `multiples_graph` makes of its regressors' answers, in float64: (n, 2)."""
    sl = np.clip(stop, *SL_LIMITS)
    return np.column_stack([sl, np.maximum(np.clip(target, *TP_LIMITS), sl + TARGET_BEYOND)])


def multiplier_graph(model: Regressor, n_features: int) -> bytes:
    """One regressor as a graph; output `multiplier` (n, 1)."""
    from onnx import helper

    steps = [
        *_bounded(model, "risk", n_features),
        helper.make_node("Identity", ["risk"], ["multiplier"]),
    ]
    constants = _constants(model, "risk", MULTIPLIER_LIMITS)
    return _model("risk", steps, constants, ("multiplier", 1), n_features)


def bounded_multiplier(said: Float64s) -> Float64s:
    """What `multiplier_graph` makes of its regressor's answers, in float64: (n, 1)."""
    return np.clip(said, *MULTIPLIER_LIMITS)[:, None]


def compare_regressor(
    graph: bytes, rows: NDArray[np.float32], expected: Float64s
) -> RegressorParity:
    """Runs the graph over rows; `ParityError` where it differs from `expected` (n, m).

    Some rows are also asked alone; their bits must be those of the batch.
    """
    session = open_session(graph)
    (said,) = run_rows(session, rows)
    largest = float(np.abs(said - expected).max())
    if not largest <= MAX_DIFFERENCE:
        raise ParityError(
            f"the graph differs from the models by {largest:.1e} in {len(rows)} rows, "
            f"{MAX_DIFFERENCE:.0e} is allowed; it was not saved"
        )
    some = np.unique(np.linspace(0, len(rows) - 1, _SINGLE_ROWS, dtype=np.int64))
    for row in some:
        alone = run_rows(session, rows[row : row + 1])[0]
        if alone.tobytes() != said[row : row + 1].tobytes():
            raise ParityError(
                f"the graph says {alone.tolist()} of row {row} alone and {said[row].tolist()} in "
                "a batch; it was not saved"
            )
    return RegressorParity(len(rows), largest, len(some))


def _bounded(model: Regressor, name: str, n_features: int) -> list[Any]:
    """Trees, float64, center, limits: the value is called `name`."""
    from onnx import TensorProto, helper

    trees = _regressor_node(model.booster, name, n_features)
    trees.input.append("features")
    trees.output.append(f"{name}_trees")
    return [
        trees,
        helper.make_node("Cast", [f"{name}_trees"], [f"{name}_off"], to=TensorProto.DOUBLE),
        helper.make_node("Add", [f"{name}_center", f"{name}_off"], [f"{name}_said"]),
        helper.make_node("Max", [f"{name}_said", f"{name}_low"], [f"{name}_raised"]),
        helper.make_node("Min", [f"{name}_raised", f"{name}_high"], [name]),
    ]


def _regressor_node(booster: Any, name: str, n_features: int) -> Any:
    """A booster as one node with float32 thresholds, inputs and outputs unset."""
    from lightgbm import Booster
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    exact = Booster(model_str=float32_thresholds(booster.model_to_string()))
    features = [("features", FloatTensorType([None, n_features]))]
    model = convert_lightgbm(exact, initial_types=features, target_opset=15)
    nodes = [node for node in model.graph.node if node.op_type == "TreeEnsembleRegressor"]
    if len(nodes) != 1:
        kinds = ", ".join(sorted({node.op_type for node in model.graph.node}))
        raise TrainingError(f"{name}: one TreeEnsembleRegressor is expected, {kinds} came")
    del nodes[0].input[:], nodes[0].output[:]
    nodes[0].name = name
    return nodes[0]


def _constants(model: Regressor, name: str, limits: tuple[float, float]) -> dict[str, float]:
    return {f"{name}_center": model.center, f"{name}_low": limits[0], f"{name}_high": limits[1]}


def _model(
    name: str,
    steps: list[Any],
    constants: dict[str, float],
    output: tuple[str, int],
    n_features: int,
) -> bytes:
    from onnx import TensorProto, checker, helper, numpy_helper

    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, n_features])
    said = helper.make_tensor_value_info(output[0], TensorProto.DOUBLE, [None, output[1]])
    values = [numpy_helper.from_array(np.array(v), key) for key, v in constants.items()]
    graph = helper.make_graph(steps, name, [features], [said], values)
    opsets = [helper.make_opsetid(domain, version) for domain, version in OPSET.items()]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
    model.producer_name = "novosky"
    checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))
