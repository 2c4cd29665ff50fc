"""One ONNX graph for the calibrated ensemble, of plain operators.

features float32 (n, k)
→ three TreeEnsembleClassifiers                         base probabilities, float32 (n, 9)
→ one TreeEnsembleRegressor of nine binary searches      each value's segment: x0, y0, slope
→ y0 + slope · (x − x0) in float64, divided by each model's sum   model_probabilities (n, 3, 3)
→ mean of the three models                               probabilities (n, 3)
→ the largest class, BUY +1, SELL −1, HOLD or a tie 0    votes int8 (n, 3)

Sums are written as additions, in a fixed order, so that a row's bits do not depend on the batch.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.training.calibration import Table
from ml.training.trees import OPSET

_IR_VERSION = 9


def base_graph(nodes: list[Any], n_features: int) -> bytes:
    """The three models alone: output `base` (n, 9) float32, rf, xgb, lgb by class."""
    from onnx import TensorProto, helper

    output = helper.make_tensor_value_info("base", TensorProto.FLOAT, [None, 9])
    return _model(_base_nodes(nodes), [], [output], n_features)


def ensemble_graph(nodes: list[Any], tables: list[list[Table]], n_features: int) -> bytes:
    """The whole ensemble, deterministic: equal models and tables give equal bytes."""
    from onnx import TensorProto, helper

    outputs = [
        helper.make_tensor_value_info("probabilities", TensorProto.DOUBLE, [None, 3]),
        helper.make_tensor_value_info("model_probabilities", TensorProto.DOUBLE, [None, 3, 3]),
        helper.make_tensor_value_info("votes", TensorProto.INT8, [None, 3]),
    ]
    steps = [*_base_nodes(nodes), _calibration_node(tables), *_arithmetic_nodes()]
    return _model(steps, _constants(), outputs, n_features)


def _model(nodes: list[Any], constants: list[Any], outputs: list[Any], n_features: int) -> bytes:
    from onnx import TensorProto, checker, helper

    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, n_features])
    graph = helper.make_graph(nodes, "ensemble", [features], outputs, constants)
    opsets = [helper.make_opsetid(domain, version) for domain, version in OPSET.items()]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
    model.producer_name = "novosky"
    checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def _base_nodes(nodes: list[Any]) -> list[Any]:
    from onnx import NodeProto, helper

    placed = []
    for node in nodes:
        copy = NodeProto()
        copy.CopyFrom(node)
        copy.input.append("features")
        copy.output.extend([f"{node.name}_label", f"{node.name}_probabilities"])
        placed.append(copy)
    joined = [node.output[1] for node in placed]
    return [*placed, helper.make_node("Concat", joined, ["base"], axis=1)]


def _calibration_node(tables: list[list[Table]]) -> Any:
    """Nine binary searches as trees: tree i looks at value i and gives targets 3i … 3i+2."""
    from onnx import helper

    nodes: dict[str, Any] = {key: [] for key in _NODE_KEYS}
    for tree, table in enumerate(table for model in tables for table in model):
        _add_tree(nodes, tree, table)
    return helper.make_node(
        "TreeEnsembleRegressor", ["base"], ["segments"], domain="ai.onnx.ml", name="calibration",
        n_targets=27, aggregate_function="SUM", post_transform="NONE", **nodes,
    )  # fmt: skip


_NODE_KEYS = (
    "nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_modes", "nodes_values",
    "nodes_truenodeids", "nodes_falsenodeids", "target_treeids", "target_nodeids", "target_ids",
    "target_weights",
)  # fmt: skip


def segments(table: Table) -> NDArray[np.float32]:
    """(knots + 1, 3): x0, y0, slope for values up to each knot, and beyond the last."""
    x, y = table.x.astype(np.float64), table.y.astype(np.float64)
    slope = np.r_[0.0, np.diff(y) / np.diff(x), 0.0]
    start = np.r_[0, np.arange(len(x))]
    return np.column_stack([x[start], y[start], slope]).astype(np.float32)


def _add_tree(nodes: dict[str, list[Any]], tree: int, table: Table) -> None:
    """A balanced search: values in (knot j−1, knot j] end in leaf j."""
    parts = segments(table)

    def add(first: int, last: int) -> int:
        """The subtree over segments first … last; returns its node id."""
        node_id = nodes["nodes_treeids"].count(tree)
        middle = (first + last) // 2
        leaf = first == last
        nodes["nodes_treeids"].append(tree)
        nodes["nodes_nodeids"].append(node_id)
        nodes["nodes_featureids"].append(tree)
        nodes["nodes_modes"].append("LEAF" if leaf else "BRANCH_LEQ")
        nodes["nodes_values"].append(0.0 if leaf else float(table.x[middle]))
        nodes["nodes_truenodeids"].append(0)
        nodes["nodes_falsenodeids"].append(0)
        if leaf:
            for place, value in enumerate(parts[first]):
                nodes["target_treeids"].append(tree)
                nodes["target_nodeids"].append(node_id)
                nodes["target_ids"].append(3 * tree + place)
                nodes["target_weights"].append(float(value))
            return node_id
        here = len(nodes["nodes_nodeids"]) - 1
        nodes["nodes_truenodeids"][here] = add(first, middle)
        nodes["nodes_falsenodeids"][here] = add(middle + 1, last)
        return node_id

    add(0, len(parts) - 1)


def _arithmetic_nodes() -> list[Any]:
    from onnx import TensorProto, helper

    double, int8 = TensorProto.DOUBLE, TensorProto.INT8
    node = helper.make_node
    return [
        node("Cast", ["base"], ["x"], to=double),
        node("Reshape", ["segments", "by_value"], ["segment_rows"]),
        node("Cast", ["segment_rows"], ["segment"], to=double),
        *(node("Gather", ["segment", f"i{i}"], [name], axis=2)
          for i, name in enumerate(("x0", "y0", "slope"))),
        node("Sub", ["x", "x0"], ["beyond"]),
        node("Mul", ["slope", "beyond"], ["rise"]),
        node("Add", ["y0", "rise"], ["flat"]),
        node("Reshape", ["flat", "by_model"], ["value"]),
        *(node("Gather", ["value", f"i{i}"], [f"class{i}"], axis=2) for i in range(3)),
        node("Add", ["class0", "class1"], ["sum01"]),
        node("Add", ["sum01", "class2"], ["sum"]),
        node("Unsqueeze", ["sum", "axis2"], ["sums"]),
        node("Div", ["value", "sums"], ["model_probabilities"]),
        *(node("Gather", ["model_probabilities", f"i{i}"], [f"model{i}"], axis=1)
          for i in range(3)),
        node("Add", ["model0", "model1"], ["models01"]),
        node("Add", ["models01", "model2"], ["models"]),
        node("Div", ["models", "three"], ["probabilities"]),
        *(node("Gather", ["model_probabilities", f"i{i}"], [f"p{i}"], axis=2) for i in range(3)),
        *_vote_nodes(node, int8),
    ]  # fmt: skip


def _vote_nodes(node: Any, int8: int) -> list[Any]:
    """BUY only if above both others, SELL likewise; the difference is the side."""
    return [
        node("Greater", ["p0", "p1"], ["buy_over_sell"]),
        node("Greater", ["p1", "p0"], ["sell_over_buy"]),
        node("Greater", ["p0", "p2"], ["buy_over_hold"]),
        node("Greater", ["p1", "p2"], ["sell_over_hold"]),
        node("And", ["buy_over_sell", "buy_over_hold"], ["is_buy"]),
        node("And", ["sell_over_buy", "sell_over_hold"], ["is_sell"]),
        node("Cast", ["is_buy"], ["buys"], to=1),
        node("Cast", ["is_sell"], ["sells"], to=1),
        node("Sub", ["buys", "sells"], ["sides"]),
        node("Cast", ["sides"], ["votes"], to=int8),
    ]


def _constants() -> list[Any]:
    from onnx import numpy_helper

    values = {
        "by_value": np.array([-1, 9, 3], dtype=np.int64),
        "by_model": np.array([-1, 3, 3], dtype=np.int64),
        "axis2": np.array([2], dtype=np.int64),
        "three": np.array(3.0, dtype=np.float64),
        **{f"i{i}": np.array(i, dtype=np.int64) for i in range(3)},
    }
    return [numpy_helper.from_array(value, name) for name, value in values.items()]
