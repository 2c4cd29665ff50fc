"""`kill -9` of daemon and bridge, anywhere in the cycle: nothing twice, nothing lost."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def killed_runs(folder: Path, kills: int) -> dict[str, Any]:
    """The driver's figures; it forks, so it is a process of its own."""
    command = [
        sys.executable, "-m", "tests.chaos.kill_driver", "--folder", str(folder),
        "--kills", str(kills),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check(found: dict[str, Any], kills: int) -> None:
    assert found["kills"] == kills, found["by_point"]
    for run in ("unbroken", "harmless", "losing"):
        assert found[run]["duplicates"] == 0
        assert found[run]["deals_missing_in_the_journal"] == 0
        assert found[run]["deals_unknown_to_the_broker"] == 0
        assert found[run]["open_intents"] == 0
        assert found[run]["bars_without_a_record"] == 0
    assert found["harmless"] == found["unbroken"]
    assert found["losing"]["deals"] > 10


def test_12_kills_leave_the_decisions_and_deals_of_an_unbroken_run(tmp_path: Path) -> None:
    check(killed_runs(tmp_path, 12), 12)


@pytest.mark.soak
@pytest.mark.timeout(3000)
def test_300_kills_leave_the_decisions_and_deals_of_an_unbroken_run(tmp_path: Path) -> None:
    check(killed_runs(tmp_path, 300), 300)
