"""`scripts/notify.py`: one message from the shell, and an exit status that can be relied on."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.notify import main
from tests.telegram.bot_api import CHAT, TOKEN, BotApi

_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Done:
    returncode: int
    stderr: str


Notify = Callable[..., Done]


@pytest.fixture
def notify(
    api: BotApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Notify:
    """The command, without a process of its own."""

    def run(*words: str, token: str = TOKEN, chat: str = str(CHAT)) -> Done:
        for name, value in _secrets(token, chat).items():
            monkeypatch.setenv(name, value)
        return Done(main([*_pointed_at(api), *words]), capsys.readouterr().err)

    return run


def notify_from_the_shell(
    api: BotApi, *words: str, said: str = ""
) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, str(_ROOT / "scripts" / "notify.py"), *_pointed_at(api), *words]
    environment = os.environ | _secrets(TOKEN, str(CHAT))
    return subprocess.run(
        call, env=environment, input=said, capture_output=True, text=True, check=False
    )


def _secrets(token: str, chat: str) -> dict[str, str]:
    return {"NOVOSKY_TELEGRAM_TOKEN": token, "NOVOSKY_TELEGRAM_CHAT": chat}


def _pointed_at(api: BotApi) -> list[str]:
    return ["--override", f"telegram.base_url={api.base_url}"]


def test_a_message_arrives_as_it_was_written(api: BotApi) -> None:
    done = notify_from_the_shell(api, "weekly <b>report</b> & more")
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
    assert api.texts() == ["weekly <b>report</b> & more"]


def test_standard_input_and_a_picture_are_taken(api: BotApi, tmp_path: Path) -> None:
    picture = tmp_path / "p.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n")
    done = notify_from_the_shell(api, "--photo", str(picture), "-", said="from a pipe")
    assert done.returncode == 0
    assert [(each.text, each.picture) for each in api.messages] == [("from a pipe", True)]


def test_telegram_that_is_away_is_status_1(api: BotApi, notify: Notify) -> None:
    api.down = True
    assert notify("x").returncode == 1


def test_a_daemon_that_polls_keeps_its_token(api: BotApi, notify: Notify) -> None:
    api.conflict = True
    assert notify("x").returncode == 0
    assert "getUpdates" not in api.calls


@pytest.mark.parametrize(
    ("words", "chat", "token", "named"),
    [
        (["x"], str(CHAT), "", "a bot token of @BotFather is needed to send a message, nothing"),
        (["x"], "", TOKEN, "NOVOSKY_TELEGRAM_CHAT: the chat's number is needed to send a message"),
        (["x"], "@me", TOKEN, "NOVOSKY_TELEGRAM_CHAT"),
        (["x"], str(CHAT), "1111111:not-the-token-of-the-bot", "error:"),
        (["  "], str(CHAT), TOKEN, "some text is needed"),
        (["--photo", "none.png", "x"], str(CHAT), TOKEN, "none.png"),
    ],
    ids=["no token", "no chat", "a name", "wrong token", "no text", "no picture"],
)
def test_what_a_person_must_mend_is_status_2_and_shows_no_token(
    api: BotApi, notify: Notify, words: list[str], chat: str, token: str, named: str
) -> None:
    done = notify(*words, chat=chat, token=token)
    assert done.returncode == 2
    assert named in done.stderr
    assert "Traceback" not in done.stderr
    assert "not-the-token" not in done.stderr
    assert api.messages == []
