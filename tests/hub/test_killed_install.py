"""kill -9 at every step of an installation: what serves is one whole release or the other."""

import subprocess
import sys
from pathlib import Path

import pytest

from ml.features.settings import FeatureSettings
from ml.hub import Hub, HubError
from ml.hub.folder import ModelFolder
from ml.hub.install import install, loads
from ml.hub.store import LocalStore
from ml.predictors.settings import ModelPaths
from tests.hub.models import make_models, served

ROOT = Path(__file__).resolve().parents[2]
MODEL_FILES = ("ensemble_btcusd-live.onnx", "ensemble_btcusd-live_metadata.json",
               "model_compat.json")  # fmt: skip


def copies_killed_at_each_step(template: Path, store: Path, tag: str) -> list[Path]:
    """Copies of the template, the n-th killed before step n; the last one was not."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.hub.killed_install", str(template), str(store), tag],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    copies = template.parent.glob(f"{template.name}-*")
    return sorted(copies, key=lambda path: int(path.name.rpartition("-")[2]))


def model_of(folder: Path) -> tuple[bytes, ...]:
    """What a predictor would read; nothing without a manifest."""
    shown = served(folder)
    return tuple(shown[name] for name in MODEL_FILES) if MODEL_FILES[-1] in shown else ()


def require_loadable(folder: Path) -> None:
    loads(ModelPaths(), FeatureSettings())(folder)


@pytest.mark.parametrize("before", ["trained here", "a release", "nothing"])
def test_a_kill_at_any_step_leaves_one_whole_model(
    before: str, tmp_path: Path, trained: dict[str, Path]
) -> None:
    store = LocalStore(tmp_path / "store")
    Hub(store).push(trained["a"], "v20261101")
    Hub(store).push(trained["b"], "v20261102")
    template = tmp_path / "models"
    template.mkdir()
    if before == "trained here":
        make_models(template, scale=1)
    elif before == "a release":
        install(Hub(store), "v20261101", ModelFolder(template), require_loadable)
    old = served(template)
    copies = copies_killed_at_each_step(template, tmp_path / "store", "v20261102")
    assert len(copies) > 15
    shown = [model_of(folder) for folder in copies]
    assert set(shown) == {model_of(template), model_of(trained["b"])}
    assert shown == sorted(shown, key=lambda each: each != model_of(template))  # one switch
    assert served(template) == old
    for folder in copies[:-1]:
        if model_of(folder):
            require_loadable(folder)
        install(Hub(store), "v20261102", ModelFolder(folder), require_loadable)
    for folder in copies:
        assert served(folder) == served(trained["b"])
        assert {each.name for each in folder.rglob(".*")} == {".install.lock"}


def test_models_trained_here_are_kept_when_a_release_takes_their_place(
    tmp_path: Path, models: ModelFolder, trained: dict[str, Path]
) -> None:
    before = served(models.path)
    hub = Hub(LocalStore(tmp_path / "store"))
    for day in range(10, 20):
        hub.push(trained["b"], f"v202611{day}")
        install(hub, None, models, require_loadable)
    own = next((models.path / "installed").glob("own-*"))
    assert {n: c for n, c in served(own).items() if n in before} == before
    assert len(list((models.path / "installed").glob("v*"))) == 5


def test_training_over_a_release_leaves_the_release_whole(
    tmp_path: Path, models: ModelFolder, trained: dict[str, Path]
) -> None:
    """As `ml.training.install` does it: each file renamed over, the manifest last."""
    hub = Hub(LocalStore(tmp_path / "store"))
    hub.push(trained["b"], "v20261101")
    install(hub, None, models, require_loadable)
    assert models.installed() is not None
    for name in MODEL_FILES:
        new = tmp_path / name
        new.write_bytes((trained["c"] / name).read_bytes())
        new.replace(models.path / name)
    assert models.installed() is None
    assert model_of(models.path) == model_of(trained["c"])
    assert model_of(models.path / "current") == model_of(trained["b"])
    install(hub, None, models, require_loadable)
    assert served(models.path) == served(trained["b"])


def test_models_that_a_release_does_not_have_are_not_shown_any_more(
    tmp_path: Path, trained: dict[str, Path]
) -> None:
    two = make_models(tmp_path / "models", scale=1, symbols=("BTCUSD", "XAUUSD"))
    hub = Hub(LocalStore(tmp_path / "store"))
    hub.push(two, "v20261101")
    hub.push(trained["b"], "v20261102")
    models = ModelFolder(two)
    install(hub, "v20261102", models, require_loadable)
    assert served(two) == served(trained["b"])
    assert [each.name for each in two.iterdir() if not each.exists()] == []
    install(hub, "v20261101", models, require_loadable)
    assert "ensemble_xauusd-live.onnx" in served(two)


def test_two_installations_at_once_are_refused(models: ModelFolder, tmp_path: Path) -> None:
    hub = Hub(LocalStore(tmp_path / "store"))
    hub.push(models.path, "v20261101")
    with models.locked(), pytest.raises(HubError, match="another installation is under way"):
        install(hub, None, ModelFolder(models.path), require_loadable)
