"""XGBoost's dart booster as plain boosted trees, which is all that the ONNX converter knows.

Dart keeps a weight per tree and multiplies it into the leaves when it predicts (XGBoost: Parameters
for Dart Booster); with the weights multiplied into the leaves once, plain trees say the same.
"""

import json
from typing import Any

import numpy as np

_LEAF = -1


def is_dart(classifier: Any) -> bool:
    return bool(classifier.get_xgb_params().get("booster") == "dart")


def as_plain_trees(classifier: Any) -> Any:
    """A classifier of plain trees with the same answers (within float32 rounding of each leaf)."""
    from xgboost import XGBClassifier

    model = json.loads(classifier.get_booster().save_raw("json"))
    booster = model["learner"]["gradient_booster"]
    weights = np.array(booster["weight_drop"], dtype=np.float32)
    plain = booster["gbtree"]
    for weight, tree in zip(weights, plain["model"]["trees"], strict=True):
        _weigh(tree, weight)
    model["learner"]["gradient_booster"] = {**plain, "name": "gbtree"}
    made = XGBClassifier()
    made.load_model(bytearray(json.dumps(model), "utf-8"))
    return made


def _weigh(tree: dict[str, Any], weight: np.float32) -> None:
    """Multiplies the leaves; a leaf's value stands where a split has its condition."""
    leaves = np.array(tree["left_children"]) == _LEAF
    for name in ("split_conditions", "base_weights"):
        values = np.array(tree[name], dtype=np.float32)
        values[leaves] *= weight
        tree[name] = [float(each) for each in values]
