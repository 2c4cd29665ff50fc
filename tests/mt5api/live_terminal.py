"""A live bridge's terminal without a process: the stand-in's answers, hanging when told to."""

from typing import Any

from broker.native import NativeBroker
from market.server_clock import ServerClock
from mt5api.live.link import Login, TerminalLink
from mt5api.live.process import NoAnswer
from tests.broker.stand_in import NOW_MS, StandIn

LOGIN = Login(7, "Demo")


class InProcess:
    """In the place of `TerminalProcess`. `hanging`: functions that give no answer."""

    def __init__(self, mt5: StandIn) -> None:
        self.mt5 = mt5
        self.hanging: set[str] = set()
        self.calls: list[str] = []
        self.logins: list[dict[str, Any]] = []
        self.stops = 0
        self.initialize = lambda: True

    def call(self, name: str, *args: Any, limit_s: float | None = None, **named: Any) -> Any:
        self.calls.append(name)
        if name in self.hanging:
            raise NoAnswer(f"{name}: no answer within 30 s")
        if name == "initialize":
            self.logins.append(named)
            return self.initialize()
        return getattr(self.mt5, name)(*args, **named)

    def stop(self) -> None:
        self.stops += 1


class Linked:
    """A stand-in terminal, its link, a broker over it and the wall clock."""

    def __init__(self) -> None:
        self.mt5 = StandIn()
        self.process = InProcess(self.mt5)
        self.wall_s = 1000.0
        self.link = TerminalLink(self.process, LOGIN, wall_s=lambda: self.wall_s)
        self.broker = NativeBroker(
            self.link, ServerClock("UTC"), now_ms=lambda: NOW_MS, mode="live"
        )
