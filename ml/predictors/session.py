"""ONNX Runtime with one set of options, the same for training, backtest, paper and live.

Two threads change results by 2e-7, so there is one. A row's bits do not depend on the batch it is
in (tests/training/test_predictor.py).
"""

from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

OPTIONS: dict[str, int | str] = {
    "intra_op_num_threads": 1,
    "inter_op_num_threads": 1,
    "execution_mode": "sequential",
    "graph_optimization_level": "basic",
}
RUNTIME_VERSION: str = onnxruntime.__version__
CHUNK_ROWS = 4096
_ERRORS_ONLY = 3


class GraphError(ValueError):
    """Bytes that ONNX Runtime cannot make a model of."""


def open_session(graph: bytes) -> Any:
    """A session over a graph's bytes, on the CPU; `GraphError` if it is no valid graph."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = _ERRORS_ONLY
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except _runtime_errors() as error:
        raise GraphError(f"ONNX Runtime {RUNTIME_VERSION} refuses the graph: {error}") from error


def run_rows(session: Any, rows: NDArray[np.float32]) -> list[NDArray[Any]]:
    """Every output of the graph for rows (n, k), chunk by chunk."""
    chunks = [
        session.run(None, {"features": rows[first : first + CHUNK_ROWS]})
        for first in range(0, max(len(rows), 1), CHUNK_ROWS)
    ]
    if len(chunks) == 1:
        return list(chunks[0])
    return [np.concatenate(parts) for parts in zip(*chunks, strict=True)]


def _runtime_errors() -> tuple[type[Exception], ...]:
    state = onnxruntime.capi.onnxruntime_pybind11_state
    names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NotImplemented")
    return (*(getattr(state, name) for name in names), RuntimeError)
