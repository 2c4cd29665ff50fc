"""A real PM2 of the locked version, with a home of its own, gone afterwards."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

VERSION = "7.0.4"
_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Pm2:
    """One PM2 daemon over one home."""

    program: Path
    home: Path

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            ["node", str(self.program), *arguments], env=os.environ | {"PM2_HOME": str(self.home)},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def apps(self) -> dict[str, dict[str, Any]]:
        """Each process's state, by its name."""
        said = self.run("jlist")
        return {each["name"]: each for each in json.loads(said[said.index("[") :])}


def until(look: Callable[[], _Found | None], timeout_s: float = 120.0) -> _Found:
    """The first thing that `look` finds."""
    end_s = time.monotonic() + timeout_s
    while time.monotonic() < end_s:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"nothing came within {timeout_s:.0f} s")


@contextmanager
def running_pm2() -> Iterator[Pm2]:
    """Its home is a short path: a socket lies in it."""
    home = Path(tempfile.mkdtemp(prefix="pm2-"))
    pm2 = Pm2(_program(), home)
    try:
        yield pm2
    finally:
        pm2.run("kill")
        shutil.rmtree(home, ignore_errors=True)


def _program() -> Path:
    """Installed once into the temporary folder. Without npm or the package: skips on a person's
    machine, fails in CI."""
    folder = Path(tempfile.gettempdir()) / f"novosky-pm2-{VERSION}"
    program = folder / "node_modules" / "pm2" / "bin" / "pm2"
    if program.exists():
        return program
    if shutil.which("npm") is None:
        _missing("npm and node are not installed (Debian: nodejs npm)")
    part = Path(tempfile.mkdtemp(prefix="novosky-pm2-"))
    done = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(part), f"pm2@{VERSION}"],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    if done.returncode:
        _missing(f"pm2 {VERSION} cannot be had: {done.stderr.strip()[-300:]}")
    if not folder.exists():
        part.rename(folder)
    return program


def _missing(what: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)
