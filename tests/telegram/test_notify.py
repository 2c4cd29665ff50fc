"""`scripts/notify.py`: one message from the shell, and an exit status that can be relied on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.telegram.bot_api import CHAT, TOKEN, BotApi

_ROOT = Path(__file__).resolve().parents[2]


def notify(
    api: BotApi, *words: str, token: str = TOKEN, chat: str = str(CHAT), said: str = ""
) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"NOVOSKY_TELEGRAM_TOKEN": token, "NOVOSKY_TELEGRAM_CHAT": chat}
    call = [sys.executable, str(_ROOT / "scripts" / "notify.py"),
            "--override", f"telegram.base_url={api.base_url}", *words]  # fmt: skip
    return subprocess.run(
        call, env=environment, input=said, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_message_arrives_as_it_was_written(api: BotApi) -> None:
    done = notify(api, "weekly <b>report</b> & more")
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
    assert api.texts() == ["weekly <b>report</b> & more"]


def test_standard_input_and_a_picture_are_taken(api: BotApi, tmp_path: Path) -> None:
    picture = tmp_path / "p.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n")
    assert notify(api, "--photo", str(picture), "-", said="from a pipe").returncode == 0
    assert [(each.text, each.picture) for each in api.messages] == [("from a pipe", True)]


def test_telegram_that_is_away_is_status_1(api: BotApi) -> None:
    api.down = True
    assert notify(api, "x").returncode == 1


def test_a_daemon_that_polls_keeps_its_token(api: BotApi) -> None:
    api.conflict = True
    assert notify(api, "x").returncode == 0
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
    api: BotApi, words: list[str], chat: str, token: str, named: str
) -> None:
    done = notify(api, *words, chat=chat, token=token)
    assert done.returncode == 2
    assert named in done.stderr
    assert "Traceback" not in done.stderr
    assert "not-the-token" not in done.stderr
    assert api.messages == []
