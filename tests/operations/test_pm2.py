"""PM2 starts, restarts, reloads and stops two accounts by the shipped file; one killed does not
touch the other."""

import json
import os
import signal
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.operations.conftest import ROOT
from tests.operations.pm2 import Pm2, running_pm2, until
from tests.tiny_models import write_models
from trading.heartbeat import Beat
from trading.state_folder import StateFolder

PAPER = (
    "--paper --account {} --speed 900 --models {} --override prediction.quantile.lookback_days=2"
)


@pytest.fixture
def pm2() -> Iterator[Pm2]:
    with running_pm2() as started:
        yield started


@pytest.fixture
def ecosystem(tmp_path: Path) -> Path:
    """The shipped file with other arguments: two paper accounts, and one that cannot start."""
    models = tmp_path / "models"
    write_models(models, ("signal",))
    for name in ("config.json", "ml_config.json"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    (tmp_path / "logs").mkdir()
    args = {
        "one": PAPER.format("one", models), "two": PAPER.format("two", models),
        "wrong": "--override risk_procent=1",
    }  # fmt: skip
    path = tmp_path / "ecosystem.config.js"
    path.write_text(
        f"const shipped = require({json.dumps(str(ROOT / 'ecosystem.config.js'))}).apps[0];\n"
        f"const args = {json.dumps(args)};\n"
        "module.exports = { apps: Object.keys(args).map((name) => ({\n"
        "  ...shipped, name, args: `${args[name]} --done-status 10`,\n"
        f"  script: {json.dumps(str(ROOT / 'trading.py'))},\n"
        f"  cwd: {json.dumps(str(tmp_path))}, interpreter: {json.dumps(sys.executable)},\n"
        "  out_file: `logs/${name}.out.log`, error_file: `logs/${name}.err.log`,\n"
        "})) };\n"
    )
    return path


class Account:
    """One paper account as its state folder shows it."""

    def __init__(self, root: Path, name: str) -> None:
        self._root = root
        self.name = name

    @property
    def folder(self) -> Path:
        (folder,) = (self._root / "state").glob(f"paper-{self.name}-*")
        return folder

    def beat(self) -> Beat | None:
        found = list((self._root / "state").glob(f"paper-{self.name}-*/heartbeat.json"))
        return Beat.read(found[0].parent) if found else None

    def runs_as(self, other_than: int = 0) -> int | None:
        """The process that makes cycles, unless it is `other_than`."""
        beat = self.beat()
        if beat is None or beat.phase != "running" or beat.cycle < 2 or beat.pid == other_than:
            return None
        return beat.pid

    def decided(self) -> int:
        path = self.folder / "journal.sqlite"
        with sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True) as journal:
            (count,) = journal.execute("SELECT count(*) FROM decisions").fetchone()
        return int(count)

    def ended(self) -> bool:
        beat = self.beat()
        return beat is not None and beat.phase == "ended"


def test_two_accounts_live_and_die_on_their_own(pm2: Pm2, ecosystem: Path) -> None:
    root = ecosystem.parent
    one, two = Account(root, "one"), Account(root, "two")
    pm2.run("start", str(ecosystem))
    first, other = until(one.runs_as), until(two.runs_as)

    decided = until(one.decided)
    os.kill(first, signal.SIGKILL)
    second = until(lambda: one.runs_as(other_than=first))
    assert until(lambda: one.decided() > decided), "it goes on in its own journal"
    assert two.runs_as() == other, "the other one has not noticed"
    assert pm2.apps()["one"]["pid"] == second

    wrong = pm2.apps()["wrong"]
    assert (wrong["pm2_env"]["exit_code"], wrong["pid"]) == (2, 0)
    assert wrong["pm2_env"]["restart_time"] == 0, "a person must act: no restart"

    pm2.run("stop", "one", "two")
    assert one.ended()
    assert two.ended()
    for account in (one, two):
        assert not StateFolder.is_held(account.folder)
        state = pm2.apps()[account.name]
        assert state["pm2_env"]["status"] == "stopped"
        assert state["pm2_env"]["exit_code"] == 10
    errors = (root / "logs" / "one.err.log").read_text()
    assert "Traceback" not in errors


@pytest.mark.soak
def test_restart_and_reload_of_one_leave_the_other_alone(pm2: Pm2, ecosystem: Path) -> None:
    """Beside `test_two_accounts_live_and_die_on_their_own`, where a killed one is started again."""
    root = ecosystem.parent
    one, two = Account(root, "one"), Account(root, "two")
    pm2.run("start", str(ecosystem))
    first, other = until(one.runs_as), until(two.runs_as)
    pm2.run("restart", "one")
    second = until(lambda: one.runs_as(other_than=first))
    assert two.runs_as() == other
    pm2.run("reload", "two")
    assert until(lambda: two.runs_as(other_than=other))
    assert one.runs_as() == second
