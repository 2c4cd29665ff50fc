"""A daemon's state folder: journal, bars and, on paper, the terminal. One process at a time."""

import fcntl
import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import IO

from trading.errors import AlreadyRunning

# What a folder is named after where no --account was given.
LIVE_ACCOUNT = "default"
PAPER_ACCOUNT = "demo"
_LOCK = "daemon.lock"


class StateFolder:
    """Holds the folder's lock while open (a context manager). The lock dies with its process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: IO[str] | None = None

    @property
    def journal(self) -> Path:
        return self.path / "journal.sqlite"

    @property
    def bars(self) -> Path:
        return self.path / "bars.sqlite"

    @property
    def terminal(self) -> Path:
        return self.path / "terminal"

    def __enter__(self) -> "StateFolder":
        """Raises `AlreadyRunning` if another process holds the lock."""
        self.path.mkdir(parents=True, exist_ok=True)
        lock = (self.path / _LOCK).open("a+", encoding="ascii")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            pid = lock.read().strip() or "unknown"
            lock.close()
            raise AlreadyRunning(
                f"{self.path}: a daemon is running here already (process {pid}); stop it, or use "
                "another --account"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        self._lock = lock
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        if self._lock:
            self._lock.close()

    @staticmethod
    def is_held(path: Path) -> bool:
        """Whether a daemon runs in this folder now."""
        try:
            with (path / _LOCK).open("r+", encoding="ascii") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    @staticmethod
    def holder(path: Path) -> int:
        """The process that said it holds the lock; 0 where none did."""
        words = (path / _LOCK).read_text(encoding="ascii").strip()
        return int(words) if words.isdecimal() else 0

    def clear(self) -> None:
        """Removes everything but the lock: the next run starts anew."""
        for each in self.path.iterdir():
            if each.name == _LOCK:
                continue
            if each.is_dir():
                shutil.rmtree(each)
            else:
                each.unlink()
