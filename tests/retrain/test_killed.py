"""kill -9 at every step of the phases that change what serves: one whole model or the other, and
the same command ends as if nothing had happened."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest

from retrain.store import PhaseStore
from retrain.swapping import swap
from settings.strategy_params import FILE as PARAMS
from tests.hub.test_killed_install import MODEL_FILES
from tests.retrain import killed
from tests.retrain.projects import NAME, ROOT, make_project, make_run, new_run, shown, tree

SERVED = (*MODEL_FILES, PARAMS)
# `make test` kills before some of the steps, `make soak` before each one.
STRIDES = [pytest.param(14, id="some"), pytest.param(1, id="every", marks=pytest.mark.soak)]


def killed_at_steps(scenario: Callable[[Path], None], project: Path, stride: int) -> list[Path]:
    """Copies of the project, each killed before another step; the last one was not. They are where
    the project was only while they run: its paths are in its files."""
    template = project.rename(project.with_name("template"))
    done = subprocess.run(
        [sys.executable, "-m", "tests.retrain.killed", scenario.__name__, str(template),
         str(project), str(stride)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    copies = project.parent.glob(f"{project.name}-*")
    return sorted(copies, key=lambda path: int(path.name.rpartition("-")[2]))


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of the killed processes."""
    monkeypatch.setattr("time.time_ns", lambda: killed.NOW_MS * 1_000_000)


def results(project: Path) -> dict[str, Any]:
    """What each phase came to; the installed folder's random ending left out."""
    records = PhaseStore(project / "state" / "weekly" / "btcusd" / NAME).all()
    told = {name: [each.state, each.figures] for name, each in records.items()}
    kept = str(records["swap"].figures["kept"])
    found: dict[str, Any] = json.loads(json.dumps(told).replace(kept, "kept"))
    return found


def ended(project: Path) -> tuple[Any, ...]:
    """All that a run leaves; what a killed write left in the hub is no file of it."""
    report = (project / "reports" / f"weekly_btcusd_{NAME}.md").read_text()
    released = {name: it for name, it in tree(project / "releases").items() if ".new-" not in name}
    return results(project), tree(project / "models"), released, report


def require_one_switch(copies: list[Path], names: Collection[str]) -> None:
    """What the paths showed is one whole model or the other, with the settings that belong to it,
    and changed once."""
    served = [{name: shown(each / "models").get(name) for name in names} for each in copies]
    assert all(each in (served[0], served[-1]) for each in served)
    assert served == sorted(served, key=lambda each: each != served[0])
    assert served[0] != served[-1]


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.usefixtures("frozen")
def test_a_kill_at_any_step_of_swap_push_and_report_changes_nothing_in_the_end(
    stride: int, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project")
    run = make_run(project)
    (project / "models" / PARAMS).write_text('{"overrides": {"risk_percent": 1}}\n')
    (run.candidate / PARAMS).write_text('{"overrides": {}}\n')
    copies = killed_at_steps(killed.last_three, project, stride)
    assert len(copies) > 100 / stride
    require_one_switch(copies, SERVED)
    undisturbed = ended(copies[-1])
    for copy in copies[:-1]:
        copy.rename(project)
        killed.last_three(project)
        assert ended(project) == undisturbed, copy.name
        shutil.rmtree(project)


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.usefixtures("frozen")
def test_a_kill_at_any_step_of_a_roll_back_leaves_one_whole_model_and_is_gone_on_with(
    stride: int, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project")
    run = make_run(project)
    (project / "models" / PARAMS).write_text('{"overrides": {"risk_percent": 1}}\n')
    (run.candidate / PARAMS).write_text('{"overrides": {}}\n')
    before = tree(project / "models")
    assert swap(run).figures["action"] == "serve"
    copies = killed_at_steps(killed.given_back, project, stride)
    require_one_switch(copies, SERVED)
    for copy in copies[:-1]:
        copy.rename(project)
        killed.given_back(project)
        assert tree(project / "models") == before, copy.name
        shutil.rmtree(project)
    assert tree(copies[-1] / "models") == before


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.usefixtures("frozen")
def test_a_killed_run_begins_again_with_the_phase_that_it_was_killed_in(
    stride: int, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project")
    new_run(project)
    copies = killed_at_steps(killed.counted_phases, project, min(stride, 3))
    undisturbed = phases_json(copies[-1])
    for copy in copies[:-1]:
        copy.rename(project)
        killed.counted_phases(project)
        calls = (project / "calls").read_text()
        assert phases_json(project) == undisturbed
        assert sorted(set(calls)) == list(
            calls.replace("aa", "a").replace("bb", "b").replace("cc", "c")
        )
        shutil.rmtree(project)


def phases_json(project: Path) -> str:
    return (project / "state" / "weekly" / "btcusd" / NAME / "phases.json").read_text()
