"""`python scripts/weekly_optimize.py`, as a person calls it."""

import signal
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from retrain import lock
from retrain.phase import PhaseResult, Run
from retrain.runs import unfinished
from retrain.weekly import lock_path
from tests.retrain.projects import BEGAN_MS, NAME, ROOT, end, make_run, new_run, tree


@pytest.fixture(scope="module")
def door() -> ModuleType:
    spec = spec_from_file_location("weekly_optimize", ROOT / "scripts" / "weekly_optimize.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def given(project: Path, *words: str) -> list[str]:
    return ["--models", str(project / "models"), *words]


def test_dry_run_tells_the_plan_and_changes_nothing(
    door: ModuleType, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "datasets" / "btcusd_m15.parquet").unlink()
    before = tree(project)
    asked = given(project, "--dry-run", "--skip", "tune", "--override", "weekly.sweep_weeks=0")
    assert door.main(asked, root=project) == 0
    said = capsys.readouterr().out
    assert " 1. refresh: bring the bars up to date" in said
    assert " 4. tune: skipped: --skip tune" in said
    assert " 7. sweep: skipped: weekly.sweep_weeks is 0" in said
    assert "Telegram: not configured: NOVOSKY_TELEGRAM_TOKEN, NOVOSKY_TELEGRAM_CHAT" in said
    assert tree(project) == before


def test_dry_run_names_the_run_that_would_go_on(
    door: ModuleType, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    end(new_run(project), "shap", {}, at_ms=BEGAN_MS)
    (project / "datasets" / "btcusd_m15.parquet").unlink()
    assert door.main(given(project, "--dry-run"), root=project) == 0
    said = capsys.readouterr().out
    assert f"run {NAME} is unfinished; it would go on" in said
    assert " 3. shap: done before" in said


def test_failed_phase_is_status_1_and_in_the_log(
    door: ModuleType, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = project / "broken.parquet"
    broken.write_text("no bars")
    status = door.main(
        given(project, "--data", str(broken), "--override", "weekly.notify=false"), root=project
    )
    assert status == 1
    assert "FAILED: data_audit: " in capsys.readouterr().out
    log = (project / "logs" / "weekly.log").read_text()
    assert "FAILED: data_audit: " in log
    assert log.splitlines()[0].split(" ", 1)[0].endswith("Z")


def test_file_that_is_not_there_is_status_2_and_nothing_begins(
    door: ModuleType, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(project / "missing.parquet")
    assert door.main(given(project, "--data", missing), root=project) == 2
    assert f"--data {missing}: it is not there; check the name" in capsys.readouterr().err
    assert not (project / "state" / "weekly" / "btcusd").exists()


def test_held_lock_is_status_2_and_nothing_begins(
    door: ModuleType, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with lock.held(lock_path(project)):
        assert door.main(given(project), root=project) == 2
    assert "a weekly run is under way" in capsys.readouterr().err
    assert not (project / "state" / "weekly" / "btcusd").exists()


def test_rollback_gives_back_what_served_before_the_run(
    door: ModuleType, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from retrain.swapping import swap

    run = make_run(project)
    before = tree(project / "models")
    swap(run)
    assert door.main(["--rollback", NAME], root=project) == 0
    assert tree(project / "models") == before
    assert f"as before run {NAME}" in capsys.readouterr().out


def test_rollback_of_a_run_that_is_not_there_is_status_2(
    door: ModuleType, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert door.main(given(project, "--rollback", "20200101"), root=project) == 2
    assert "run 20200101 is not there" in capsys.readouterr().err


def test_only_phases_that_hold_nothing_up_may_be_skipped(
    door: ModuleType, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        door.main(given(project, "--skip", "score_gate"), root=project)
    assert stopped.value.code == 2
    assert "invalid choice: 'score_gate'" in capsys.readouterr().err


def test_help_imports_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "scripts/weekly_optimize.py", "--help"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert "--rollback RUN" in done.stdout
    for library in ("onnxruntime", "pandas", "sklearn", "numba"):
        assert f" {library}\n" not in done.stderr, library


def test_stop_by_a_service_manager_is_status_130_and_the_run_stays_unfinished(
    door: ModuleType, project: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def stopped(run: Run) -> PhaseResult:
        signal.raise_signal(signal.SIGTERM)
        raise AssertionError

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("retrain.audit.refresh", stopped)
    assert door.main(given(project), root=project) == 130
    assert "the same command goes on with this run" in capsys.readouterr().err
    assert unfinished(project / "state" / "weekly" / "btcusd") is not None
    assert signal.getsignal(signal.SIGTERM) == before
