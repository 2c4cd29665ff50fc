"""From settings to a running channel; secrets stay where they are."""

import logging
from io import StringIO
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.telegram.bot_api import CHAT, TOKEN, BotApi
from trading.assemble import Trade, known_instrument
from trading.decision.settings import DecisionSettings
from trading.errors import DaemonError
from trading.journal import Journal
from trading.open_channels import open_channels, telegram
from trading.outbox import OutboxReader
from trading.secrets import Redaction, redacted, secret
from trading.settings import DaemonSettings
from trading.state_folder import StateFolder
from trading.telegram_settings import TelegramSecrets, TelegramSettings

ON = TelegramSettings(enabled=True)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NOVOSKY_TELEGRAM_TOKEN", TOKEN)
    monkeypatch.setenv("NOVOSKY_TELEGRAM_CHAT", str(CHAT))
    monkeypatch.chdir(tmp_path)


def trade() -> Trade:
    return Trade(known_instrument("BTCUSD"), DecisionSettings(), DaemonSettings(), ())


def test_shipped_settings_leave_telegram_off() -> None:
    assert telegram(TelegramSettings(), account="", paper=False) == ()


def test_paper_leaves_the_token_to_the_live_daemon_unless_told() -> None:
    assert telegram(ON, account="", paper=True) == ()
    asked = ON.model_copy(update={"paper": True})
    assert len(telegram(asked, account="", paper=True)) == 1


@pytest.mark.parametrize("name", ["NOVOSKY_TELEGRAM_TOKEN", "NOVOSKY_TELEGRAM_CHAT"])
def test_a_missing_secret_is_named_with_where_to_put_it(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "")
    with pytest.raises(DaemonError, match=rf"{name}.*put it into \.env"):
        telegram(ON, account="", paper=False)


def test_a_secret_of_the_environment_comes_before_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("NOVOSKY_TELEGRAM_TOKEN=of-the-file\n")
    assert secret("NOVOSKY_TELEGRAM_TOKEN") == TOKEN
    monkeypatch.delenv("NOVOSKY_TELEGRAM_TOKEN")
    assert secret("NOVOSKY_TELEGRAM_TOKEN") == "of-the-file"


def test_settings_refuse_what_they_do_not_know() -> None:
    with pytest.raises(ValidationError):
        TelegramSettings.model_validate({"messages": ["gossip"]})
    with pytest.raises(ValidationError):
        TelegramSettings.model_validate({"token": "in the wrong place"})


def test_a_channel_makes_the_journal_write_for_it(tmp_path: Path) -> None:
    with StateFolder(tmp_path / "live-x") as folder, BotApi() as api:
        journal = Journal(folder.journal)
        served = ON.model_copy(update={"base_url": api.base_url})
        channels = open_channels(
            trade(), folder, journal, telegram(served, account="x", paper=False)
        )
        journal.record("run_started", 1, text="hello")
        channels.start()
        api.wait_for("[x] started\nhello")
        channels.stop()
        journal.close()


def test_without_channels_the_outbox_stays_empty(tmp_path: Path) -> None:
    with StateFolder(tmp_path / "live-x") as folder:
        journal = Journal(folder.journal)
        open_channels(trade(), folder, journal, ())
        journal.record("run_started", 1, text="hello")
        reader = OutboxReader(folder.journal)
        assert reader.last_id() == 0
        reader.close()
        journal.close()


def test_resume_on_the_command_line_lifts_a_pause(tmp_path: Path) -> None:
    with StateFolder(tmp_path / "live-x") as folder:
        journal = Journal(folder.journal)
        (command,) = open_channels(trade(), folder, journal, (), resume=True).queue.drain()
        assert (command.kind, command.source) == ("resume", "command line")
        journal.close()


def test_the_token_is_in_no_representation_and_no_log() -> None:
    assert TOKEN not in repr(TelegramSecrets(TOKEN, CHAT))
    assert redacted(f"https://api.telegram.org/bot{TOKEN}/getMe", [TOKEN, ""]) == (
        "https://api.telegram.org/bot[secret]/getMe"
    )
    written = StringIO()
    handler = logging.StreamHandler(written)
    handler.addFilter(Redaction([TOKEN]))
    log = logging.getLogger("tests.telegram.redaction")
    log.addHandler(handler)
    try:
        raise RuntimeError(f"at {TOKEN}")
    except RuntimeError:
        log.exception("asked %s", f"bot{TOKEN}")
    log.removeHandler(handler)
    assert "asked bot[secret]" in written.getvalue()
    assert "RuntimeError: at [secret]" in written.getvalue()
    assert TOKEN not in written.getvalue()
