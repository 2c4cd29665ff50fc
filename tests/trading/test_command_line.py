"""What the doors share: instants on a command line, and how a command ends."""

import argparse
import errno
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from market.bars import BarsError
from tests.patience import PATIENCE_S
from trading.command_line import exit_status, utc_instant_ms

ROOT = Path(__file__).resolve().parents[2]
DOORS = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("*.py", "scripts/*.py", "ml/*.py")
    for path in ROOT.glob(pattern)
    if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
)
JUNE_MS = 1_748_736_000_000  # 2025-06-01 00:00 UTC


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A host whose local time is not UTC."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("tokyo")
def test_instant_without_an_offset_is_utc_in_any_host_zone() -> None:
    assert utc_instant_ms("2025-06-01") == JUNE_MS
    assert utc_instant_ms("2025-06-01T09:00+09:00") == JUNE_MS


def test_instant_that_is_none_says_what_is_allowed() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="2025-09-01T14:00 is allowed, 'June'"):
        utc_instant_ms("June")


def _raising(error: BaseException) -> int:
    raise error


def test_failure_a_person_can_mend_is_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert exit_status(lambda: _raising(BarsError("row 7 is bad")), stopped="") == 2
    assert capsys.readouterr().err == "error: row 7 is bad\n"


def test_further_failures_of_a_door_are_mendable_too(capsys: pytest.CaptureFixture[str]) -> None:
    named = exit_status(
        lambda: _raising(LookupError("gone")), stopped="", mendable=lambda: (LookupError,)
    )
    assert named == 2
    assert capsys.readouterr().err == "error: gone\n"


def test_full_disk_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    assert exit_status(lambda: _raising(full), stopped="") == 2
    assert "make room on the disk and give the same command again" in capsys.readouterr().err


def test_missing_package_names_the_environment(capsys: pytest.CaptureFixture[str]) -> None:
    missing = ModuleNotFoundError("No module named 'rich'", name="rich")
    assert exit_status(lambda: _raising(missing), stopped="") == 2
    assert "rich is not installed: make install" in capsys.readouterr().err


@pytest.mark.parametrize("door", DOORS)
def test_door_without_packages_says_what_to_do(door: str) -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-E", door, "--help"], cwd=ROOT, capture_output=True, text=True,
        check=False, timeout=PATIENCE_S,
    )  # fmt: skip
    if done.returncode:
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.endswith(
            f"is not installed: make install, then .venv/bin/python {door}\n"
        )
        assert done.stderr.count("\n") == 1


def test_defect_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        exit_status(lambda: _raising(ZeroDivisionError()), stopped="")
    with pytest.raises(ModuleNotFoundError):
        exit_status(lambda: _raising(ModuleNotFoundError(name="market.gone")), stopped="")


def test_stop_by_a_person_says_so_and_is_130(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_status(lambda: _raising(KeyboardInterrupt()), stopped="nothing written") == 130
    assert capsys.readouterr().err == "nothing written\n"
