"""A real PostgreSQL for a test: its own data folder and port, gone afterwards.

Needs Debian's `postgresql` and root (the server refuses to run as root, so it runs as `postgres`).
"""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def postgres_url() -> Iterator[str]:
    """The URL of an empty database. Skips where there is no PostgreSQL; in CI that is a failure."""
    bins = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not bins or os.geteuid() != 0:
        why = "PostgreSQL (Debian's package, started by root) is not on this machine"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    folder = Path(tempfile.mkdtemp(prefix="novosky-postgres-"))
    folder.chmod(0o755)
    try:
        for name in ("data", "run"):
            subprocess.run(
                ["install", "-d", "-o", "postgres", "-g", "postgres", folder / name], check=True
            )
        port = _free_port()
        _as_postgres(bins[-1] / "initdb", "-D", folder / "data", "-A", "trust", "-U", "postgres",
                     "--encoding=UTF8", "--locale=C.UTF-8")  # fmt: skip
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c fsync=off "
        options += f"-c unix_socket_directories={folder / 'run'}"
        control = (bins[-1] / "pg_ctl", "-D", folder / "data", "-w")
        _as_postgres(*control, "-l", folder / "run" / "log", "-o", options, "start")
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            _as_postgres(*control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _as_postgres(*command: object) -> None:
    subprocess.run(
        ["runuser", "-u", "postgres", "--", *map(str, command)],
        check=True, stdout=subprocess.DEVNULL, cwd="/",
    )  # fmt: skip


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
