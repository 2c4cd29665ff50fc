"""The process the package runs in, as its parent sees it."""

from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from mt5api.live.frames import pack, unpack
from mt5api.live.host import serve

CALL_LIMIT_S = 30.0
_GONE_S = 5.0


class NoAnswer(Exception):
    """A call of the package that was begun and not answered. What it did is not known."""


class TerminalProcess:
    """Calls functions of the module in a child process, and gives up on those that hang.

    A child that hung or died is replaced at the next call. Not thread-safe: one call at a time.
    """

    def __init__(self, module: str = "MetaTrader5", *, limit_s: float = CALL_LIMIT_S) -> None:
        self._module = module
        self._limit_s = limit_s
        self._child: SpawnProcess | None = None
        self._pipe: Connection | None = None

    def call(self, name: str, *args: Any, limit_s: float | None = None, **named: Any) -> Any:
        """The function's answer; `NoAnswer` after the limit, or where the child died of it."""
        limit_s = self._limit_s if limit_s is None else limit_s
        pipe = self._pipe or self._start()
        try:
            pipe.send_bytes(pack((name, args, named)))
            if pipe.poll(limit_s):
                return unpack(pipe.recv_bytes())
        except (EOFError, OSError):
            self.stop()
            raise NoAnswer(f"{name}: the terminal's process died") from None
        self.stop()
        raise NoAnswer(f"{name}: no answer within {limit_s:g} s")

    def stop(self) -> None:
        """Ends the child, whatever it does just now."""
        if self._pipe:
            self._pipe.close()
        if self._child:
            self._child.kill()
            self._child.join(_GONE_S)
        self._pipe = self._child = None

    def _start(self) -> Connection:
        spawning = get_context("spawn")
        ours, theirs = spawning.Pipe()
        self._child = spawning.Process(
            target=serve, args=(theirs, self._module), name="mt5-terminal", daemon=True
        )
        self._child.start()
        theirs.close()
        self._pipe = ours
        return ours
