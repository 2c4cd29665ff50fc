"""Planted secrets are found in no log, no journal, no heartbeat and on no terminal."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from broker.contract.errors import BrokerUnavailable
from tests.operations.conftest import ROOT, Operated
from trading.live_view import LineView
from trading.log_reporter import LogReporter
from trading.logger import close_log, file_log
from trading.redaction import RedactedReporter, Redactor, known_secrets

PLANTED = {
    "NOVOSKY_BRIDGE_TOKEN": "brdg-4f1c99aa07",
    "NOVOSKY_TELEGRAM_TOKEN": "918273645:AAH-x1y2z3_planted_telegram_token0",
    "NOVOSKY_SUPABASE_KEY": 'service"role\\key-7d7d',
    "NOVOSKY_HEARTBEAT_URL": "https://hc.example/ping/8f14e45f-planted",
    "R2_SECRET_ACCESS_KEY": "r2-secret-11aa22bb",
}  # fmt: skip
URL_PASSWORD = "hunter2-in-url"
SAID = (
    f"GET http://trader:{URL_PASSWORD}@10.0.0.9:6542/health with Bearer "
    f"{PLANTED['NOVOSKY_BRIDGE_TOKEN']}: 502; {PLANTED['NOVOSKY_SUPABASE_KEY']} "
    f"{PLANTED['NOVOSKY_HEARTBEAT_URL']} bot{PLANTED['NOVOSKY_TELEGRAM_TOKEN']} "
    f"?token=querytoken77&x=1 {PLANTED['R2_SECRET_ACCESS_KEY']}"
)
NEEDLES = (
    *PLANTED.values(), json.dumps(PLANTED["NOVOSKY_SUPABASE_KEY"])[1:-1], URL_PASSWORD,
    "querytoken77",
)  # fmt: skip


def found_in(folder: Path, *texts: str) -> list[tuple[str, str]]:
    """(where, which) for every secret in any file below the folder or in a text."""
    files = [(str(each), each.read_bytes()) for each in folder.rglob("*") if each.is_file()]
    said = [("text", each.encode()) for each in texts]
    return [(where, needle) for where, content in files + said for needle in NEEDLES
            if needle.encode() in content]  # fmt: skip


def test_run_in_trouble_leaves_no_secret_anywhere(
    operated: Callable[..., Operated], root: Path, tmp_path: Path
) -> None:
    env_file = tmp_path / "secrets.env"
    env_file.write_text(f"R2_SECRET_ACCESS_KEY={PLANTED['R2_SECRET_ACCESS_KEY']}\n")
    redact = Redactor(known_secrets({k: v for k, v in PLANTED.items() if k[0] == "N"}, env_file))
    env_file.unlink()
    console = Console(file=io.StringIO(), width=400)
    log = file_log(root / "logs", "live-test", redact)
    daemon = operated(
        bars=12, redact=redact,
        view=lambda _: RedactedReporter(LogReporter(log, LineView(console)), redact),
    )  # fmt: skip
    look = daemon.bot._parts.observer.look
    failures = [BrokerUnavailable(SAID) for _ in range(4)]

    def fail(now_ms: int, *, at_close: bool) -> Any:
        if daemon.journal.decided_count("BTCUSD") >= 4 and failures:
            raise failures.pop()
        return look(now_ms, at_close=at_close)

    daemon.bot._parts.observer.look = fail  # type: ignore[method-assign]
    daemon.bot._parts.reporter.started(f"through {SAID}")
    daemon.run()
    log.error("defect", exc_info=BrokerUnavailable(SAID))
    close_log(log)
    assert daemon.bot.heartbeat is not None
    daemon.bot.heartbeat.over(redact(SAID), failed=True)
    assert len(daemon.events("bridge_away")) == 1
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "[secret]" in shown
    assert "10.0.0.9:6542" in shown
    assert "[secret]" in (root / "logs" / "live-test.jsonl").read_text()
    assert found_in(root, shown) == []


def test_without_redaction_the_same_search_finds_them(tmp_path: Path) -> None:
    log = file_log(tmp_path, "plain")
    log.info(SAID)
    close_log(log)
    assert {needle for _, needle in found_in(tmp_path)} == {*NEEDLES} - {
        PLANTED["NOVOSKY_SUPABASE_KEY"]
    }  # in JSON it stands in its other form


def test_traceback_of_a_defect_is_redacted(tmp_path: Path) -> None:
    script = (
        "from trading.redaction import Redactor\n"
        f"Redactor([{PLANTED['NOVOSKY_BRIDGE_TOKEN']!r}]).over_defects()\n"
        f"raise ZeroDivisionError({SAID!r})\n"
    )
    done = subprocess.run(
        [sys.executable, "-"], input=script, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert PLANTED["NOVOSKY_BRIDGE_TOKEN"] not in done.stderr
    assert URL_PASSWORD not in done.stderr


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("https://u:p@host/x", "https://[secret]@host/x"),
        ("http://127.0.0.1:6542/health", "http://127.0.0.1:6542/health"),
        ("postgres://me:pw1@db:5432/n", "postgres://[secret]@db:5432/n"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer [secret]"),
        ("/x?token=abc&y=1", "/x?token=[secret]&y=1"),
        ("2026-01-02 10:30:00 BTCUSD 7719-BTCUSD-1", "2026-01-02 10:30:00 BTCUSD 7719-BTCUSD-1"),
    ],
    ids=["url", "plain url", "database", "bearer", "query", "nothing"],
)
def test_what_looks_secret_is_masked_and_nothing_else(text: str, redacted: str) -> None:
    assert Redactor(())(text) == redacted


def test_secrets_are_our_own_of_the_environment_and_all_of_the_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OTHER_PASSWORD=from-the-file\nNOVOSKY_TELEGRAM_CHAT=4711\n")
    environ = {
        "NOVOSKY_BRIDGE_TOKEN": "ours",
        "SSH_AGENT_TOKEN": "not ours",
        "NOVOSKY_MODE": "paper",
    }
    assert set(known_secrets(environ, tmp_path / ".env")) == {"from-the-file", "ours"}


def test_log_is_rotated_and_every_line_is_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trading.logger._MAX_BYTES", 2_000)
    log = file_log(tmp_path, "live-a")
    for number in range(200):
        log.info("bar", extra={"fields": {"number": number}})
    close_log(log)
    files = sorted(each.name for each in tmp_path.iterdir())
    assert files == ["live-a.jsonl", *(f"live-a.jsonl.{number}" for number in range(1, 6))]
    for each in tmp_path.iterdir():
        lines = [json.loads(line) for line in each.read_text().splitlines()]
        assert all(line["event"] == "bar" for line in lines)
    assert logging.getLogger("novosky.live-a").handlers == []
