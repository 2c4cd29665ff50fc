"""One daemon per state folder."""

from pathlib import Path

import pytest

from trading.errors import AlreadyRunning
from trading.state_folder import StateFolder


def test_second_daemon_is_refused_with_the_first_ones_pid(tmp_path: Path) -> None:
    with (
        StateFolder(tmp_path / "a"),
        pytest.raises(AlreadyRunning, match=r"running here already \(process \d+\)"),
        StateFolder(tmp_path / "a"),
    ):
        pass


def test_folder_is_free_again_after_the_daemon_has_gone(tmp_path: Path) -> None:
    with StateFolder(tmp_path / "a"):
        pass
    with StateFolder(tmp_path / "a"):
        pass


def test_other_accounts_folder_is_free(tmp_path: Path) -> None:
    with StateFolder(tmp_path / "a"), StateFolder(tmp_path / "b"):
        pass


def test_clearing_keeps_the_lock(tmp_path: Path) -> None:
    with StateFolder(tmp_path / "a") as folder:
        folder.terminal.mkdir()
        (folder.terminal / "x").write_text("x")
        folder.journal.write_text("x")
        folder.clear()
        assert [each.name for each in folder.path.iterdir()] == ["daemon.lock"]
        with pytest.raises(AlreadyRunning), StateFolder(tmp_path / "a"):
            pass
