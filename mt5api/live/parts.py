"""What a live bridge has and a paper bridge has not."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from broker.contract.messages import Health
from mt5api.limits import RateLimit
from mt5api.live.calls import QueuedCalls


class Control(Protocol):
    """Connects, disconnects and restarts; True where the terminal is connected afterwards as
    asked."""

    def connect(self) -> bool: ...

    def disconnect(self) -> bool: ...

    def restart(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class LiveParts:
    """`health` answers at once; `running` holds while the application serves."""

    calls: QueuedCalls
    health: Callable[[], Health]
    control: Control
    running: Callable[[], AbstractAsyncContextManager[None]]
    opening_limit: RateLimit | None = None
