"""Importance by SHAP: exact sums, ranks, protected features, the door over a trained model."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml import shap_analysis
from ml.predictors.compat import read_checked, read_entry
from ml.training.importance import (
    Importance,
    bar_png,
    beeswarm_png,
    explain,
    prunable,
    ranked,
    spread_rows,
)
from ml.training.kept_model import lgb_text
from ml.training.models import TrainingError
from ml.training.warm_start import warm_folder
from tests.training.tables import Trained

PNG = b"\x89PNG\r\n\x1a\n"
NAMES = ("loud", "quiet", "idle", "clock")


@pytest.fixture(scope="module")
def rows() -> Any:
    return np.random.default_rng(1).normal(size=(1500, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def text(rows: Any) -> str:
    """Three classes, decided by the first feature and a little by the second."""
    from lightgbm import LGBMClassifier

    signal = rows[:, 0] + 0.3 * rows[:, 1]
    label = np.digitize(signal, [-0.5, 0.5])
    model = LGBMClassifier(n_estimators=20, num_leaves=6, verbose=-1).fit(rows, label)
    return str(model.booster_.model_to_string())


@pytest.fixture(scope="module")
def importance(text: str, rows: Any) -> Importance:
    return explain(text, rows[:300], NAMES, ("A", "B", "C"))


def test_shap_values_and_base_sum_to_the_raw_score(
    importance: Importance, text: str, rows: Any
) -> None:
    from lightgbm import Booster

    raw = Booster(model_str=text).predict(rows[:300], raw_score=True)
    assert importance.values.shape == (300, 4, 3)
    assert importance.values.sum(axis=1) + importance.base == pytest.approx(raw, abs=1e-9)


def test_features_are_ranked_by_what_they_move(importance: Importance) -> None:
    found = ranked(importance, frozenset({"clock"}))
    assert [each.name for each in found[:2]] == ["loud", "quiet"]
    assert [each.rank for each in found] == [1, 2, 3, 4]
    first = found[0]
    assert first.mean_abs_shap == pytest.approx(np.mean(list(first.by_output.values())))
    assert first.by_output["A"] == pytest.approx(np.abs(importance.values[:, 0, 0]).mean())


def test_protected_feature_is_never_proposed_however_little_it_moves(
    importance: Importance,
) -> None:
    found = ranked(importance, frozenset({"clock"}))
    assert {each.name for each in prunable(found, 1e9)} == {"loud", "quiet", "idle"}
    assert [each.name for each in prunable(found, 1e9)][-1] == "loud"
    assert prunable(found, 0.0) == []


def test_regressor_has_one_output(rows: Any) -> None:
    from lightgbm import LGBMRegressor

    model = LGBMRegressor(n_estimators=5, verbose=-1).fit(rows, rows[:, 0])
    found = explain(model.booster_.model_to_string(), rows[:50], NAMES, ("multiple",))
    assert found.values.shape == (50, 4, 1)
    assert ranked(found, frozenset())[0].name == "loud"


def test_model_of_other_features_or_outputs_is_refused(text: str, rows: Any) -> None:
    with pytest.raises(ValueError, match="3 features are expected, it reads 4"):
        explain(text, rows[:5, :3], NAMES[:3], ("A", "B", "C"))
    with pytest.raises(ValueError, match="2 outputs are expected, it gives 3"):
        explain(text, rows[:5], NAMES, ("A", "B"))


def test_sample_is_spread_over_all_rows_and_never_larger_than_they_are() -> None:
    assert spread_rows(10, 4).tolist() == [0, 3, 6, 9]
    assert spread_rows(3, 100).tolist() == [0, 1, 2]


def test_pictures_are_png(importance: Importance) -> None:
    assert beeswarm_png(importance).startswith(PNG)
    assert bar_png(importance, ranked(importance, frozenset())).startswith(PNG)


def test_kept_text_is_the_model_inside_the_graph(trained: Trained, rows: Any) -> None:
    paths = trained.paths
    entry = read_entry(paths.manifest, paths.graph)
    graph = read_checked(paths.graph, entry.graph)
    some = np.random.default_rng(2).normal(size=(200, len(entry.feature_names)))
    text = lgb_text(warm_folder(paths.graph), graph, some.astype(np.float32))
    assert text.startswith("tree")


def test_text_of_another_model_is_refused(trained: Trained, text: str, tmp_path: Path) -> None:
    from lightgbm import LGBMClassifier

    paths = trained.paths
    entry = read_entry(paths.manifest, paths.graph)
    graph = read_checked(paths.graph, entry.graph)
    rng = np.random.default_rng(3)
    some = rng.normal(size=(400, len(entry.feature_names))).astype(np.float32)
    other = LGBMClassifier(n_estimators=3, verbose=-1).fit(some, rng.integers(0, 3, 400))
    (tmp_path / "lgb.txt").write_text(other.booster_.model_to_string())
    with pytest.raises(TrainingError, match="is not the model of the graph"):
        lgb_text(tmp_path, graph, some)
    (tmp_path / "lgb.txt").write_text(text)
    with pytest.raises(TrainingError, match="features are expected, it reads 4"):
        lgb_text(tmp_path, graph, some)
    with pytest.raises(TrainingError, match="no such file"):
        lgb_text(tmp_path / "nowhere", graph, some)


def test_door_writes_summary_and_pictures_and_proposes_without_changing_anything(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from market.sources import generated

    monkeypatch.setattr(generated, "generated_bars", lambda *_, **__: trained.task.bars)
    folder = trained.paths.graph.parent
    arguments = ["--models", str(folder), "--rows", "200", "--propose", "--below", "1000"]
    assert shap_analysis.main(arguments) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Nothing was changed" in said
    stored = json.loads((folder / "shap_summary.json").read_text())["signal"]
    entry = read_entry(trained.paths.manifest, trained.paths.graph)
    assert stored["graph_sha256"] == entry.graph.sha256
    assert stored["rows"] == 200
    assert stored["training_data"] is True
    assert {each["name"] for each in stored["features"]} == set(entry.feature_names)
    protected = {each["name"] for each in stored["features"] if each["protected"]}
    assert {"is_london_session", "is_news_near", "day_of_week_cos"} <= protected
    assert not protected & set(stored["prunable"]["features"])
    assert len(stored["prunable"]["features"]) + len(protected) == len(entry.feature_names)
    for name in ("beeswarm", "bar"):
        assert (folder / f"shap_signal_{name}.png").read_bytes().startswith(PNG)
