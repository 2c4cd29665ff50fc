"""Plain requests over kept connections: what goes out, and that nothing is followed or kept."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from broker.client.kept_connections import KeptConnections
from tests.patience import PATIENCE_S

TIMEOUT = httpx.Timeout(PATIENCE_S)


@dataclass
class Told:
    """What a server was asked: (path, headers, port of the connection)."""

    url: str
    requests: list[tuple[str, dict[str, str], int]] = field(default_factory=list)


@pytest.fixture
def told() -> Iterator[Told]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            heard.requests.append((self.path, dict(self.headers), self.client_address[1]))
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.send_header("Set-Cookie", "a=b")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        heard = Told(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield heard
        server.shutdown()


def test_requests_share_a_connection_and_follow_and_keep_nothing(told: Told) -> None:
    http = KeptConnections(told.url + "/broker/account/", "secret")
    answers = [
        http.ask("GET", "/symbols/A%2FB/tick", headers={}, timeout=TIMEOUT, params=params)
        for params in (None, {}, {"from": 1})
    ]
    http.close()
    assert [each.status_code for each in answers] == [302] * 3
    assert all(each.content == b"{}" for each in answers)
    path = "/broker/account/symbols/A%2FB/tick"
    assert [path for path, _, _ in told.requests] == [path, path, f"{path}?from=1"]
    assert all("Cookie" not in headers for _, headers, _ in told.requests)
    assert {headers["Authorization"] for _, headers, _ in told.requests} == {"Bearer secret"}
    assert len({port for _, _, port in told.requests}) == 1


def test_user_and_password_of_the_address_are_sent_to_its_proxy(told: Told) -> None:
    http = KeptConnections(told.url.replace("http://", "http://me:pass@"), "")
    http.ask("GET", "/ping", headers={}, timeout=TIMEOUT)
    http.close()
    ((path, headers, _),) = told.requests
    assert (path, headers["Authorization"]) == ("/ping", "Basic bWU6cGFzcw==")


def test_address_that_nobody_listens_at_is_a_connect_error() -> None:
    http = KeptConnections("http://127.0.0.1:9", "")
    with pytest.raises(httpx.ConnectError):
        http.ask("GET", "/ping", headers={}, timeout=TIMEOUT)
    http.close()
