"""A server that answers with exactly the bytes it was given, one connection per answer."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.patience import PATIENCE_S

RESET = b"<reset>"


@dataclass
class RudeServer:
    """`answers` are given in turn, the last one again and again; `requests` are what came."""

    answers: Sequence[bytes]
    requests: list[bytes] = field(default_factory=list)
    url: str = ""


def http(
    body: bytes, *, status: int = 200, kind: str = "application/json", length: int | None = None
) -> bytes:
    """An HTTP answer. `length` may lie about the body."""
    size = len(body) if length is None else length
    head = f"HTTP/1.1 {status} Said\r\nContent-Length: {size}\r\nConnection: close\r\n"
    return head.encode() + (f"Content-Type: {kind}\r\n" if kind else "").encode() + b"\r\n" + body


@contextmanager
def rude(*answers: bytes) -> Iterator[RudeServer]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = RudeServer(answers, url=f"http://127.0.0.1:{listener.getsockname()[1]}")
    thread = threading.Thread(target=_serve, args=(listener, server))
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(PATIENCE_S)


def _serve(listener: socket.socket, server: RudeServer) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            server.requests.append(_whole_request(connection))
            turn = min(len(server.requests), len(server.answers)) - 1
            if server.answers[turn] != RESET:
                connection.sendall(server.answers[turn])


def _whole_request(connection: socket.socket) -> bytes:
    came = b""
    while b"\r\n\r\n" not in came:
        came += connection.recv(65536)
    head, _, body = came.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            while len(body) < int(line.split(b":")[1]):
                body += connection.recv(65536)
    return head + b"\r\n\r\n" + body
