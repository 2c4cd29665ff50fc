"""`scripts/run_agent.sh` with a fake assistant that tries what it should not be able to do."""

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.onboarding.conftest import ROOT

Done = subprocess.CompletedProcess[str]
SCRIPT = ROOT / "scripts" / "run_agent.sh"
SECRET = "a-trade-token-of-the-test"
REPORT = "# Week 47\n\nprofit factor 1.1\n"


@pytest.fixture
def desk() -> Iterator[Path]:
    """A project that anybody on the machine could find, with a report and secrets."""
    folder = Path(tempfile.mkdtemp(prefix="novosky-test-"))
    folder.chmod(0o755)
    for name in ("reports", "state", "logs"):
        (folder / name).mkdir()
    (folder / "reports" / "weekly-1.md").write_text("# Week 46\n")
    (folder / "reports" / "weekly-2.md").write_text(REPORT)
    os.utime(folder / "reports" / "weekly-1.md", (0, 0))
    (folder / ".env").write_text(f"NOVOSKY_BRIDGE_TOKEN={SECRET}\n")
    (folder / ".env").chmod(0o600)
    (folder / "state" / "journal.sqlite").write_text("what was traded")
    (folder / "config.json").write_text("{}")
    yield folder
    shutil.rmtree(folder)


def ask(desk: Path, assistant: str, *arguments: str, **given: str) -> Done:
    environment = {
        "PATH": os.environ["PATH"], "NOVOSKY_PROJECT": str(desk),
        "NOVOSKY_BRIDGE_TOKEN": SECRET, "NOVOSKY_TELEGRAM_TOKEN": SECRET, "AWS_KEY": SECRET,
        "NOVOSKY_ASSISTANT_COMMAND": assistant,
    }  # fmt: skip
    return subprocess.run(
        [str(SCRIPT), *arguments], env=environment | given, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def protects(done: Done) -> None:
    """Where neither another user nor namespaces can be had, nothing keeps the owner out."""
    if "no namespaces here" in done.stderr and os.geteuid() != 0:
        pytest.skip("no namespaces for an ordinary user here: the assistant is the owner")


def test_assistant_gets_prompt_and_newest_report_and_its_answer_is_passed_on(desk: Path) -> None:
    done = ask(desk, "cat; ls", NOVOSKY_ASSISTANT_PROMPT="What stands out?")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"What stands out?\n\n{REPORT}weekly-2.md\n"


def test_report_may_be_named(desk: Path) -> None:
    done = ask(desk, "cat", str(desk / "reports" / "weekly-1.md"))
    assert done.stdout.endswith("# Week 46\n")


def test_environment_holds_no_secret_and_only_what_is_allowed(desk: Path) -> None:
    done = ask(desk, "env", NOVOSKY_ASSISTANT_ENV="VENDOR_KEY NOT_SET", VENDOR_KEY="its-own-key")
    names = {line.partition("=")[0] for line in done.stdout.splitlines()}
    assert names <= {"PATH", "HOME", "TMPDIR", "LANG", "VENDOR_KEY", "PWD", "OLDPWD", "SHLVL", "_"}
    assert "VENDOR_KEY=its-own-key" in done.stdout
    assert SECRET not in done.stdout + done.stderr


def test_our_own_variables_cannot_be_allowed(desk: Path) -> None:
    done = ask(desk, "env", NOVOSKY_ASSISTANT_ENV="NOVOSKY_BRIDGE_TOKEN")
    assert done.returncode == 2
    assert "is ours" in done.stderr
    assert SECRET not in done.stdout + done.stderr


def test_assistant_cannot_write_the_project_nor_read_secrets(desk: Path) -> None:
    before = {p: p.read_bytes() for p in desk.rglob("*") if p.is_file()}
    attempts = (
        f"touch {desk}/x; echo x >> {desk}/config.json; rm -rf {desk}/reports/weekly-1.md; "
        f"cat {desk}/.env; umount {desk}; mount -o remount,bind,rw {desk}; touch {desk}/x; true"
    )
    done = ask(desk, attempts)
    protects(done)
    assert SECRET not in done.stdout + done.stderr
    assert {p: p.read_bytes() for p in desk.rglob("*") if p.is_file()} == before


def test_assistant_cannot_change_the_reports_copy(desk: Path) -> None:
    done = ask(desk, "echo x >> weekly-2.md; touch more; cat weekly-2.md; ls")
    protects(done)
    assert done.stdout == f"{REPORT}weekly-2.md\n"


def test_state_is_not_seen_where_there_are_namespaces(desk: Path) -> None:
    done = ask(desk, f"cat {desk}/state/journal.sqlite; ls /proc | grep -c '^[0-9]'")
    if "no namespaces here" in done.stderr:
        pytest.skip("no namespaces here")
    assert "what was traded" not in done.stdout
    assert int(done.stdout) < 10


def test_nothing_configured_says_what_to_set(desk: Path) -> None:
    done = ask(desk, "")
    assert done.returncode == 2
    assert "NOVOSKY_ASSISTANT_COMMAND" in done.stderr
    assert "NOVOSKY_ASSISTANT_ENV" in done.stderr


def test_no_report_is_said(desk: Path) -> None:
    shutil.rmtree(desk / "reports")
    done = ask(desk, "cat")
    assert (done.returncode, "no weekly report in" in done.stderr) == (2, True)


def test_time_limit_ends_it_and_nothing_is_left_behind(desk: Path) -> None:
    there = Path(tempfile.mkdtemp(prefix="novosky-tmp-"))
    there.chmod(0o777)
    try:
        done = ask(desk, "sleep 60", NOVOSKY_ASSISTANT_TIMEOUT_S="0.5", TMPDIR=str(there))
        assert done.returncode == 124
        assert list(there.iterdir()) == []
    finally:
        shutil.rmtree(there)


def test_exit_status_of_the_assistant_is_passed_on(desk: Path) -> None:
    assert ask(desk, "exit 7").returncode == 7


def test_script_can_be_run() -> None:
    assert SCRIPT.stat().st_mode & stat.S_IXUSR
