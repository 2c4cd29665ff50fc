"""`python trading.py` as a supervisor sees it: exit codes, last words, an entry's paper account."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.operations.conftest import ROOT
from tests.operations.pm2 import until
from tests.tiny_models import write_models
from trading.heartbeat import Beat, start_told
from trading.state_folder import StateFolder

PAPER = ("--paper", "--override", "prediction.quantile.lookback_days=2", "--quiet")
ENDED = Beat("ended", 1_000, 4711, 90, 900, 800, 2, 0, "stopped")


@pytest.fixture
def command(root: Path) -> list[str]:
    """The daemon in the folder `root`, with a tiny signal model."""
    write_models(root / "models", ("signal",))
    return [sys.executable, str(ROOT / "trading.py"), "--models", "models"]


def run(command: list[str], root: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [*command, *arguments], cwd=root, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr


def test_paper_account_with_an_entry_is_traded_by_it(command: list[str], root: Path) -> None:
    """And its clean end has the status that was asked for."""
    one_of_them = ("--account", "icmarkets_main", "--override", "risk_percent=9")
    two_bars = ("--speed", "max", "--bars", "2", "--done-status", "10")
    status, said = run(command, root, *PAPER, *one_of_them, *two_bars)
    assert (status, said) == (10, "")
    (folder,) = (root / "state").glob("paper-icmarkets_main-*")
    with sqlite3.connect(folder / "journal.sqlite") as journal:
        (tree,) = journal.execute("SELECT tree FROM settings").fetchone()
    assert json.loads(tree)["risk_percent"] == 2.0
    assert [each.name for each in (root / "logs").iterdir()] == [f"{folder.name}.jsonl"]
    beat = Beat.read(folder)
    assert beat is not None
    assert beat.phase == "ended"
    assert beat.text.startswith("the run is over at ")


def test_cent_entry_over_a_dollar_account_is_refused(command: list[str], root: Path) -> None:
    status, said = run(command, root, *PAPER, "--account", "exness_main", "--bars", "2")
    assert status == 2
    assert "exness_main.account_type: standard is allowed" in said


def test_dead_paper_bridge_is_exit_status_3_and_the_last_word(
    command: list[str], root: Path
) -> None:
    daemon = subprocess.Popen(
        [*command, *PAPER, "--speed", "900"], cwd=root, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip

    def beat() -> Beat | None:
        found = list((root / "state").glob("paper-demo-*/heartbeat.json"))
        return Beat.read(found[0].parent) if found else None

    until(lambda: (seen := beat()) and seen.cycle > 1)
    children = Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    _, said = daemon.communicate(timeout=120)
    assert daemon.returncode == 3
    assert "the paper bridge stopped" in said
    last = beat()
    assert last is not None
    assert last.phase == "failed"
    assert "PaperBridgeGone" in last.text


def test_start_that_fails_says_so_in_the_heartbeat_of_the_last_run(
    command: list[str], root: Path
) -> None:
    """Else the watchdog would take the old `ended` for a daemon that nobody wants to run."""
    folder = root / "state" / "live-default"
    folder.mkdir(parents=True)
    ENDED.write(folder)
    status, _ = run(command, root, "--override", "bridge.api_base_url=http://127.0.0.1:9")
    assert status == 3
    beat = Beat.read(folder)
    assert beat is not None
    assert (beat.phase, beat.positions) == ("failed", 2)
    assert "BridgeUnreachable" in beat.text


def test_failed_start_beside_a_running_daemon_leaves_its_heartbeat_alone(tmp_path: Path) -> None:
    running = replace(ENDED, phase="running")
    with StateFolder(tmp_path / "live-a") as folder:
        running.write(folder.path)
        with pytest.raises(ZeroDivisionError), start_told(folder.path, str):
            raise ZeroDivisionError
        assert Beat.read(folder.path) == running
