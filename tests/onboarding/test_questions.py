"""The wizard's questions, answered at a terminal of their own and through a pipe."""

import os
import pty
import select
import subprocess
import sys
import termios
import time
from pathlib import Path

from settings import load_settings
from tests.onboarding.conftest import ROOT
from tests.patience import PATIENCE_S

TOKEN = "a-trade-token-of-the-test"
COMMAND = [sys.executable, str(ROOT / "scripts" / "onboarding.py"), "--no-doctor"]
FLAGS = [
    "--bridge-url", "http://127.0.0.1:7777", "--dialect", "native", "--token", TOKEN,
    "--account-kind", "demo", "--login", "5", "--server", "S", "--risk", "growth",
]  # fmt: skip
# (what is waited for, what is typed then)
_CONVERSATION = [
    ("Bridge URL", "127.0.0.1"),
    ("Its dialect", ""),
    ("Its trade token", TOKEN),
    ("http://host:port[/prefix] is allowed", None),
    ("Bridge URL", "http://127.0.0.1:7777"),
    ("Its dialect", ""),
    ("Its trade token", TOKEN),
    ("Account [", "prop"),
    ("Account number", "12345"),
    ("Trade server's name", ""),
    ("Firm's rules", "ftmo_1step"),
    ("Phase", ""),
    ("Initial balance", "25000"),
    ("Risk [", "conservative"),
    ("Telegram?", "n"),
    ("Supabase?", "n"),
    ("Model hub", ""),
    ("Write it?", "y"),
    ("Start paper trading now?", "n"),
]


def test_conversation_at_a_terminal_writes_what_was_answered_and_echoes_no_secret(
    project: Path,
) -> None:
    said, code = converse([*COMMAND, "--project", str(project)])
    assert code == 0, said
    settings = load_settings(project)
    assert (settings.bridge.api_base_url, settings.bridge.login) == (
        "http://127.0.0.1:7777", 12_345,
    )  # fmt: skip
    assert settings.decision.prop.profile == "ftmo_1step"
    assert settings.decision.prop.initial_balance == 25_000.0
    assert settings.decision.risk_percent == 0.5
    assert (project / ".env").read_text() == f"NOVOSKY_BRIDGE_TOKEN={TOKEN}\n"
    assert TOKEN not in said
    assert ".env: NOVOSKY_BRIDGE_TOKEN" in said


def test_flags_are_not_asked_for(project: Path) -> None:
    done = piped(project, "n\nn\nnone\ny\nn\n", *FLAGS)
    assert done.returncode == 0, done.stderr
    assert "Bridge URL" not in done.stdout
    assert load_settings(project).decision.risk_percent == 3.0


def test_no_at_the_end_writes_nothing(project: Path) -> None:
    before = (project / "config.json").read_bytes()
    done = piped(project, "\n\n\n\n\n\n\nn\nn\n\nn\n")
    assert done.returncode == 2
    assert "nothing is written" in done.stderr
    assert (project / "config.json").read_bytes() == before
    assert not (project / ".env").exists()


def test_end_of_the_answers_writes_nothing(project: Path) -> None:
    done = piped(project, "http://127.0.0.1:7777\n")
    assert done.returncode == 2
    assert not (project / ".env").exists()
    assert "7777" not in (project / "config.json").read_text()


def test_other_value_in_env_is_replaced_only_after_a_yes(project: Path) -> None:
    path = project / ".env"
    for answer, held in (("n", "the-token-of-before"), ("y", TOKEN)):
        path.write_text("NOVOSKY_BRIDGE_TOKEN=the-token-of-before\n")
        done = piped(project, f"n\nn\nnone\ny\n{answer}\nn\n", *FLAGS)
        assert done.returncode == 0, done.stderr
        assert "Replace?" in done.stdout
        assert path.read_text() == f"NOVOSKY_BRIDGE_TOKEN={held}\n"


def piped(project: Path, answers: str, *flags: str) -> "subprocess.CompletedProcess[str]":
    command = [*COMMAND, "--project", str(project), *flags]
    return subprocess.run(
        command, input=answers, capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "COLUMNS": "200"},
    )  # fmt: skip


def converse(command: list[str]) -> tuple[str, int]:
    """Everything the terminal showed, and the exit code. Fails where a question does not come."""
    process, terminal = pty.fork()
    if process == 0:
        os.environ.update(COLUMNS="200", TERM="dumb")
        os.execv(command[0], command)
    said = ""
    at = 0
    for question, answer in _CONVERSATION:
        while question not in said[at:]:
            said += _read(terminal, said)
        at = said.index(question, at) + len(question)
        if answer == TOKEN:
            _wait_for_silence(terminal)
        if answer is not None:
            os.write(terminal, f"{answer}\n".encode())
    rest = "…"
    while rest:
        rest = _read(terminal, said, may_end=True)
        said += rest
    _, status = os.waitpid(process, 0)
    os.close(terminal)
    return said, os.waitstatus_to_exitcode(status)


def _wait_for_silence(terminal: int) -> None:
    """What is typed before a hidden question has switched the echo off is thrown away."""
    deadline_s = time.monotonic() + PATIENCE_S
    while termios.tcgetattr(terminal)[3] & termios.ECHO:
        assert time.monotonic() < deadline_s, "the echo stays on"
        time.sleep(0.005)


def _read(terminal: int, said: str, *, may_end: bool = False) -> str:
    ready, _, _ = select.select([terminal], [], [], PATIENCE_S)
    assert ready, f"nothing more came after: {said[-500:]}"
    try:
        return os.read(terminal, 65536).decode()
    except OSError:  # the other end is closed
        assert may_end, said[-2000:]
        return ""
