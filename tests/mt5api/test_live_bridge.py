"""`python -m mt5api --live`, the whole of it but Windows: the package is the simulated one.

Its market runs beside the wall clock, so ticks are fresh and the deals of today are today's.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import pytest

from broker.contract.wire import encode
from mt5api.__main__ import main
from tests.broker.orders import make_order
from tests.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
LOGIN, SERVER = 4242, "Any-Demo"
READ, TRADE, ADMIN = "r" * 16, "t" * 16, "a" * 16

# The package, but it hangs where a file says, as a terminal's answers do at times. Python's
# lock is held meanwhile, as by the real one: nothing else in this process goes on.
HANGING = """
import os, pathlib
from MetaTrader5 import *
from MetaTrader5 import order_send as send, symbol_info_tick as quote

def hang(what):
    file = pathlib.Path(os.environ["HANGS_WHILE"])
    while file.exists() and file.read_text() == what:
        pass

def symbol_info_tick(symbol):
    hang("quotes")
    return quote(symbol)

def order_send(request):
    answer = send(request)
    hang("answers to orders")
    return answer
"""


@dataclass
class Bridge:
    process: subprocess.Popen[bytes]
    http: httpx.Client
    hang: Path

    def health(self) -> Any:
        return self.http.get("/health").json()

    def until_status(self, status: str) -> Any:
        deadline = time.monotonic() + PATIENCE_S
        while (health := self.health())["status"] != status:
            assert time.monotonic() < deadline, health
            time.sleep(0.05)
        return health

    def buy(self, client_id: str, **changes: Any) -> httpx.Response:
        return self.http.post("/orders", content=encode(make_order(client_id, **changes)))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Bridge]]:
    """Starts live bridges over one simulated account, whose state outlives them."""
    started: list[Bridge] = []
    (tmp_path / "hanging.py").write_text(HANGING, encoding="utf-8")
    today = datetime.now(UTC).replace(microsecond=0)
    environment = {
        **os.environ, "MT5API_READ_TOKEN": READ, "MT5API_TOKEN": TRADE, "MT5API_ADMIN_TOKEN": ADMIN,
        "PYTHONPATH": os.pathsep.join(
            (str(ROOT), str(ROOT / "deploy" / "metatrader5-simulated"), str(tmp_path))
        ),
        "NOVOSKY_SIM_FROM": today.isoformat(), "NOVOSKY_SIM_SPEED": "1", "NOVOSKY_SIM_DAYS": "2",
        "NOVOSKY_SIM_STATE": str(tmp_path / "account.sqlite"),
        "HANGS_WHILE": str(tmp_path / "hang"),
    }  # fmt: skip

    def begin(module: str = "MetaTrader5", call_limit_s: float = 30.0) -> Bridge:
        ready = tmp_path / "ready.json"
        ready.unlink(missing_ok=True)
        process = subprocess.Popen(
            [sys.executable, "-c", _DOOR, module, str(call_limit_s), "--live", "--login",
             str(LOGIN), "--server", SERVER, "--server-timezone", "UTC", "--symbol", "BTCUSD",
             "--port", "0", "--ready-file", str(ready), "--state-dir", str(tmp_path / "bridge")],
            cwd=ROOT, env=environment, stderr=subprocess.PIPE,
        )  # fmt: skip
        deadline = time.monotonic() + PATIENCE_S
        while not ready.exists():
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline, "the bridge did not start"
            time.sleep(0.01)
        port = json.loads(ready.read_text())["port"]
        http = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=PATIENCE_S,
            headers={"Authorization": f"Bearer {TRADE}"},
        )  # fmt: skip
        started.append(Bridge(process, http, tmp_path / "hang"))
        return started[-1]

    yield begin
    (tmp_path / "hang").unlink(missing_ok=True)
    for each in started:
        each.http.close()
        each.process.kill()
        with each.process:
            pass


# The door itself, with another module in the package's place and a shorter time limit.
_DOOR = """
import sys
from dataclasses import replace
from mt5api import __main__ as door
from mt5api.live import bridge

if __name__ == "__main__":
    module, limit_s = sys.argv[1], float(sys.argv[2])
    opened = bridge.open_live
    bridge.open_live = lambda spec: opened(replace(spec, module=module, call_limit_s=limit_s))
    sys.exit(door.main(sys.argv[3:]))
"""


def test_live_bridge_trades_is_killed_and_replays_from_disk(start: Callable[..., Bridge]) -> None:
    first = start()
    health = first.until_status("ok")
    assert (health["login"], health["server"], health["mode"]) == (LOGIN, SERVER, "live")
    assert health["market"][0]["symbol"] == "BTCUSD"
    bought = first.buy("a-1", sl=1.0)
    assert bought.status_code == 201, bought.text
    first.process.send_signal(signal.SIGKILL)
    first.process.wait(PATIENCE_S)

    second = start()
    again = second.until_status("ok")
    assert again["boot_id"] != health["boot_id"]
    replayed = second.buy("a-1", sl=1.0)
    assert (replayed.status_code, replayed.content) == (201, bought.content)
    assert replayed.headers["idempotent-replayed"] == "true"
    assert second.buy("a-1", sl=2.0).status_code == 422
    assert len(second.http.get("/positions").json()["items"]) == 1
    closed = second.http.delete(f"/positions/{bought.json()['position']}")
    assert closed.status_code == 201
    wrong = {"login": LOGIN + 1, "server": SERVER}
    body = json.loads(encode(make_order("a-2"))) | {"expect": wrong}
    assert second.http.post("/orders", json=body).status_code == 403
    assert second.http.get("/terminal").json()["broker_utc_offset_seconds"] == 0
    _scopes_open_what_they_should(second.http)


def _scopes_open_what_they_should(http: httpx.Client) -> None:
    def status(method: str, path: str, token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return http.request(method, path, headers=headers, content=b"{}").status_code

    assert status("GET", "/account", READ) == 200
    assert status("POST", "/orders", READ) == 403
    assert status("POST", "/orders", ADMIN) == 403
    assert status("POST", "/terminal/restart", TRADE) == 403
    assert status("POST", "/terminal/shutdown", ADMIN) == 200
    assert status("GET", "/account", READ) == 503
    assert status("POST", "/terminal/init", ADMIN) == 200
    assert status("GET", "/account", READ) == 200
    assert status("GET", "/account", "x" * 16) == 401
    assert status("GET", "/_paper/clock", TRADE) == 404


def test_health_answers_at_once_and_is_down_while_the_terminal_hangs(
    start: Callable[..., Bridge],
) -> None:
    """Answers that waited for the terminal would all take seconds; one does on a busy machine."""
    bridge = start("hanging", call_limit_s=4.0)
    bridge.until_status("ok")
    bridge.hang.write_text("quotes")
    took_s = []
    until_s = time.monotonic() + 3.5
    while time.monotonic() < until_s:
        asked_s = time.monotonic()
        bridge.health()
        took_s.append(time.monotonic() - asked_s)
        time.sleep(0.02)
    bridge.until_status("down")
    assert median(took_s) < 0.5
    assert bridge.http.get("/symbols/BTCUSD/tick").status_code == 504
    bridge.hang.unlink()
    bridge.until_status("ok")
    assert bridge.http.get("/symbols/BTCUSD/tick").status_code == 200


def test_bridge_killed_between_fill_and_answer_never_sends_that_order_again(
    start: Callable[..., Bridge],
) -> None:
    first = start("hanging")
    first.until_status("ok")
    first.hang.write_text("answers to orders")
    with ThreadPoolExecutor(1) as sending:
        lost = sending.submit(first.buy, "a-1")
        first.until_status("down")
        second_try = first.buy("a-1")
        first.process.kill()
        assert isinstance(lost.exception(PATIENCE_S), httpx.TransportError)
    assert (second_try.status_code, second_try.headers["retry-after"]) == (409, "1")
    first.hang.unlink()

    again = start("hanging")
    again.until_status("ok")
    found = again.buy("a-1")
    assert (found.status_code, found.headers["idempotent-replayed"]) == (201, "true")
    assert found.json()["outcome"] == "filled"
    assert len(again.http.get("/positions").json()["items"]) == 1
    assert again.http.get("/intents/a-1").json()["state"] == "filled"


NAMED = ("--live", "--login", "1", "--server", "S", "--symbol", "BTCUSD", "--port", "0")
ACCOUNT = (*NAMED, "--server-timezone", "UTC")


@pytest.mark.parametrize(
    ("arguments", "token", "says"),
    [
        (ACCOUNT, "", "MT5API_TOKEN"),
        (ACCOUNT, "short", "16 characters"),
        ((*ACCOUNT, "--host", "0.0.0.0"), TRADE, "--allow-remote"),
        (("--live", "--port", "0", "--symbol", "BTCUSD"), TRADE, "--login"),
        (NAMED, TRADE, "--server-timezone"),
        ((*NAMED, "--server-timezone", "Mars/Olympus"), TRADE, "Mars/Olympus"),
        (ACCOUNT, TRADE, "requirements-bridge.txt"),
        ((*ACCOUNT, "--token-file", "missing.json"), TRADE, "missing.json"),
    ],
)
def test_live_bridge_that_would_be_unsafe_does_not_start(
    arguments: tuple[str, ...], token: str, says: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setenv("MT5API_TOKEN", token)
    assert main([*arguments, "--state-dir", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
