"""The simulated instant, kept at every move of the clock: cheaper than the terminal's snapshot.

It outlives a killed process. After a power cut it may be older than the last move, never wrong.
"""

import os
from pathlib import Path

_BYTES = 8


class ClockFile:
    """One instant in epoch ms UTC."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> int:
        """The last instant written; 0 where there is none."""
        if not self._path.exists():
            return 0
        return int.from_bytes(self._path.read_bytes()[:_BYTES], "big")

    def write(self, instant_ms: int) -> None:
        """In place and in one piece: a process that is killed leaves this instant or the last."""
        target = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.pwrite(target, instant_ms.to_bytes(_BYTES, "big"), 0)
        finally:
            os.close(target)
