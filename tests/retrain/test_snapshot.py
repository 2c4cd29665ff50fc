"""What phase swap may change is given back byte for byte."""

import shutil
from pathlib import Path

import pytest

from ml.hub import Hub
from ml.hub.folder import ModelFolder
from ml.hub.install import install
from ml.hub.store import LocalStore
from retrain import snapshot
from retrain.install import serve, stage
from retrain.phase import Run
from retrain.snapshot import SnapshotError
from retrain.swapping import roll_back
from tests.hub.models import make_models
from tests.retrain.projects import BEGAN_MS, make_run, shown, tree

TAG = "v20261120"


def swapped(run: Run) -> None:
    """Everything that phase swap may do at once."""
    (run.candidate / "strategy_params.json").write_text('{"new": 1}\n')
    snapshot.take(run.folder / "snapshot", run.root / "models")
    serve(run, stage(run, run.candidate, tag=TAG, made_ms=BEGAN_MS))
    for name in ("challenger/.btcusd-1/model.onnx", "cards/ensemble_btcusd-live.json", "warm/a/b"):
        path = run.root / "models" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("new\n")


@pytest.mark.parametrize("before", ["trained here", "a release", "nothing"])
@pytest.mark.parametrize("params", ["with params", "without params"])
def test_swap_is_given_back_byte_for_byte(before: str, params: str, project: Path) -> None:
    models = project / "models"
    if before == "a release":
        hub = Hub(LocalStore(project / "hub"))
        hub.push(make_models(project / "other", scale=3), "v20261101")
        install(hub, None, ModelFolder(models), lambda folder: None)
    elif before == "nothing":
        shutil.rmtree(models)
        models.mkdir()
    if params == "with params":
        (models / "strategy_params.json").write_text('{"old": 1}\n')
    run = make_run(project)
    old, were = tree(models), shown(models)
    swapped(run)
    assert shown(models) != were
    assert shown(models)["strategy_params.json"] == b'{"new": 1}\n'
    roll_back(run)
    assert tree(models) == old
    assert shown(models) == were


def test_other_peoples_files_and_later_releases_stay(run: Run) -> None:
    models = run.root / "models"
    swapped(run)
    (models / "releases").mkdir()
    (models / "releases" / "current.json").write_text("hub\n")
    (models / "ml_performance.csv").write_text("trades\n")
    (models / "installed" / "v20261127-abcd1234").mkdir()
    (models / "installed" / "v20261127-abcd1234" / "release.json").write_text("later\n")
    roll_back(run)
    assert (models / "releases" / "current.json").read_text() == "hub\n"
    assert (models / "ml_performance.csv").read_text() == "trades\n"
    assert [each.name for each in (models / "installed").iterdir()] == ["v20261127-abcd1234"]


def test_changed_snapshot_is_refused_and_nothing_happens(run: Run) -> None:
    swapped(run)
    (run.folder / "snapshot" / "files" / "card.md").write_text("edited\n")
    now = tree(run.root / "models")
    with pytest.raises(SnapshotError, match=r"was changed since it was made \(card.md\)"):
        roll_back(run)
    assert tree(run.root / "models") == now


def test_run_without_a_snapshot_cannot_be_rolled_back(run: Run) -> None:
    now = tree(run.root / "models")
    with pytest.raises(SnapshotError, match="no complete snapshot"):
        roll_back(run)
    assert tree(run.root / "models") == now


def test_complete_snapshot_is_not_taken_again(run: Run) -> None:
    """A resumed swap must not take what it has shown itself for what was there before."""
    old = tree(run.root / "models")
    swapped(run)
    snapshot.take(run.folder / "snapshot", run.root / "models")
    roll_back(run)
    assert tree(run.root / "models") == old
