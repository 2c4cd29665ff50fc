"""What the settings may ask of the base models: dart, constraints by name, a fourth voter."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml.predictors.session import open_session, run_rows
from ml.training.fitting import FittedEnsemble, fit_ensemble
from ml.training.models import EnsembleParams, TrainingError, _estimators, fit_models, model_params
from ml.training.params import DART, KNOWN
from ml.training.parity import compare
from ml.training.settings import EtParams, LgbParams, RfParams, XgbParams
from ml.training.table import TrainingTable
from settings import SettingsError, load_settings
from tests.training.tables import TINY, make_table

TABLE = make_table(n_features=4)
BASE, CALIBRATION = np.arange(2500), np.arange(2600, 4000)


def fitted(table: TrainingTable = TABLE, **overrides: Any) -> FittedEnsemble:
    params = EnsembleParams(**{"rf": TINY.rf, "xgb": TINY.xgb, "lgb": TINY.lgb, **overrides})
    return fit_ensemble(table, BASE, CALIBRATION, model_params(params, "quick", 1), 365)


@pytest.mark.parametrize("model", ["rf", "xgb", "lgb", "et"])
def test_known_names_hold_every_parameter_of_the_installed_library(model: str) -> None:
    missing = set(_estimators()[model]().get_params()) - KNOWN[model]
    assert not missing
    gone = KNOWN[model] - set(_estimators()[model]().get_params()) - DART
    assert model == "lgb" or not gone


@pytest.mark.parametrize("name", sorted(KNOWN["lgb"]))
def test_lightgbm_knows_each_of_its_names(name: str) -> None:
    from lightgbm.basic import _ConfigAliases

    aliases = _ConfigAliases._get_all_param_aliases()
    by_interface = set(_estimators()["lgb"]().get_params())
    assert name in by_interface or name in aliases


def test_misspelt_parameters_are_refused_when_the_settings_are_read(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    for name in ("config.json", "ml_config.json"):
        tree = json.loads((root / name).read_text())
        if name == "ml_config.json":
            tree |= {"xgb_params": {"max_dept": 3}, "lgb_params": {"monotone_constraints": [1]}}
        (tmp_path / name).write_text(json.dumps(tree))
    with pytest.raises(SettingsError) as caught:
        load_settings(tmp_path)
    text = str(caught.value)
    assert "ml_config.json: xgb_params" in text
    assert "max_dept is no parameter, did you mean max_depth" in text
    assert 'monotone_constraints: {"feature name": 1, 0 or -1} is allowed' in text


@pytest.mark.parametrize(
    ("section", "given", "message"),
    [
        (XgbParams, {"booster": "gblinear"}, "one of gbtree, dart is allowed"),
        (XgbParams, {"rate_drop": 0.1}, 'only with "booster": "dart"'),
        (XgbParams, {"tree_method": "exact"}, "tree_method cannot be changed"),
        (XgbParams, {"device": "cuda"}, "is set by --device"),
        (RfParams, {"max_leaf_nodes": 5000}, "2 … 256 is allowed, 5000 came"),
        (EtParams, {"max_leaf_nodes": None}, "2 … 256 is allowed, None came"),
        (LgbParams, {"interaction_constraints": "a"}, "lists of the feature names"),
        (LgbParams, {"class_weight": "balanced"}, "class_weight cannot be changed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_no_model_can_do_is_refused_in_the_settings(
    section: Any, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        section(given)


def test_constraints_name_features_and_an_unknown_one_gets_near_names() -> None:
    with pytest.raises(TrainingError, match=r"lgb_params\.monotone_constraints: 'f9' is no"):
        fitted(lgb=TINY.lgb | {"monotone_constraints": {"f9": 1}})
    with pytest.raises(TrainingError, match=r"interaction_constraints: 'f_1' .*did you mean f1"):
        fitted(xgb=TINY.xgb | {"interaction_constraints": [["f0", "f_1"]]})


@pytest.mark.parametrize("model", ["xgb", "lgb"])
def test_a_monotone_constraint_holds_for_the_named_feature(model: str) -> None:
    """Scores of a class may not fall while f0 rises, whatever the labels say."""
    rows = np.repeat(TABLE.rows[:1], 200, axis=0)
    rows[:, 0] = np.linspace(-3, 3, 200)
    given = {name: dict(getattr(TINY, name)) for name in ("rf", "xgb", "lgb")}
    given[model]["monotone_constraints"] = {"f0": 1}
    params = model_params(EnsembleParams(**given), "quick", 1)
    models = fit_models(
        TABLE.rows, TABLE.label, np.ones(len(TABLE)), params, feature_names=TABLE.feature_names
    )
    free = fit_models(TABLE.rows, TABLE.label, np.ones(len(TABLE)), model_params(TINY, "quick", 1))
    assert (np.diff(_raw(models, model, rows), axis=0) >= -1e-6).all()
    assert (np.diff(_raw(free, model, rows), axis=0) < -1e-3).any()


def _raw(models: Any, model: str, rows: Any) -> Any:
    if model == "xgb":
        return models.xgb.predict(rows, output_margin=True)
    return models.lgb.predict(rows, raw_score=True)


def test_interaction_constraints_keep_features_in_separate_trees() -> None:
    lgb = TINY.lgb | {"interaction_constraints": [["f0", "f1"], ["f2", "f3"]]}
    trees = fitted(lgb=lgb).models.lgb.booster_.dump_model()["tree_info"]
    seen = Counter(frozenset(_features(tree["tree_structure"])) for tree in trees)
    assert len(seen) > 1
    assert all(used <= {0, 1} or used <= {2, 3} for used in seen)


def _features(node: dict[str, Any]) -> set[int]:
    if "split_feature" not in node:
        return set()
    children = _features(node["left_child"]) | _features(node["right_child"])
    return {node["split_feature"]} | children


def test_dart_in_the_graph_equals_dart_in_xgboost() -> None:
    dart = {"booster": "dart", "rate_drop": 0.3, "skip_drop": 0.2}
    made = fitted(xgb=TINY.xgb | dart)
    report = compare(made.graph, made.models, made.tables, TABLE.rows)
    assert report.class_flips == 0
    assert report.largest_difference < 1e-5
    plain = fitted()
    assert np.abs(made.models.xgb.predict_proba(TABLE.rows)
                  - plain.models.xgb.predict_proba(TABLE.rows)).max() > 1e-3  # fmt: skip


def test_extra_trees_are_a_fourth_voter_of_the_same_graph() -> None:
    made = fitted(et=dict(TINY.rf))
    report = compare(made.graph, made.models, made.tables, TABLE.rows)
    assert report.class_flips == report.vote_flips == 0
    probabilities, by_model, votes = run_rows(open_session(made.graph), TABLE.rows)
    assert by_model.shape == (4000, 4, 3)
    assert votes.shape == (4000, 4)
    assert probabilities == pytest.approx(by_model.mean(axis=1), abs=1e-15)
    assert not np.array_equal(by_model[:, 0], by_model[:, 3])
