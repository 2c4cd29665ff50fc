"""Stores of every kind, and a folder of serving models."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ml.features.settings import FeatureSettings
from ml.hub import Hub
from ml.hub.folder import ModelFolder
from ml.hub.install import Check, loads
from ml.hub.secrets import Secrets
from ml.hub.settings import HubSettings
from ml.hub.store import LocalStore, Store
from ml.predictors.settings import ModelPaths
from tests.hub.hugging_face import REPO, TOKEN, hugging_face
from tests.hub.models import make_models
from tests.hub.s3_server import BUCKET, KEY, KEY_ID, s3_server
from tests.patience import PATIENCE_S

S3_SECRETS = {Secrets.S3_KEY_ID: KEY_ID, Secrets.S3_KEY: KEY}
HF_SECRETS = {Secrets.HF_TOKEN: TOKEN}


@dataclass(frozen=True)
class Place:
    """A store, how it is named in the settings, and the same one with wrong keys."""

    store: Store
    settings: HubSettings
    with_keys: Callable[[dict[str, str | None]], Store]

    @property
    def hub(self) -> Hub:
        return Hub(self.store)


@pytest.fixture(scope="session")
def s3_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with s3_server(tmp_path_factory.mktemp("seaweedfs")) as url:
        yield url


@pytest.fixture
def s3(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    from ml.hub.s3_store import S3Store

    settings = HubSettings(
        store="s3", bucket=BUCKET, endpoint_url=request.getfixturevalue("s3_url"),
        prefix=f"{tmp_path.name}/", timeout_s=PATIENCE_S,
    )  # fmt: skip
    return Place(
        S3Store(settings, Secrets(S3_SECRETS)), settings,
        lambda keys: S3Store(settings, Secrets({**S3_SECRETS, **keys})),
    )  # fmt: skip


@pytest.fixture
def huggingface() -> Iterator[Place]:
    from ml.hub.hf_store import HuggingFaceStore

    with hugging_face() as server:
        settings = HubSettings(store="huggingface", repo=REPO, huggingface_url=server.url)
        yield Place(
            HuggingFaceStore(settings, Secrets(HF_SECRETS)), settings,
            lambda keys: HuggingFaceStore(settings, Secrets({**HF_SECRETS, **keys})),
        )  # fmt: skip


@pytest.fixture
def local(tmp_path: Path) -> Place:
    store = LocalStore(tmp_path / "releases")
    return Place(store, HubSettings(folder=tmp_path / "releases"), lambda keys: store)


@pytest.fixture(params=["local", "s3", "huggingface"])
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Models of three trainings, `a`, `b` and `c`, in folders that no test changes."""
    root = tmp_path_factory.mktemp("trained")
    return {name: make_models(root / name, scale=s) for s, name in enumerate("abc", 1)}


@pytest.fixture
def models(tmp_path: Path) -> ModelFolder:
    """A folder that serves training `a`, as training has left it: plain files."""
    make_models(tmp_path / "models", scale=1)
    return ModelFolder(tmp_path / "models")


@pytest.fixture
def check() -> Check:
    return loads(ModelPaths(), FeatureSettings())
