"""What the daemon tells whoever watches it. Nothing a reporter does changes a decision."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from broker.contract.messages import Deal, Snapshot
from trading.decision.records import Decision, DecisionInput
from trading.execution.dispatch import Sent


@dataclass(frozen=True, slots=True)
class BarReport:
    """One decided bar. `count`: bars decided so far in the whole run; `day_profit`: closed and
    open profit since the local midnight, in the deposit currency."""

    now_ms: int
    count: int
    input: DecisionInput
    margin: float
    decision: Decision
    sent: tuple[Sent, ...]
    deals: tuple[Deal, ...]
    day_profit: float
    decision_ms: float


class Reporter(Protocol):
    """Hears of every bar, beat and trouble."""

    def started(self, text: str) -> None: ...

    def bar(self, report: BarReport) -> None: ...

    def beat(self, snapshot: Snapshot) -> None: ...

    def trouble(self, text: str) -> None:
        """Something is wrong for now, e.g. the bridge is away; an empty text: it is over."""
        ...

    def page(self, text: str) -> None:
        """A person is called, or told that a cause is over."""
        ...

    def note(self, text: str) -> None:
        """Worth a line, and no call: settings that were edited, a stop that waits."""
        ...

    def closed(self) -> None:
        """The bot has ended, by whatever cause: the terminal is given back."""
        ...

    def finished(self, text: str, summary: Mapping[str, Any]) -> None: ...


class Silent:
    """A reporter that says nothing."""

    def started(self, text: str) -> None: ...

    def bar(self, report: BarReport) -> None: ...

    def beat(self, snapshot: Snapshot) -> None: ...

    def trouble(self, text: str) -> None: ...

    def page(self, text: str) -> None: ...

    def note(self, text: str) -> None: ...

    def closed(self) -> None: ...

    def finished(self, text: str, summary: Mapping[str, Any]) -> None: ...


class Relay:
    """Hands everything on to another reporter; whoever derives from it adds something."""

    def __init__(self, view: Reporter) -> None:
        self._view = view

    def started(self, text: str) -> None:
        self._view.started(text)

    def bar(self, report: BarReport) -> None:
        self._view.bar(report)

    def beat(self, snapshot: Snapshot) -> None:
        self._view.beat(snapshot)

    def trouble(self, text: str) -> None:
        self._view.trouble(text)

    def page(self, text: str) -> None:
        self._view.page(text)

    def note(self, text: str) -> None:
        self._view.note(text)

    def closed(self) -> None:
        self._view.closed()

    def finished(self, text: str, summary: Mapping[str, Any]) -> None:
        self._view.finished(text, summary)
