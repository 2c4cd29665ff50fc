"""The pulse: a file in every cycle, a URL beside it that delays nobody."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.operations.conftest import Operated
from tests.patience import PATIENCE_S
from tests.trading.doubles import AWAY
from trading.heartbeat import FILE, Beat, Heartbeat, HeartbeatSettings, UrlPulse
from trading.pager import NoPager

Operate = Callable[..., Operated]


class Receiver(ThreadingHTTPServer):
    """Keeps what it is sent; `hold` makes it answer late."""

    def __init__(self) -> None:
        self.bodies: list[tuple[str, bytes]] = []
        self.answered = 0
        self.arrived = threading.Event()
        self.hold = threading.Event()
        self.hold.set()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/ping/abcdef"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.bodies.append((self.command, body))
        self.server.arrived.set()
        self.server.hold.wait(60)
        self.server.answered += 1
        self.send_response(204)
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.hold.set()
    server.shutdown()
    server.server_close()
    thread.join()


def test_every_cycle_writes_time_cycle_bar_and_positions(operated: Operate) -> None:
    daemon = operated(bars=12)
    seen: list[Beat | None] = []
    for number in range(1, 12):
        daemon.at_bar(number, lambda: seen.append(Beat.read(daemon.state.path)))
    daemon.run()
    beats = [each for each in seen if each is not None]
    assert len(beats) == 11
    assert [each.cycle for each in beats] == sorted({each.cycle for each in beats})
    opens = [line["market"]["open_ms"] for line in daemon.lines]
    assert [each.bar_open_ms for each in beats[1:]] == opens[: len(beats) - 1]
    last = Beat.read(daemon.state.path)
    assert last is not None
    assert (last.pid, last.phase, last.failing_since_ms) == (os.getpid(), "running", 0)
    words = json.loads((daemon.state.path / FILE).read_text())
    assert words["time"].endswith("+00:00")


def test_failing_cycles_still_beat_and_say_since_when(tmp_path: Path) -> None:
    clock = {"ms": 1_000}
    heart = Heartbeat(tmp_path, NoPager(), wall_ms=lambda: clock["ms"])
    heart.cycle(broker_ms=900, bar_open_ms=800, positions=2, failed=False)
    for at_ms in (2_000, 3_000):
        clock["ms"] = at_ms
        heart.cycle(broker_ms=0, bar_open_ms=0, positions=0, failed=True)
    beat = Beat.read(tmp_path)
    assert beat is not None
    assert (beat.failing_since_ms, beat.bar_open_ms, beat.positions) == (2_000, 800, 2)
    assert (beat.cycle, beat.written_ms) == (3, 3_000)
    heart.cycle(broker_ms=4_000, bar_open_ms=3_900, positions=0, failed=False)
    assert Beat.read(tmp_path).failing_since_ms == 0  # type: ignore[union-attr]


def test_beat_within_a_wait_is_new_and_says_what_the_last_one_said(tmp_path: Path) -> None:
    clock = {"ms": 1_000}
    heart = Heartbeat(tmp_path, NoPager(), wall_ms=lambda: clock["ms"], shadow=True)
    heart.cycle(broker_ms=900, bar_open_ms=800, positions=2, failed=True)
    before = Beat.read(tmp_path)
    clock["ms"] = 61_000
    heart.waits()
    assert before is not None
    assert Beat.read(tmp_path) == replace(before, written_ms=61_000)
    assert before.shadow
    assert before.failing_since_ms == 1_000


def test_three_failed_cycles_pause_entries_call_a_person_and_beat_on(operated: Operate) -> None:
    daemon = operated(bars=10)
    look = daemon.bot._parts.observer.look
    failures = [AWAY, AWAY, AWAY]

    def fail(now_ms: int, *, at_close: bool) -> Any:
        if len(daemon.lines) >= 4 and failures:
            raise failures.pop()
        return look(now_ms, at_close=at_close)

    daemon.bot._parts.observer.look = fail  # type: ignore[method-assign]
    daemon.run()
    assert len(daemon.events("entries_paused")) == 1
    assert len(daemon.events("entries_resumed")) == 1
    assert any("3 cycles failed, entries are paused" in each for each in daemon.reporter.pages)
    assert len(daemon.lines) == 10


def test_last_word_says_how_it_ended(tmp_path: Path) -> None:
    heart = Heartbeat(tmp_path, NoPager())
    heart.over("stopped at noon")
    ended = Beat.read(tmp_path)
    assert ended is not None
    assert (ended.phase, ended.text) == ("ended", "stopped at noon")
    heart.over("JournalError: disk full", failed=True)
    failed = Beat.read(tmp_path)
    assert failed is not None
    assert (failed.phase, failed.text) == ("failed", "JournalError: disk full")


def test_file_that_cannot_be_written_is_paged_once_and_stops_nothing(tmp_path: Path) -> None:
    pages: list[str] = []

    class Pages(NoPager):
        def page(self, text: str, *, key: str) -> None:
            pages.append(key)

    gone = tmp_path / "state"
    gone.mkdir()
    heart = Heartbeat(gone, Pages())
    (gone / FILE).unlink()
    gone.rmdir()
    heart.cycle(broker_ms=1, bar_open_ms=1, positions=0, failed=False)
    assert pages == ["heartbeat"]


def test_url_is_sent_the_state_by_post(receiver: Receiver, tmp_path: Path) -> None:
    pulse = UrlPulse(receiver.url, HeartbeatSettings(every_s=5.0))
    heart = Heartbeat(tmp_path, NoPager(), url=pulse)
    heart.cycle(broker_ms=9, bar_open_ms=8, positions=1, failed=False)
    assert receiver.arrived.wait(PATIENCE_S)
    heart.over("done")
    method, body = receiver.bodies[0]
    assert method == "POST"
    assert json.loads(body)["positions"] == 1


def test_url_may_be_called_by_get(receiver: Receiver, tmp_path: Path) -> None:
    pulse = UrlPulse(receiver.url, HeartbeatSettings(method="GET"))
    heart = Heartbeat(tmp_path, NoPager(), url=pulse)
    heart.cycle(broker_ms=9, bar_open_ms=8, positions=1, failed=False)
    assert receiver.arrived.wait(PATIENCE_S)
    heart.over("done")
    assert receiver.bodies[0] == ("GET", b"")


def test_failed_cycles_call_nobody(receiver: Receiver, tmp_path: Path) -> None:
    pulse = UrlPulse(receiver.url, HeartbeatSettings())
    heart = Heartbeat(tmp_path, NoPager(), url=pulse)
    heart.cycle(broker_ms=9, bar_open_ms=8, positions=1, failed=True)
    heart.over("done")
    assert receiver.bodies == []


def test_slow_receiver_delays_no_cycle(receiver: Receiver, operated: Operate) -> None:
    receiver.hold.clear()
    daemon = operated(bars=6, pulse=UrlPulse(receiver.url, HeartbeatSettings()))
    daemon.run()
    assert receiver.arrived.wait(PATIENCE_S)
    assert (len(daemon.lines), receiver.answered) == (6, 0)
    receiver.hold.set()
    assert daemon.bot.heartbeat is not None
    daemon.bot.heartbeat.over("done")
