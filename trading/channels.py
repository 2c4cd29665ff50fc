"""What connects the loop with people: queue in, board, outbox out, and the threads on it."""

from dataclasses import dataclass, field
from typing import Protocol

from trading.commands import CommandQueue
from trading.status_board import StatusBoard


class Channel(Protocol):
    """A thread beside the loop. It reads the outbox, and has its own mark in it."""

    def start(self) -> None: ...

    def stop(self) -> None:
        """Sends what is waiting, for a few seconds at most, and ends."""
        ...


@dataclass(slots=True, eq=False)
class Channels:
    """`threads` is empty where nothing leaves: then the outbox stays empty, too."""

    queue: CommandQueue = field(default_factory=CommandQueue)
    board: StatusBoard = field(default_factory=StatusBoard)
    threads: tuple[Channel, ...] = ()

    def start(self) -> None:
        for each in self.threads:
            each.start()

    def stop(self) -> None:
        for each in self.threads:
            each.stop()
