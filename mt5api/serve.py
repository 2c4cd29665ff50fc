"""Serving an application until a signal or, if asked, until the parent process is gone."""

import json
import os
import socket
import sys
import threading
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

_KEEP_ALIVE_S = 75  # longer than the client's, which then never meets a closing connection
_LAST_REQUESTS_S = 2


class PortInUse(OSError):
    """Somebody listens there already. Says what to do."""


class Bridge(uvicorn.Server):
    """A uvicorn server that tells its port once it listens."""

    def __init__(self, app: ASGIApp, listener: socket.socket, ready_file: Path | None) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                ws="none",
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=_LAST_REQUESTS_S,
            )
        )
        self.port: int = listener.getsockname()[1]
        self.listener = listener
        self._ready_file = ready_file

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self._ready_file and self.started:
            _write_whole(self._ready_file, {"port": self.port, "pid": os.getpid()})

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGINT and SIGTERM: one clean stop. A second one does not skip the last save."""
        self.should_exit = True

    def serve_until_stopped(self) -> None:
        """Serves; returns after the answers under way and the application's shutdown."""
        self.run(sockets=[self.listener])


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. `PortInUse` where the port is taken."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise PortInUse(
            f"cannot listen on {host}:{port} ({error.strerror}); stop what listens there or "
            "choose another --port (0 takes a free one)"
        ) from None
    # Inherited by every connection. asyncio sets it only on sockets made with IPPROTO_TCP, and
    # without it each answer waits 40 ms for the client's delayed acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def stop_with_parent(server: uvicorn.Server) -> None:
    """Ends the server when standard input closes, as it does when the parent dies."""

    def watch() -> None:
        while sys.stdin.buffer.read(1024):
            pass
        server.should_exit = True

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def _write_whole(path: Path, content: dict[str, int]) -> None:
    """Whoever waits for the file never sees half of it."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(content), encoding="ascii")
    part.replace(path)
