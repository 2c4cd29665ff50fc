"""`python -m mt5api --paper`: starting, stopping, being killed, going on."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from broker.client.paper_control import PaperControl
from broker.client.rest import RestBroker
from broker.contract.constants import OrderType
from mt5api.__main__ import TOKEN_VARIABLE, main
from mt5api.paper import open_paper, read_spec
from tests.broker.orders import make_order
from tests.patience import PATIENCE_S

DAY_MS = 86_400_000
FROM_MS = 1_735_689_600_000
START_MS = FROM_MS + 2 * DAY_MS
ROOT = Path(__file__).resolve().parents[2]


def write_spec(folder: Path, **changes: Any) -> Path:
    """A spec on six generated days, two of them history."""
    spec = {
        "market": {"kind": "generated", "seed": 3, "from_ms": FROM_MS,
                   "to_ms": FROM_MS + 6 * DAY_MS},
        "symbol": "BTCUSD", "start_ms": START_MS, "state_dir": str(folder / "state"),
    }  # fmt: skip
    path = folder / "spec.json"
    path.write_text(json.dumps(spec | changes), encoding="utf-8")
    return path


@dataclass
class Started:
    """A bridge process and a client of it."""

    process: subprocess.Popen[str]
    client: RestBroker

    def ended(self) -> tuple[int, str]:
        """Exit code and what it said."""
        _, said = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, said


@pytest.fixture
def start(tmp_path: Path, connect: Callable[..., RestBroker]) -> Iterator[Callable[..., Started]]:
    started: list[subprocess.Popen[str]] = []

    def begin(token: str = "") -> Started:
        ready = tmp_path / "ready.json"
        ready.unlink(missing_ok=True)
        process = subprocess.Popen(
            [sys.executable, "-m", "mt5api", "--paper", str(write_spec(tmp_path)), "--port", "0",
             "--ready-file", str(ready), "--exit-with-parent"],
            cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, TOKEN_VARIABLE: token},
        )  # fmt: skip
        started.append(process)
        port = _port_of(process, ready)
        return Started(process, connect(f"http://127.0.0.1:{port}", token))

    yield begin
    for each in started:
        each.kill()
        with each:
            pass


def _port_of(process: subprocess.Popen[str], ready: Path) -> int:
    deadline = time.monotonic() + PATIENCE_S
    while not ready.exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "the bridge did not start"
        time.sleep(0.01)
    return int(json.loads(ready.read_text())["port"])


def test_killed_bridge_goes_on_with_its_ledger_and_its_clock(start: Callable[..., Started]) -> None:
    first = start()
    client = first.client
    PaperControl(client.connection).wait_until(START_MS + DAY_MS)
    kept = client.send(make_order("e-1"))
    first.process.kill()
    first.ended()

    client = start().client
    assert PaperControl(client.connection).clock().now_msc == START_MS + DAY_MS
    assert [each.identifier for each in client.positions()] == [kept.position]
    report = client.intent("e-1")
    assert (report.state, report.position) == ("filled", kept.position)
    assert client.send(make_order("e-1")).deal == kept.deal
    assert len(client.positions()) == 1
    close = make_order("c-1", type=OrderType.SELL, position=kept.position)
    assert client.send(close).outcome == "filled"


def test_killed_bridge_does_not_turn_its_clock_back_to_the_last_save(
    start: Callable[..., Started],
) -> None:
    first = start()
    kept = first.client.send(make_order("e-1", sl=1.0))
    PaperControl(first.client.connection).wait_until(START_MS + DAY_MS)
    before = first.client.account()
    first.process.kill()
    first.ended()

    client = start().client
    assert PaperControl(client.connection).clock().now_msc == START_MS + DAY_MS
    assert client.account() == before
    assert client.intent("e-1").position == kept.position


def test_bridge_ends_with_its_parent_and_saves_its_clock(start: Callable[..., Started]) -> None:
    first = start(token="secret")
    client = first.client
    PaperControl(client.connection).wait_until(START_MS + DAY_MS)
    assert first.process.stdin is not None
    first.process.stdin.close()
    assert first.process.wait(PATIENCE_S) == 0
    again = start(token="secret").client
    assert PaperControl(again.connection).clock().now_msc == START_MS + DAY_MS


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_is_a_clean_stop(start: Callable[..., Started], number: signal.Signals) -> None:
    bridge = start()
    bridge.client.account()
    bridge.process.send_signal(number)
    assert bridge.ended() == (0, "")


def refusal(spec: Path, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    """The one line with which the bridge does not start."""
    assert main(["--paper", str(spec), "--port", "0", *more]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    return said


def test_state_of_another_run_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bridge = open_paper(read_spec(write_spec(tmp_path)))
    bridge.save()
    bridge.terminal.close()
    other = write_spec(tmp_path, start_ms=START_MS + DAY_MS)
    assert "another state folder" in refusal(other, capsys)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"speed": 0}, "speed"),
        ({"sped": 1}, "sped"),
        ({"symbol": "DOGE"}, "symbol"),
        ({"start_ms": FROM_MS - 1}, "start_ms"),
        ({"market": {"kind": "file", "path": "missing.parquet"}}, "missing.parquet"),
        ({"market": {"kind": "tape"}}, "market"),
    ],
)
def test_spec_that_cannot_be_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], says: str
) -> None:
    assert says in refusal(write_spec(tmp_path, **changes), capsys)
    assert not (tmp_path / "state").exists()


def test_spec_that_is_not_there_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "nothing.json" in refusal(tmp_path / "nothing.json", capsys)


def test_port_in_use_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refusal(write_spec(tmp_path), capsys, "--port", str(port))
    assert f"127.0.0.1:{port}" in said
    assert "choose another --port" in said


def test_bridge_for_other_hosts_needs_a_token(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    assert TOKEN_VARIABLE in refusal(write_spec(tmp_path), capsys, "--host", "0.0.0.0")
