"""One ONNX graph for the calibrated ensemble, of plain operators.

For m models (rf, xgb, lgb and perhaps et) of three classes:

features float32 (n, k)
→ m TreeEnsembleClassifiers                              base probabilities, float32 (n, 3m)
→ one TreeEnsembleRegressor of 3m binary searches        each value's segment: x0, y0, slope
→ y0 + slope · (x − x0) in float64, divided by each model's sum   model_probabilities (n, m, 3)
→ mean of the models                                     probabilities (n, 3)
→ the vote of the largest class, 0 for a tie             votes int8 (n, m)

Sums are written as additions, in a fixed order, so that a row's bits do not depend on the batch.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.training.calibration import Table
from ml.training.classes import SIGNAL, ThreeClasses
from ml.training.trees import OPSET

_IR_VERSION = 9


def base_graph(nodes: list[Any], n_features: int) -> bytes:
    """The m models alone: output `base` (n, 3m) float32, model by class."""
    from onnx import TensorProto, helper

    output = helper.make_tensor_value_info("base", TensorProto.FLOAT, [None, 3 * len(nodes)])
    return _model(_base_nodes(nodes), [], [output], n_features)


def ensemble_graph(
    nodes: list[Any],
    tables: list[list[Table]],
    n_features: int,
    classes: ThreeClasses = SIGNAL,
) -> bytes:
    """The whole ensemble, deterministic: equal models and tables give equal bytes."""
    from onnx import TensorProto, helper

    count = len(nodes)
    outputs = [
        helper.make_tensor_value_info("probabilities", TensorProto.DOUBLE, [None, 3]),
        helper.make_tensor_value_info("model_probabilities", TensorProto.DOUBLE, [None, count, 3]),
        helper.make_tensor_value_info("votes", TensorProto.INT8, [None, count]),
    ]
    steps = [*_base_nodes(nodes), _calibration_node(tables), *_arithmetic_nodes(count, classes)]
    return _model(steps, _constants(count), outputs, n_features)


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
    """Binary searches as trees: tree i looks at value i and gives targets 3i … 3i+2."""
    from onnx import helper

    nodes: dict[str, Any] = {key: [] for key in _NODE_KEYS}
    for tree, table in enumerate(table for model in tables for table in model):
        _add_tree(nodes, tree, table)
    return helper.make_node(
        "TreeEnsembleRegressor", ["base"], ["segments"], domain="ai.onnx.ml", name="calibration",
        n_targets=9 * len(tables), aggregate_function="SUM", post_transform="NONE", **nodes,
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


def _arithmetic_nodes(count: int, classes: ThreeClasses) -> list[Any]:
    from onnx import TensorProto, helper

    node = helper.make_node
    return [
        node("Cast", ["base"], ["x"], to=TensorProto.DOUBLE),
        node("Reshape", ["segments", "by_value"], ["segment_rows"]),
        node("Cast", ["segment_rows"], ["segment"], to=TensorProto.DOUBLE),
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
          for i in range(count)),
        *_mean_nodes(node, count),
        *(node("Gather", ["model_probabilities", f"i{i}"], [f"p{i}"], axis=2) for i in range(3)),
        *_vote_nodes(node, classes),
    ]  # fmt: skip


def _mean_nodes(node: Any, count: int) -> list[Any]:
    """Model by model from the left, then divided by their number."""
    sums = ["model0"]
    steps = []
    for i in range(1, count):
        sums.append("models" if i == count - 1 else "models" + "".join(map(str, range(i + 1))))
        steps.append(node("Add", [sums[-2], f"model{i}"], [sums[-1]]))
    return [*steps, node("Div", [sums[-1], _COUNTS[count]], ["probabilities"])]


def _vote_nodes(node: Any, classes: ThreeClasses) -> list[Any]:
    """An acting class only if above both others; its code, else 0."""
    from onnx import TensorProto

    first, second, rest = *classes.acting, classes.rest
    one, other, none = (classes.names[each].lower() for each in (first, second, rest))
    return [
        node("Greater", [f"p{first}", f"p{second}"], [f"{one}_over_{other}"]),
        node("Greater", [f"p{second}", f"p{first}"], [f"{other}_over_{one}"]),
        node("Greater", [f"p{first}", f"p{rest}"], [f"{one}_over_{none}"]),
        node("Greater", [f"p{second}", f"p{rest}"], [f"{other}_over_{none}"]),
        node("And", [f"{one}_over_{other}", f"{one}_over_{none}"], [f"is_{one}"]),
        node("And", [f"{other}_over_{one}", f"{other}_over_{none}"], [f"is_{other}"]),
        node("Cast", [f"is_{one}"], [f"{one}s"], to=TensorProto.FLOAT),
        node("Cast", [f"is_{other}"], [f"{other}s"], to=TensorProto.FLOAT),
        *_joined_votes(node, f"{one}s", f"{other}s", classes),
        node("Cast", ["sides"], ["votes"], to=TensorProto.INT8),
    ]


def _joined_votes(node: Any, one: str, other: str, classes: ThreeClasses) -> list[Any]:
    """`one` − `other` for the votes +1 and −1, `one` + 2 · `other` for 1 and 2."""
    match tuple(classes.votes[each] for each in classes.acting):
        case (1, -1):
            return [node("Sub", [one, other], ["sides"])]
        case (1, 2):
            twice = node("Add", [other, other], [f"{other}_twice"])
            return [twice, node("Add", [one, f"{other}_twice"], ["sides"])]
        case codes:
            raise ValueError(f"votes: +1 and −1, or 1 and 2, are allowed, {codes} came")


_COUNTS = {2: "two", 3: "three", 4: "four"}


def _constants(count: int) -> list[Any]:
    from onnx import numpy_helper

    values = {
        "by_value": np.array([-1, 3 * count, 3], dtype=np.int64),
        "by_model": np.array([-1, count, 3], dtype=np.int64),
        "axis2": np.array([2], dtype=np.int64),
        _COUNTS[count]: np.array(count, dtype=np.float64),
        **{f"i{i}": np.array(i, dtype=np.int64) for i in range(max(count, 3))},
    }
    return [numpy_helper.from_array(value, name) for name, value in values.items()]
