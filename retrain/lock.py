"""One run at a time: of the weekly pipeline on this machine, of walk-forward in its folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from retrain.errors import ActFirst


@contextmanager
def held(path: Path, what: str = "a weekly run") -> Iterator[None]:
    """Holds the lock file while inside; it dies with its process. `ActFirst` if another has it:
    `what` is under way."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise ActFirst(
                f"{path}: {what} is under way (process {lock.read().strip() or 'unknown'}); "
                "wait for its end, or stop that process"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield
