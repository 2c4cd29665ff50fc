"""A real PostgreSQL for a test: its own data folder and port, gone afterwards.

Needs Debian's `postgresql` and root (the server refuses to run as root, so it runs as `postgres`).
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.ports import free_ports


@dataclass(frozen=True)
class PostgresServer:
    """One server over one data folder; it can be stopped, killed and started again."""

    bins: Path
    folder: Path
    port: int

    @property
    def url(self) -> str:
        """The URL of its database, empty at first."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def prepare(self) -> None:
        for name in ("data", "run"):
            subprocess.run(
                ["install", "-d", "-o", "postgres", "-g", "postgres", self.folder / name],
                check=True,
            )
        _as_postgres(
            self.bins / "initdb", "-D", self.folder / "data", "-A", "trust", "-U", "postgres",
            "--encoding=UTF8", "--locale=C.UTF-8",
        )  # fmt: skip

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off "
        options += f"-c unix_socket_directories={self.folder / 'run'}"
        self._control("-l", self.folder / "run" / "log", "-o", options, "start")

    def kill(self) -> None:
        """Every connection is cut and nothing is written; the next start recovers from its log."""
        self._control("-m", "immediate", "stop")

    def _control(self, *words: object) -> None:
        _as_postgres(self.bins / "pg_ctl", "-D", self.folder / "data", "-w", *words)


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A running server. Skips where there is no PostgreSQL; in CI that is a failure."""
    bins = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not bins or os.geteuid() != 0:
        why = "PostgreSQL (Debian's package, started by root) is not on this machine"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    folder = Path(tempfile.mkdtemp(prefix="novosky-postgres-"))
    folder.chmod(0o755)
    server = PostgresServer(bins[-1], folder, free_ports(1)[0])
    try:
        server.prepare()
        server.start()
        try:
            yield server
        finally:
            server.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def postgres_url() -> Iterator[str]:
    """The URL of an empty database of a server of its own."""
    with postgres_server() as server:
        yield server.url


def _as_postgres(*command: object) -> None:
    subprocess.run(
        ["runuser", "-u", "postgres", "--", *map(str, command)],
        check=True, stdout=subprocess.DEVNULL, cwd="/",
    )  # fmt: skip
