"""Phase push: the release in the hub is what is installed, once."""

import shutil
from pathlib import Path

import pytest

from ml.hub import Hub, HubUnavailable
from ml.hub.folder import ModelFolder
from ml.hub.store import LocalStore
from retrain.errors import PhaseFailed
from retrain.phase import PhaseResult, Run
from retrain.publish import push
from tests.hub.models import make_models
from tests.retrain.projects import BEGAN_MS, REFUSED, SERVED_AT_ONCE, end, make_run, shown
from tests.retrain.projects import tree as tree_of


def swapped(run: Run) -> PhaseResult:
    from retrain.swapping import swap

    result = swap(run)
    end(run, "swap", result.figures, at_ms=BEGAN_MS)
    return result


def hub(run: Run) -> Hub:
    return Hub(LocalStore(run.root / "releases"))


def test_what_serves_is_released_with_its_evidence_and_becomes_current(run: Run) -> None:
    swapped(run)
    told = push(run).figures
    assert told == {"tag": "v20261120", "hub": hub(run).name, "files": 5}
    assert hub(run).current_tag() == "v20261120"
    assert hub(run).release(None) == ModelFolder(run.root / "models").installed()
    hub(run).pull(None, run.root / "elsewhere")
    assert shown(run.root / "elsewhere").items() >= shown(run.candidate).items()
    assert (run.root / "elsewhere" / "evidence_btcusd.json").exists()


def test_release_that_is_there_is_not_made_again(run: Run) -> None:
    swapped(run)
    push(run)
    hub(run).push(make_models(run.root / "other", scale=4), "v20261121")
    before = tree_of(run.root / "releases")
    assert push(run).figures["tag"] == "v20261120"
    assert hub(run).current_tag() == "v20261120"
    after = tree_of(run.root / "releases")
    assert {name for name in after if after[name] != before.get(name)} == {"current.json"}


def test_tag_that_somebody_has_used_that_day_is_left_alone(run: Run) -> None:
    hub(run).push(make_models(run.root / "other", scale=4), "v20261120")
    swapped(run)
    assert push(run).figures["tag"] != "v20261120"
    assert push(run).figures["tag"] == hub(run).current_tag()
    assert len(hub(run).list()) == 2


def test_nothing_is_released_where_the_champion_stayed(project: Path) -> None:
    run = make_run(project, **REFUSED)
    swapped(run)
    result = push(run)
    assert (result.state, result.words) == ("skipped", ("nothing new serves",))
    assert not (project / "releases").exists()


def test_nothing_is_released_where_the_settings_say_so(project: Path) -> None:
    run = make_run(project, overrides=(*SERVED_AT_ONCE, "weekly.push=false"))
    swapped(run)
    assert push(run).words == ("weekly.push is false",)


def test_hub_that_is_away_leaves_what_serves_and_can_be_asked_again(run: Run) -> None:
    swapped(run)
    served = shown(run.root / "models")
    (run.root / "releases").write_text("no folder")
    with pytest.raises(HubUnavailable):
        push(run)
    assert shown(run.root / "models") == served
    (run.root / "releases").unlink()
    assert push(run).figures["tag"] == "v20261120"


def test_installed_models_that_are_gone_say_how_to_end_the_run(run: Run) -> None:
    kept = swapped(run).figures["kept"]
    shutil.rmtree(run.root / "models" / "installed" / kept)
    with pytest.raises(PhaseFailed, match="--skip push ends this run"):
        push(run)
