"""The same releases over a folder, a real S3 server and the Hugging Face stand-in."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ml.hub import Hub, HubError, HubUnavailable, ReleaseDamaged, ReleaseMissing
from ml.hub.folder import ModelFolder
from ml.hub.install import Check, install, roll_back
from ml.hub.secrets import Secrets
from ml.predictors.ensemble import EnsemblePredictor
from ml.predictors.settings import ModelPaths
from tests.hub.conftest import Place
from tests.hub.models import make_models, served

# huggingface_hub uploads with an argument that its own HTTP library has renamed.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

GRAPH = "ensemble_btcusd-live.onnx"
TODAY = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def pushed(place: Place, folder: Path, tag: str) -> None:
    place.hub.push(folder, tag)


def test_a_pushed_release_is_pulled_byte_for_byte(
    place: Place, trained: dict[str, Path], tmp_path: Path, models: ModelFolder, check: Check
) -> None:
    hub = Hub(place.store, now=lambda: TODAY)
    release = hub.push(trained["b"])
    assert release.tag == "v20261120"
    assert hub.list() == (release,)
    assert install(hub, None, models, check) == release
    assert served(models.path) == served(trained["b"])
    assert models.installed() == release
    paths = ModelPaths().in_folder(models.path)
    assert EnsemblePredictor(paths).load().metadata.graph.sha256 == release.models[0].sha256


def test_the_second_release_of_a_day_has_a_number_and_none_is_overwritten(
    place: Place, trained: dict[str, Path]
) -> None:
    hub = Hub(place.store, now=lambda: TODAY)
    tags = [hub.push(trained[each]).tag for each in "abc"]
    assert tags == ["v20261120", "v20261120-2", "v20261120-3"]
    with pytest.raises(HubError, match=r"v20261120-2 exists; leave --tag out"):
        hub.push(trained["a"], "v20261120-2")
    assert [each.tag for each in hub.list()] == tags
    assert hub.current_tag() == "v20261120-3"


def test_rollback_serves_the_older_release_and_makes_it_current(
    place: Place, trained: dict[str, Path], models: ModelFolder, check: Check
) -> None:
    pushed(place, trained["b"], "v20261101")
    pushed(place, trained["c"], "v20261108")
    install(place.hub, None, models, check)
    assert served(models.path) == served(trained["c"])
    roll_back(place.hub, "v20261101", models, check)
    assert served(models.path) == served(trained["b"])
    assert place.hub.current_tag() == "v20261101"
    assert install(place.hub, None, models, check).tag == "v20261101"


def test_a_tag_that_is_not_there_names_those_that_are(
    place: Place, trained: dict[str, Path], models: ModelFolder, check: Check
) -> None:
    before = served(models.path)
    with pytest.raises(ReleaseMissing, match="no release yet"):
        install(place.hub, None, models, check)
    pushed(place, trained["b"], "v20261101")
    for act in (install, roll_back):
        with pytest.raises(ReleaseMissing, match=r"no release v20200101; there are: v20261101"):
            act(place.hub, "v20200101", models, check)
    assert served(models.path) == before
    assert place.hub.current_tag() == "v20261101"


def flipped(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        (GRAPH, flipped, "sha256 .* is listed"),
        (GRAPH, lambda content: content[:-1], "bytes are listed"),
        (GRAPH, lambda content: content + b"!", "more came"),
        ("model_compat.json", flipped, "sha256 .* is listed"),
        ("release.json", flipped, "release.json"),
        ("release.json", lambda content: content.replace(b"v2026", b"v2025"), "describes v2025"),
        ("release.json", lambda content: content.replace(b".onnx", b".pkl"), "plain names"),
        ("release.json", lambda c: c.replace(b'"card.md"', b'"../card.md"'), "plain names"),
    ],
    ids=["changed graph", "short graph", "long graph", "changed manifest", "damaged description",
         "another tag's description", "a pickle", "a path out of the folder"],
)  # fmt: skip
def test_a_tampered_release_leaves_the_serving_model_as_it_was(
    place: Place, trained: dict[str, Path], models: ModelFolder, check: Check,
    file: str, change: object, words: str,
) -> None:  # fmt: skip
    pushed(place, trained["b"], "v20261101")
    key = f"v20261101/{file}"
    content = place.store.read(key, 1_000_000)
    place.store.write([(key, change(content))], "tampered")  # type: ignore[operator]
    before = served(models.path)
    with pytest.raises(ReleaseDamaged, match=words):
        install(place.hub, None, models, check)
    assert served(models.path) == before
    assert list((models.path / "installed").iterdir()) == []


def test_a_wrong_hash_in_the_description_is_refused(
    place: Place, trained: dict[str, Path], models: ModelFolder, check: Check
) -> None:
    pushed(place, trained["b"], "v20261101")
    description = json.loads(place.store.read("v20261101/release.json", 1_000_000))
    description["files"][1]["sha256"] = "0" * 64
    place.store.write([("v20261101/release.json", json.dumps(description).encode())], "tampered")
    before = served(models.path)
    with pytest.raises(ReleaseDamaged, match=r"sha256 000000000000… is listed"):
        install(place.hub, None, models, check)
    assert served(models.path) == before


def test_files_of_two_releases_under_one_description_are_refused(
    place: Place, trained: dict[str, Path], models: ModelFolder, check: Check
) -> None:
    """Every file has the hash that is listed for it, but the manifest speaks of another graph."""
    pushed(place, trained["b"], "v20261101")
    pushed(place, trained["c"], "v20261102")
    mixed, other = (
        json.loads(place.store.read(f"{tag}/release.json", 1_000_000))
        for tag in ("v20261101", "v20261102")
    )
    graph = next(each for each in other["files"] if each["file"] == GRAPH)
    mixed["files"] = [graph if each["file"] == GRAPH else each for each in mixed["files"]]
    content = place.store.read(f"v20261102/{GRAPH}", 1_000_000)
    place.store.write(
        [(f"v20261101/{GRAPH}", content),
         ("v20261101/release.json", json.dumps(mixed).encode())], "tampered",
    )  # fmt: skip
    before = served(models.path)
    with pytest.raises(ReleaseDamaged, match=rf"{GRAPH} in model_compat\.json is not the one"):
        install(place.hub, "v20261101", models, check)
    assert served(models.path) == before


def test_a_release_without_one_of_its_files_is_refused(
    place: Place, trained: dict[str, Path], models: ModelFolder, check: Check
) -> None:
    pushed(place, trained["b"], "v20261101")
    text = place.store.read("v20261101/release.json", 1_000_000)
    place.store.write([("v20261102/release.json", text.replace(b"v20261101", b"v20261102"))], "odd")
    before = served(models.path)
    with pytest.raises(ReleaseMissing, match=r"v20261102/card\.md is not there"):
        install(place.hub, "v20261102", models, check)
    assert served(models.path) == before


def test_a_push_that_died_before_its_description_is_no_release(
    place: Place, trained: dict[str, Path]
) -> None:
    pushed(place, trained["a"], "v20261101")
    place.store.write([("v20261102/card.md", b"half")], "killed")
    assert [each.tag for each in place.hub.list()] == ["v20261101"]
    assert place.hub.push(trained["b"], "v20261102").tag == "v20261102"


def test_a_model_for_other_features_is_refused_before_it_serves(
    place: Place, tmp_path: Path, models: ModelFolder, check: Check
) -> None:
    other = make_models(tmp_path / "other", scale=5)
    manifest = other / "model_compat.json"
    manifest.write_text(manifest.read_text().replace('"rsi_14"', '"rsi_15"'))
    pushed(place, other, "v20261101")
    before = served(models.path)
    with pytest.raises(Exception, match="is rsi_15 in the model"):
        install(place.hub, None, models, check)
    assert served(models.path) == before


@pytest.mark.parametrize("kind", ["s3", "huggingface"])
def test_a_wrong_key_is_named_and_not_shown(
    kind: str, request: pytest.FixtureRequest, trained: dict[str, Path], models: ModelFolder,
    check: Check,
) -> None:  # fmt: skip
    place: Place = request.getfixturevalue(kind)
    pushed(place, trained["b"], "v20261101")
    before = served(models.path)
    name = Secrets.S3_KEY if kind == "s3" else Secrets.HF_TOKEN
    hub = Hub(place.with_keys({name: "a-wrong-secret"}))
    for act in (
        lambda: install(hub, None, models, check),
        lambda: roll_back(hub, "v20261101", models, check),
        lambda: hub.push(models.path),
        hub.list,
    ):
        with pytest.raises(HubUnavailable, match=f"not let in; check .*{name}") as caught:
            act()
        assert "a-wrong-secret" not in str(caught.value)
        assert caught.value.__cause__ is None
    assert served(models.path) == before


@pytest.mark.parametrize("kind", ["s3", "huggingface"])
def test_a_store_that_is_away_leaves_the_serving_model_as_it_was(
    kind: str, request: pytest.FixtureRequest, models: ModelFolder, check: Check,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from ml.hub import hf_store, s3_store

    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between the libraries' retries
    settings = request.getfixturevalue(kind).settings.model_copy(
        update={"endpoint_url": "http://127.0.0.1:9", "huggingface_url": "http://127.0.0.1:9"}
    )
    made = s3_store.S3Store if kind == "s3" else hf_store.HuggingFaceStore
    keys = {Secrets.S3_KEY_ID: "id", Secrets.S3_KEY: "key-of-s3", Secrets.HF_TOKEN: "hf_token"}
    hub = Hub(made(settings, Secrets(keys)))
    before = served(models.path)
    for act in (install, roll_back):
        with pytest.raises(HubUnavailable, match=r"check hub.* and the network"):
            act(hub, "v20261101", models, check)
    assert served(models.path) == before


def test_a_bucket_that_is_not_there_is_named(s3: Place, trained: dict[str, Path]) -> None:
    from ml.hub.s3_store import S3Store

    keys = {Secrets.S3_KEY_ID: "hub-tests", Secrets.S3_KEY: "hub-tests-secret"}
    hub = Hub(S3Store(s3.settings.model_copy(update={"bucket": "nowhere"}), Secrets(keys)))
    with pytest.raises(HubUnavailable, match=r"the bucket nowhere: .* there is no such bucket"):
        hub.push(trained["a"])


def test_a_repository_that_is_not_there_is_named(huggingface: Place) -> None:
    from ml.hub.hf_store import HuggingFaceStore
    from tests.hub.hugging_face import TOKEN

    settings = huggingface.settings.model_copy(update={"repo": "someone/else"})
    hub = Hub(HuggingFaceStore(settings, Secrets({Secrets.HF_TOKEN: TOKEN})))
    with pytest.raises(HubUnavailable, match=r"someone/else: .* there is no such repository"):
        hub.list()
