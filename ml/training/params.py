"""The names that a person may use in `rf_params`, `xgb_params`, `lgb_params` and `et_params`.

They are those of each library's scikit-learn interface (a test compares them with the installed
libraries); listed here so that a misspelt one is found when the settings are read, without loading
a library. Constraints name features, not positions.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

MODELS = ("rf", "xgb", "lgb")
EXTRA_TREES = "et"
MAX_LEAVES = 256


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_FOREST = _names(
    "bootstrap ccp_alpha class_weight criterion max_depth max_features max_leaf_nodes max_samples "
    "min_impurity_decrease min_samples_leaf min_samples_split min_weight_fraction_leaf "
    "monotonic_cst n_estimators n_jobs oob_score random_state verbose warm_start"
)
# What only the booster `dart` reads (XGBoost: Parameters for Dart Booster).
DART = _names("rate_drop skip_drop one_drop sample_type normalize_type")
_XGB = _names(
    "base_score booster callbacks colsample_bylevel colsample_bynode colsample_bytree device "
    "early_stopping_rounds enable_categorical eval_metric feature_types feature_weights gamma "
    "grow_policy importance_type interaction_constraints learning_rate max_bin max_cat_threshold "
    "max_cat_to_onehot max_delta_step max_depth max_leaves min_child_weight missing "
    "monotone_constraints multi_strategy n_estimators n_jobs num_parallel_tree objective "
    "random_state reg_alpha reg_lambda sampling_method scale_pos_weight subsample tree_method "
    "validate_parameters verbosity"
)
_LGB = _names(
    "boosting_type class_weight colsample_bytree importance_type learning_rate max_depth "
    "min_child_samples min_child_weight min_split_gain n_estimators n_jobs num_leaves objective "
    "random_state reg_alpha reg_lambda subsample subsample_for_bin subsample_freq"
)
# Of LightGBM itself; its scikit-learn interface passes them on.
_LGB_OWN = _names(
    "max_bin min_data_in_bin extra_trees path_smooth feature_fraction_bynode drop_rate max_drop "
    "skip_drop xgboost_dart_mode uniform_drop monotone_constraints monotone_constraints_method "
    "interaction_constraints"
)
KNOWN = {"rf": _FOREST, "xgb": _XGB | DART, "lgb": _LGB | _LGB_OWN, "et": _FOREST}
# What would break determinism, the graph, or the class order.
FIXED: dict[str, dict[str, Any]] = {
    "rf": {"warm_start": False, "class_weight": None, "monotonic_cst": None},
    "et": {"warm_start": False, "class_weight": None, "monotonic_cst": None},
    "xgb": {
        "tree_method": "hist", "objective": "multi:softprob", "callbacks": None,
        "early_stopping_rounds": None, "enable_categorical": False, "feature_types": None,
        "num_parallel_tree": None, "multi_strategy": None,
    },
    "lgb": {
        "objective": "multiclass", "class_weight": None, "deterministic": True,
        "force_row_wise": True, "verbose": -1,
    },
}  # fmt: skip
_ELSEWHERE = {"device": "--device", "device_type": "--device"}
_BOOSTERS = ("gbtree", "dart")


def problems(
    model: str, params: dict[str, Any], features: Sequence[str] | None = None
) -> list[str]:
    """What is wrong with one model's overrides, in words; empty if nothing.

    `features`: the names that constraints may use; None where they are not known yet.
    """
    found = [_name_problem(model, name) for name in params]
    found += _booster_problems(params) if model == "xgb" else []
    found += _leaf_problems(params) if model in ("rf", EXTRA_TREES) else []
    found += constraint_problems(params, features)
    return [each for each in found if each]


def _name_problem(model: str, name: str) -> str:
    if name in _ELSEWHERE:
        return f"{name}: is set by {_ELSEWHERE[name]}"
    if name in FIXED[model]:
        return f"{name} cannot be changed"
    if name in KNOWN[model]:
        return ""
    return f"{name} is no parameter{_near(name, KNOWN[model])}"


def _booster_problems(params: dict[str, Any]) -> list[str]:
    booster = params.get("booster", "gbtree")
    if booster not in _BOOSTERS:
        return [f"booster: one of {', '.join(_BOOSTERS)} is allowed, {booster!r} came"]
    idle = sorted(DART & params.keys()) if booster != "dart" else []
    return [f'{", ".join(idle)}: only with "booster": "dart"'] if idle else []


def _leaf_problems(params: dict[str, Any]) -> list[str]:
    leaves = params.get("max_leaf_nodes", MAX_LEAVES)
    if isinstance(leaves, int) and 2 <= leaves <= MAX_LEAVES:
        return []
    return [
        f"max_leaf_nodes: 2 … {MAX_LEAVES} is allowed, {leaves} came (a deeper forest makes a "
        "graph of hundreds of MB and gains 0.002 log-loss)"
    ]


def constraint_problems(params: dict[str, Any], features: Sequence[str] | None) -> list[str]:
    """What is wrong with monotone and interaction constraints, in words."""
    ways = params.get("monotone_constraints", {})
    groups = params.get("interaction_constraints", [])
    if not isinstance(ways, dict) or any(way not in (-1, 0, 1) for way in ways.values()):
        allowed = '{"feature name": 1, 0 or -1}'
        return [f"monotone_constraints: {allowed} is allowed, {ways!r:.80} came"]
    if not isinstance(groups, list | tuple) or not all(isinstance(g, list | tuple) for g in groups):
        return [
            "interaction_constraints: lists of the feature names that may meet in one tree are "
            f"allowed, {groups!r:.80} came"
        ]
    if features is None:
        return []
    named = [("monotone_constraints", name) for name in ways]
    named += [("interaction_constraints", name) for group in groups for name in group]
    return [
        f"{key}: {name!r} is no feature of this model{_near(str(name), features)}"
        for key, name in named
        if name not in features
    ]


def _near(name: str, known: Iterable[str]) -> str:
    known = sorted(known)
    close = get_close_matches(name, known, n=3)
    return f", did you mean {' or '.join(close)}?" if close else f"; allowed are {', '.join(known)}"


def positional(params: dict[str, Any], features: Sequence[str]) -> dict[str, Any]:
    """The parameters with constraints by place instead of by name, as the libraries take them."""
    place = {name: index for index, name in enumerate(features)}
    given = dict(params)
    if "monotone_constraints" in given:
        ways = given["monotone_constraints"]
        given["monotone_constraints"] = tuple(int(ways.get(name, 0)) for name in features)
    if "interaction_constraints" in given:
        groups = given["interaction_constraints"]
        given["interaction_constraints"] = [[place[name] for name in group] for group in groups]
    return given
