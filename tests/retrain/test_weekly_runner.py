"""Phases in order, each once; failures and defects; which run goes on."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from retrain import lock, runs
from retrain.errors import ActFirst, PhaseFailed, RunError
from retrain.options import WeeklyOptions
from retrain.phase import Phase, PhaseResult, Run
from retrain.pipeline import phases
from retrain.runner import run_phases
from retrain.store import PhaseRecord, PhaseStore
from retrain.swapping import swap
from retrain.weekly import go, open_run, run_named
from tests.retrain.projects import (
    BEGAN_MS,
    DAY_MS,
    NAME,
    ROOT,
    SERVED_AT_ONCE,
    end,
    make_run,
    new_run,
    options_of,
    settings_of,
    shown,
    tree,
)


def opened(project: Path, *, new: bool = False, after_days: float = 0.1) -> tuple[Run, list[str]]:
    said: list[str] = []
    run = open_run(
        project, options_of(project, SERVED_AT_ONCE), settings_of(project, SERVED_AT_ONCE),
        said.append, new=new, now_ms=lambda: BEGAN_MS + int(after_days * DAY_MS),
    )  # fmt: skip
    return run, said


def phase(name: str, run: Callable[[Run], PhaseResult]) -> Phase:
    return Phase(name, f"does {name}", run)


def done(run: Run) -> PhaseResult:
    return PhaseResult({"of": 1}, ("it went well",))


def test_the_thirteen_phases_are_there_and_import_when_they_are_called() -> None:
    assert len(phases()) == 13
    for each in phases():
        assert each.about
        with pytest.raises((RunError, AttributeError)):
            each.run(None)  # type: ignore[arg-type]


def test_phase_is_recorded_with_figures_words_and_times(project: Path) -> None:
    run, times = new_run(project), iter([1000, 3500])
    run_phases(run, [phase("a", done)], lambda: next(times))
    assert PhaseStore(run.folder).all() == {
        "a": PhaseRecord("a", "done", 1000, 3500, {"of": 1}, ("it went well",))
    }
    assert run.result("a") == {"of": 1}


def test_result_of_a_phase_that_is_not_over_is_an_error_that_names_it(project: Path) -> None:
    run = new_run(project)
    PhaseStore(run.folder).put(PhaseRecord("a", "started", 1000))
    for name in ("a", "b"):
        with pytest.raises(RunError, match=f"phase {name} has no result yet"):
            run.result(name)


def test_skipped_phase_is_not_called_and_has_no_figures(project: Path) -> None:
    def never(run: Run) -> PhaseResult:
        raise AssertionError

    run = new_run(project, skip=("shap",))
    run_phases(run, [phase("shap", never)], lambda: 0)
    assert PhaseStore(run.folder).all()["shap"].words == ("--skip shap",)
    assert run.result("shap") == {}


def test_failed_phase_stops_the_run_is_reported_and_the_same_call_goes_on(project: Path) -> None:
    def fails(run: Run) -> PhaseResult:
        raise PhaseFailed("no bars came; check the bridge")

    run = new_run(project)
    assert go(run, [phase("a", done), phase("refresh", fails), phase("c", done)], lambda: 0) == 1
    records = PhaseStore(run.folder).all()
    assert [each.state for each in records.values()] == ["done", "failed"]
    report = (project / "reports" / f"weekly_btcusd_{NAME}.md").read_text()
    assert "**FAILED at refresh: the models that served serve on.**" in report
    assert "- no bars came; check the bridge" in report
    assert "start the same command again" in report
    assert go(run, [phase("a", fails), phase("refresh", done), phase("c", done)], lambda: 0) == 0


@pytest.mark.parametrize("error", [OSError("disk full"), RunError("why")], ids=["disk", "run"])
def test_errors_that_say_what_happened_are_failures(error: Exception, project: Path) -> None:
    def fails(run: Run) -> PhaseResult:
        raise error

    with pytest.raises(PhaseFailed, match=f"a: {error}"):
        run_phases(new_run(project), [phase("a", fails)], lambda: 0)


def test_defect_is_reported_and_shown_with_its_traceback(project: Path) -> None:
    def fails(run: Run) -> PhaseResult:
        raise KeyError("field")

    run = new_run(project)
    with pytest.raises(KeyError):
        go(run, [phase("a", fails)], lambda: 0)
    assert PhaseStore(run.folder).all()["a"].words == ("a defect: KeyError: 'field'",)
    assert (project / "reports" / f"weekly_btcusd_{NAME}.md").exists()


def test_stopped_phase_is_begun_again(project: Path) -> None:
    def stopped(run: Run) -> PhaseResult:
        raise KeyboardInterrupt

    run = new_run(project)
    with pytest.raises(KeyboardInterrupt):
        go(run, [phase("a", stopped)], lambda: 0)
    assert PhaseStore(run.folder).all()["a"].state == "started"
    assert go(run, [phase("a", done)], lambda: 0) == 0


# Which run goes on.


def test_first_run_is_named_after_its_utc_day_and_keeps_what_served(project: Path) -> None:
    run, said = opened(project)
    assert run.folder == project / "state" / "weekly" / "btcusd" / NAME
    facts = runs.read_facts(run.folder)
    assert facts.serving.keys() == {"signal"}
    assert WeeklyOptions.of(facts.options) == run.options
    assert said == [f"run {NAME} begins"]


def test_unfinished_run_goes_on(project: Path) -> None:
    new_run(project)
    assert opened(project)[1] == [f"run {NAME} goes on"]


def test_finished_run_is_followed_by_another_one_of_the_day(project: Path) -> None:
    end(new_run(project), "report", {}, at_ms=BEGAN_MS)
    assert opened(project)[0].folder.name == f"{NAME}-2"


def test_new_gives_the_unfinished_run_up(project: Path) -> None:
    old = new_run(project)
    run, said = opened(project, new=True)
    assert run.folder.name == f"{NAME}-2"
    assert runs.read_facts(old.folder).given_up == "--new"
    assert said[0] == f"run {NAME} is given up: --new"


def test_unfinished_run_of_last_week_is_given_up_by_itself(project: Path) -> None:
    new_run(project)
    assert opened(project, after_days=2.9)[0].folder.name == NAME
    run, said = opened(project, after_days=7)
    assert run.folder.name == "20261127"
    assert "older than 3 days (weekly.resume_days)" in said[0]


def test_other_options_are_refused_by_name(project: Path) -> None:
    new_run(project)
    settings = settings_of(project, SERVED_AT_ONCE)
    other = WeeklyOptions(models=project / "models", profile="quick", overrides=SERVED_AT_ONCE)
    with pytest.raises(ActFirst, match="profile 'full', now 'quick'"):
        open_run(project, other, settings, print, now_ms=lambda: BEGAN_MS)


def test_changed_settings_are_refused_until_swap_has_begun(project: Path) -> None:
    """Phase swap may write strategy_params.json itself."""
    run = new_run(project)
    config = json.loads((project / "config.json").read_text())
    (project / "config.json").write_text(json.dumps(config | {"risk_percent": 1.0}))
    with pytest.raises(ActFirst, match="the settings were changed since this unfinished run"):
        opened(project)
    end(run, "swap", {}, at_ms=BEGAN_MS)
    assert opened(project)[0].folder == run.folder


def test_run_given_up_in_its_swap_takes_back_what_it_has_shown(project: Path) -> None:
    run = make_run(project)
    before = tree(project / "models")
    swap(run)
    PhaseStore(run.folder).put(PhaseRecord("swap", "started", BEGAN_MS))
    opened(project, new=True)
    assert tree(project / "models") == before


def test_run_given_up_in_its_swap_leaves_what_a_person_has_served_since(project: Path) -> None:
    run, other = make_run(project), make_run(project, scale=5, name="20261119")
    swap(run)
    PhaseStore(run.folder).put(PhaseRecord("swap", "started", BEGAN_MS))
    swap(other_after(other))
    now = shown(project / "models")
    opened(project, new=True)
    assert shown(project / "models") == now


def other_after(run: Run) -> Run:
    """That run, as if it had begun with what serves now."""
    from retrain.install import serving_graphs

    facts = json.loads((run.folder / "run.json").read_text())
    facts["serving"] = serving_graphs(run.paths, run.symbol)
    (run.folder / "run.json").write_text(json.dumps(facts))
    return run


def test_only_the_newest_runs_are_kept(project: Path) -> None:
    for day in range(1, 13):
        end(new_run(project, name=f"202611{day:02}"), "report", {}, at_ms=BEGAN_MS)
    run, _ = opened(project)
    kept = [each.name for each in runs.all_runs(run.folder.parent)]
    assert kept == [f"202611{day:02}" for day in range(6, 13)] + [NAME]


def test_rollback_of_an_unknown_run_names_those_that_are_there(project: Path) -> None:
    run = new_run(project)
    with pytest.raises(ActFirst, match=f"run 20200101 is not there; there are: {NAME}"):
        run_named(project, "20200101", run.settings, run.options, print)


# The lock.

_HOLDER = """
import sys, time
from pathlib import Path
from retrain.lock import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_second_run_is_refused_until_the_first_ones_process_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "weekly" / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(ActFirst, match=rf"a weekly run is under way \(process {holder.pid}\)"),
            lock.held(path),
        ):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with lock.held(path):
        assert path.read_text().strip().isdecimal()
