"""Telegram, Supabase, news, hub, prop profile, `.env`, and the preconditions of primary exit."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from market.sources.calendar_archive import CalendarArchive
from market.sources.forex_factory import CalendarFeed
from tests.doctor.ward import NOW_MS, Ward
from tests.patience import PATIENCE_S

BOT = "123456:a-bot-token-of-the-test"
_SET = {"ok": True, "result": {"username": "novosky_bot"}}


@contextmanager
def answering(**answers: tuple[int, object]) -> Iterator[str]:
    """A server's URL; an answer (status, JSON) by the end of the path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.split("?")[0].rsplit("/", 1)[-1]
            status, words = answers.get(path, (404, {}))
            body = json.dumps(words).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(PATIENCE_S)
        server.server_close()


def secrets(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"NOVOSKY_{name}", value)


def telegram(ward: Ward, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets(monkeypatch, TELEGRAM_TOKEN=BOT, TELEGRAM_CHAT="77")
    ward.override(telegram__enabled=True, telegram__base_url=f"{url}/bot")


def test_telegram_that_works_passes(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(getMe=(200, _SET), getChat=(200, _SET)) as url:
        telegram(ward, url, monkeypatch)
        assert ward.look()["telegram"]["status"] == "pass"


def test_telegram_without_secrets_names_them(ward: Ward) -> None:
    ward.override(telegram__enabled=True)
    assert "NOVOSKY_TELEGRAM_TOKEN" in ward.failing()["telegram"]


def test_telegram_token_that_is_not_known_names_the_bot_father(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    no = (401, {"ok": False, "description": "Unauthorized"})
    with answering(getMe=no, getChat=no) as url:
        telegram(ward, url, monkeypatch)
        assert "@BotFather" in ward.failing()["telegram"]


def test_telegram_chat_that_never_spoke_to_the_bot_is_told(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    no = (400, {"ok": False, "description": "Bad Request: chat not found"})
    with answering(getMe=(200, _SET), getChat=no) as url:
        telegram(ward, url, monkeypatch)
        assert "/start" in ward.failing()["telegram"]


def test_telegram_that_is_away_fails_without_its_token_in_the_text(
    ward: Ward, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from trading.cli import main

    monkeypatch.setenv("COLUMNS", "1000")
    telegram(ward, "http://127.0.0.1:9", monkeypatch)
    assert main(ward.command()) == 1
    said = capsys.readouterr()
    assert BOT not in said.out + said.err
    assert "telegram" in ward.failing()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((200, []), ""),
        ((401, {"message": "Invalid API key"}), "service_role"),
        ((404, {"code": "PGRST205", "message": "no table"}), "supabase_migrate.py"),
        ((503, {"message": "paused"}), "NOVOSKY_SUPABASE_URL"),
    ],
    ids=["well", "wrong key", "no tables", "away"],
)
def test_supabase_is_asked_for_its_tables(
    ward: Ward, monkeypatch: pytest.MonkeyPatch, answer: tuple[int, object], words: str
) -> None:
    ward.override(supabase__enabled=True)
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between the library's attempts
    with answering(accounts=answer) as url:
        secrets(monkeypatch, SUPABASE_URL=url, SUPABASE_KEY="a-service-key-of-the-test")
        check = ward.look()["supabase"]
    assert check["status"] == ("fail" if words else "pass")
    assert words in check["fix"]


def test_news_rules_without_a_calendar_fail(ward: Ward) -> None:
    ward.override(news_block_minutes=30)
    assert "features.calendar" in ward.failing()["news"]


def test_news_feed_that_answers_passes(ward: Ward) -> None:
    release = {"title": "CPI", "country": "USD", "date": "2025-05-30T08:30:00-04:00",
               "impact": "High", "forecast": "", "previous": ""}  # fmt: skip
    with answering(**{"week.json": (200, [release])}) as url:
        ward.override(news__enabled=True, news__url=f"{url}/week.json", news_block_minutes=30)
        assert ward.look()["news"]["status"] == "pass"


def test_news_feed_that_is_away_fails(ward: Ward) -> None:
    ward.override(news__enabled=True, news__url="http://127.0.0.1:9/week.json")
    assert "news.url" in ward.failing()["news"]


def test_news_that_the_daemon_has_read_lately_are_not_read_again(ward: Ward) -> None:
    ward.state.mkdir(parents=True)
    archive = CalendarArchive(ward.state / "news.sqlite")
    archive.take_in(CalendarFeed((), NOW_MS - 1, NOW_MS), NOW_MS - 3_600_000)
    archive.close()
    ward.override(news__enabled=True, news__url="http://127.0.0.1:9/week.json")
    assert ward.look()["news"]["status"] == "pass"


def test_hub_without_a_bucket_fails(ward: Ward) -> None:
    ward.override(hub__store="s3")
    assert "ml_config.json" in ward.failing()["hub"]


@pytest.mark.parametrize(
    ("as_of", "status"),
    [("2025-05-01", "pass"), ("2025-01-01", "fail"), ("2026-01-01", "fail")],
    ids=["fresh", "old", "from the future"],
)
def test_prop_profile_is_as_good_as_its_date(ward: Ward, as_of: str, status: str) -> None:
    """The doctor's day is 2025-05-30."""
    rules = ward.project / "config" / "prop_rules.json"
    words = json.loads(rules.read_text()) | {"as_of": as_of}
    rules.write_text(json.dumps(words))
    ward.override(prop__profile="ftmo_2step", prop__initial_balance=10_000.0)
    check = ward.look()["prop profile"]
    assert check["status"] == status
    assert ("as_of" in check["fix"]) == (status == "fail")


def test_secrets_that_others_can_read_fail(ward: Ward) -> None:
    (ward.project / ".env").chmod(0o640)
    assert "chmod 600" in ward.failing()["secrets"]


def test_primary_exit_prints_its_preconditions(
    ward: Ward, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from trading.cli import main

    monkeypatch.setenv("COLUMNS", "220")
    ward.override(ml_active_management__position_as_primary_exit__enabled=True)
    assert main(ward.command()) == 1
    said = capsys.readouterr().out
    assert "EXIT precision" in said
    assert "not measured" in said
    assert "position_as_primary_exit.enabled off" in ward.failing()["primary exit"]


def test_page_has_the_checks_as_the_catalogue_has_them() -> None:
    from trading.doctor.catalogue import tables

    page = Path(__file__).resolve().parents[2] / "docs" / "doctor.md"
    assert tables() in page.read_text(encoding="utf-8")
