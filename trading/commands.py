"""What a person, or a thread beside the loop, has to say to the loop: commands and notices.

Threads put; the loop alone takes, writes down and acts. Nothing here touches journal or broker.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

CommandKind = Literal["pause", "resume", "close", "closeall", "reload", "swap_model"]
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Command:
    """What is asked for. `argument`: the position of a close, the tag of a swap; else empty.

    `source`: who asks, e.g. `telegram`. `received_ms`: by the host's clock; only ever shown.
    """

    kind: CommandKind
    argument: str
    source: str
    received_ms: int


@dataclass(frozen=True, slots=True)
class Notice:
    """What a thread wants a person to be called for. `over`: the cause is gone."""

    key: str
    text: str
    over: bool = False


class CommandQueue:
    """Commands and notices on their way to the loop, in the order of their coming. Thread-safe:
    a deque's append and popleft are atomic."""

    def __init__(self) -> None:
        self._commands: deque[Command] = deque()
        self._notices: deque[Notice] = deque()
        self._wake: Callable[[], None] = lambda: None

    def put(self, command: Command) -> None:
        self._commands.append(command)
        self._wake()

    def notify(self, notice: Notice) -> None:
        self._notices.append(notice)

    def drain(self) -> tuple[Command, ...]:
        """What has come since the last call; empty most of the time, and cheap then."""
        return _drained(self._commands) if self._commands else ()

    def notices(self) -> tuple[Notice, ...]:
        """As `drain`, for notices."""
        return _drained(self._notices) if self._notices else ()

    def on_put(self, wake: Callable[[], None]) -> None:
        """`wake` is called, in the putting thread, with every command from now on."""
        self._wake = wake


def _drained(waiting: deque[_Item]) -> tuple[_Item, ...]:
    taken: list[_Item] = []
    while waiting:
        taken.append(waiting.popleft())
    return tuple(taken)
