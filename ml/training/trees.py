"""Fitted models as ONNX tree ensembles that compare as the originals do.

ONNX compares float32 with float32, LightGBM and scikit-learn compare with a float64 threshold. As
every input is a float32, `x <= t` equals `x <= (largest float32 not above t)`; with the thresholds
rewritten so, no row takes another branch.
"""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.bars import Float64s
from ml.training.dart import as_plain_trees, is_dart
from ml.training.models import BaseModels, TrainingError

OPSET = {"": 17, "ai.onnx.ml": 3}


def floor_float32(value: Float64s) -> Float64s:
    """The largest float32 that is not above each value, as float64."""
    near = value.astype(np.float32)
    below = np.nextafter(near, np.float32(-np.inf))
    return np.where(near.astype(np.float64) > value, below, near).astype(np.float64)


def tree_nodes(models: BaseModels, n_features: int) -> list[Any]:
    """One `TreeEnsembleClassifier` node for each model, inputs and outputs unset."""
    return [_NODE_OF[name](name, model, n_features) for name, model in models.by_name.items()]


def _forest_node(name: str, forest: Any, n_features: int) -> Any:
    from skl2onnx import to_onnx

    for tree in forest.estimators_:
        inner = tree.tree_.threshold
        inner[:] = floor_float32(inner)
    sample: NDArray[np.float32] = np.zeros((1, n_features), dtype=np.float32)
    model = to_onnx(forest, sample, options={"zipmap": False}, target_opset=OPSET)
    return _tree_node(model, name)


def _xgb_node(name: str, classifier: Any, n_features: int) -> Any:
    from onnxmltools import convert_xgboost

    classifier = as_plain_trees(classifier) if is_dart(classifier) else classifier
    model = convert_xgboost(classifier, initial_types=_float_input(n_features), target_opset=15)
    return _tree_node(model, name)


def _lgb_node(name: str, classifier: Any, n_features: int) -> Any:
    from lightgbm import Booster
    from onnxmltools import convert_lightgbm

    text = float32_thresholds(classifier.booster_.model_to_string())
    booster = Booster(model_str=text)
    model = convert_lightgbm(
        booster, initial_types=_float_input(n_features), zipmap=False, target_opset=15
    )
    return _tree_node(model, name)


_NODE_OF = {"rf": _forest_node, "xgb": _xgb_node, "lgb": _lgb_node, "et": _forest_node}


def float32_thresholds(model_text: str) -> str:
    """A LightGBM model text whose thresholds are the largest float32 not above them.

    The `tree_sizes` line counts bytes of the old text, and LightGBM aborts on a wrong one; without
    it the trees are found by their headers.
    """

    def rewrite(line: re.Match[str]) -> str:
        values = np.array(line.group(1).split(), dtype=np.float64)
        return "threshold=" + " ".join(repr(float(each)) for each in floor_float32(values))

    text = re.sub(r"^tree_sizes=.*\n", "", model_text, flags=re.MULTILINE)
    return re.sub(r"^threshold=(.+)$", rewrite, text, flags=re.MULTILINE)


def _float_input(n_features: int) -> list[Any]:
    from onnxmltools.convert.common.data_types import FloatTensorType

    return [("features", FloatTensorType([None, n_features]))]


def _tree_node(model: Any, name: str) -> Any:
    nodes = [node for node in model.graph.node if node.op_type == "TreeEnsembleClassifier"]
    if len(nodes) != 1:
        kinds = ", ".join(sorted({node.op_type for node in model.graph.node}))
        raise TrainingError(f"{name}: one TreeEnsembleClassifier is expected, {kinds} came")
    del nodes[0].input[:], nodes[0].output[:]
    nodes[0].name = name
    return nodes[0]
