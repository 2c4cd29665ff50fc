"""`python ml/local_hub.py`, `ml/r2_hub.py` and `ml/hf_hub.py`, as a person calls them."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from ml import hf_hub, local_hub, r2_hub
from ml.hub.folder import ModelFolder
from ml.hub.secrets import Secrets
from tests.hub.conftest import Place
from tests.hub.models import make_models, served

ROOT = Path(__file__).resolve().parents[2]


def local(argv: Sequence[str], tmp_path: Path) -> int:
    return local_hub.main(
        [*argv, "--override", f"hub.folder={tmp_path / 'releases'}",
         "--models", str(tmp_path / "models")]
    )  # fmt: skip


def test_push_pull_list_and_rollback(
    tmp_path: Path, models: ModelFolder, trained: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert local(["--list"], tmp_path) == 0
    assert "no release yet; push one: --push" in capsys.readouterr().out
    assert local(["--push", "--tag", "v20261101"], tmp_path) == 0
    assert "v20261101: 4 files are in the folder" in capsys.readouterr().out
    make_models(models.path, scale=2)
    assert local(["--push", "--tag", "v20261102"], tmp_path) == 0
    make_models(models.path, scale=3)
    assert local(["--pull"], tmp_path) == 0
    assert served(models.path) == served(trained["b"])
    assert local(["--rollback", "v20261101"], tmp_path) == 0
    assert served(models.path) == served(trained["a"])
    assert "v20261101: 1 models checked" in capsys.readouterr().out
    assert local(["--list"], tmp_path) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if "signal BTCUSD" in line]
    assert [row.split()[0] for row in rows] == ["v20261101", "v20261102"]
    assert "current, serves here" in rows[0]
    assert "2024-12-30" in rows[0]
    assert "current" not in rows[1]


def test_a_missing_tag_is_one_line_and_status_2(
    tmp_path: Path, models: ModelFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    local(["--push", "--tag", "v20261101"], tmp_path)
    before = served(models.path)
    assert local(["--pull", "--tag", "v20200101"], tmp_path) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: the folder ")
    assert "no release v20200101; there are: v20261101" in error
    assert error.count("\n") == 1
    assert served(models.path) == before


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
def test_r2_and_hugging_face_doors_use_their_own_store(
    s3: Place, huggingface: Place, models: ModelFolder, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    from tests.hub.conftest import HF_SECRETS, S3_SECRETS

    for name, value in {**S3_SECRETS, **HF_SECRETS}.items():
        monkeypatch.setenv(name, value)
    there = {
        r2_hub: ["bucket", "endpoint_url", "prefix"],
        hf_hub: ["repo", "huggingface_url"],
    }
    for (door, keys), place in zip(there.items(), (s3, huggingface), strict=True):
        named = [f"hub.{key}={getattr(place.settings, key)}" for key in keys]
        overrides = [word for each in named for word in ("--override", each)]
        given = [*overrides, "--models", str(models.path)]
        assert door.main(["--push", "--tag", "v20261101", *given]) == 0
        assert f"files are in {place.store.name}" in capsys.readouterr().out
        assert [each.tag for each in place.hub.list()] == ["v20261101"]
        assert door.main(["--pull", *given]) == 0


@pytest.mark.parametrize("door", ["local_hub", "r2_hub", "hf_hub"])
def test_a_door_runs_as_a_script_and_imports_no_store_for_its_help(door: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", f"ml/{door}.py", "--help"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert "--rollback TAG" in done.stdout
    for library in ("boto3", "huggingface_hub", "onnxruntime", "pandas"):
        assert f" {library}\n" not in done.stderr, library


def test_a_wrong_secret_is_one_line_without_the_secret(
    s3: Place, models: ModelFolder, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv(Secrets.S3_KEY_ID, "hub-tests")
    monkeypatch.setenv(Secrets.S3_KEY, "not-the-secret")
    before = served(models.path)
    given = [f"hub.bucket={s3.settings.bucket}", f"hub.endpoint_url={s3.settings.endpoint_url}"]
    overrides = [word for each in given for word in ("--override", each)]
    assert r2_hub.main(["--pull", *overrides, "--models", str(models.path)]) == 2
    error = capsys.readouterr().err
    assert "the key is not let in" in error
    assert "not-the-secret" not in error
    assert served(models.path) == before
