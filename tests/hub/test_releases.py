"""What a release may hold, how tags are made, and where keys come from."""

from datetime import date
from pathlib import Path

import pytest

from ml.features.settings import FeatureSettings
from ml.hub import Hub, HubError
from ml.hub.connect import open_hub
from ml.hub.folder import ModelFolder
from ml.hub.install import folder_of, loads
from ml.hub.release import may_be_released, next_tag, require_tag, tag_order
from ml.hub.secrets import Secrets
from ml.hub.settings import HubSettings
from ml.hub.store import LocalStore
from ml.predictors.compat import (
    Manifest,
    ModelCompatibilityError,
    ModelEntry,
    ModelMissing,
    read_manifest,
)
from ml.predictors.settings import ModelPaths, RiskPaths
from tests.hub.models import make_models
from tests.tiny_models import write_models

TAKEN = ("model.onnx", "model_compat.json", "card.md", "shap.png", "report.html")
REFUSED = (
    "forest.pkl", "forest.joblib", "model.onnx.sh", "run.py", "release.json", "README.md",
    "../model.onnx", "sub/model.onnx", "/etc/model.json", ".hidden.json", "", "a b.json",
    "model.ONNX", "model.json\n",
)  # fmt: skip


@pytest.mark.parametrize("name", TAKEN)
def test_a_trading_host_takes_graphs_json_and_pages(name: str) -> None:
    assert may_be_released(name)


@pytest.mark.parametrize("name", REFUSED, ids=repr)
def test_a_trading_host_takes_nothing_else(name: str) -> None:
    assert not may_be_released(name)


def test_warm_files_and_graphs_outside_the_manifest_are_not_pushed(tmp_path: Path) -> None:
    folder = make_models(tmp_path / "models", scale=1)
    (folder / "warm").mkdir()
    for name in ("warm/forest.joblib", "forest.joblib", "ensemble_old-live.onnx", "README.md"):
        (folder / name).write_bytes(b"x")
    release = Hub(LocalStore(tmp_path / "store")).push(folder)
    assert [each.file for each in release.files] == [
        "card.md", "ensemble_btcusd-live.onnx", "ensemble_btcusd-live_metadata.json",
        "model_compat.json",
    ]  # fmt: skip


def test_models_that_do_not_fit_their_manifest_are_not_pushed(tmp_path: Path) -> None:
    folder = make_models(tmp_path / "models", scale=1)
    hub = Hub(LocalStore(tmp_path / "store"))
    graph = folder / "ensemble_btcusd-live.onnx"
    graph.write_bytes(graph.read_bytes()[:-1])
    with pytest.raises(ModelCompatibilityError, match="bytes are listed in the manifest"):
        hub.push(folder)
    with pytest.raises(ModelMissing, match=r"train_ml_model\.py --ensemble"):
        hub.push(tmp_path)
    assert hub.list() == ()


def test_a_tag_is_the_utc_day_and_the_next_free_number() -> None:
    day = date(2026, 11, 20)
    assert next_tag(day, ()) == "v20261120"
    assert next_tag(day, {"v20261120", "v20261120-3"}) == "v20261120-2"
    tags = ["v20261120-10", "v20261120", "v20261119", "v20261120-9"]
    assert sorted(tags, key=tag_order) == [
        "v20261119", "v20261120", "v20261120-9", "v20261120-10",
    ]  # fmt: skip


@pytest.mark.parametrize("tag", ["", "v1", "20261120", "v20261120-0", "v20261120/..", "latest"])
def test_another_form_of_tag_is_refused(tag: str) -> None:
    with pytest.raises(HubError, match=r"vYYYYMMDD or vYYYYMMDD-2 is allowed"):
        require_tag(tag)


def test_a_key_comes_from_the_environment_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(
        "NOVOSKY_S3_ACCESS_KEY_ID=file-id\nNOVOSKY_S3_SECRET_ACCESS_KEY=file-key\n"
    )
    monkeypatch.setenv("NOVOSKY_S3_ACCESS_KEY_ID", "shell-id")
    monkeypatch.delenv("NOVOSKY_S3_SECRET_ACCESS_KEY", raising=False)
    secrets = Secrets.read(tmp_path)
    assert secrets.s3() == ("shell-id", "file-key")
    assert secrets.hidden("PUT https://shell-id:file-key@host") == "PUT https://***:***@host"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (HubSettings(store="s3"), "hub.bucket: the name of a bucket"),
        (HubSettings(store="s3", bucket="b"), "NOVOSKY_S3_ACCESS_KEY_ID: a key is needed"),
        (HubSettings(store="huggingface"), "hub.repo: owner/name"),
        (HubSettings(store="huggingface", repo="a/b"), "NOVOSKY_HF_TOKEN: a key is needed"),
    ],
    ids=["no bucket", "no key", "no repository", "no token"],
)
def test_a_store_that_lacks_a_name_or_a_key_says_which(
    settings: HubSettings, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (Secrets.S3_KEY_ID, Secrets.S3_KEY, Secrets.HF_TOKEN):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(HubError, match=words):
        open_hub(settings, root=tmp_path)


def test_model_paths_in_two_folders_have_no_hub(tmp_path: Path) -> None:
    assert folder_of(ModelPaths().in_folder(tmp_path)).path == tmp_path
    elsewhere = RiskPaths(onnx=tmp_path / "other" / "risk.onnx")
    paths = ModelPaths().model_copy(update={"risk_paths": elsewhere})
    with pytest.raises(HubError, match=r"all model files and model_compat\.json in one folder"):
        folder_of(paths)


@pytest.mark.parametrize("symbol", ["BTCUSD", "XAUUSD", "EURUSD"])
def test_a_release_of_two_symbols_is_checked_by_the_paths_of_any(
    symbol: str, tmp_path: Path
) -> None:
    listed: dict[str, ModelEntry] = {}
    for each in ("BTCUSD", "XAUUSD"):
        listed |= read_manifest(write_models(tmp_path, symbol=each).manifest).models
    (tmp_path / "model_compat.json").write_text(Manifest(models=listed).text())
    loads(ModelPaths().for_symbol(symbol), FeatureSettings())(tmp_path)


def test_a_kept_folder_that_is_gone_or_outside_is_refused(models: ModelFolder) -> None:
    for name in ("v20261101-abc", "../..", ""):
        with pytest.raises(HubError, match="is not there any more; pull it again"):
            models.kept(name)
