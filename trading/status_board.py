"""What the daemon last knew, for everybody who asks: commands, doctor, dashboard.

The loop replaces one immutable record after each cycle; a reader takes the record as it is. There
is no lock, and nobody who reads can delay the loop or touch the broker.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from broker.contract.messages import Account, Position, Snapshot
from trading.decision.records import Decision, DecisionInput
from trading.decision.settings import DecisionSettings
from trading.releases import NO_CALENDAR, CalendarSource, KnownCalendar
from trading.report import BarReport, Relay, Reporter


@dataclass(frozen=True, slots=True)
class Status:
    """`phase`: starting, trading, ended. `looked_ms`: the broker's time of the last look, 0 before
    the first. `account`, `positions` (own ones): what that look showed. `input`, `decision`: of the
    bar that was decided last; None before the first. `day_profit`: closed and open profit since the
    local midnight, as of the last decided bar. `halts`: why nothing may be opened now, pause and
    health alike. `trouble`: why the last cycle failed, or an empty text. `decided`: bars decided in
    the whole run. `settings`: the rules in force. `models`: SHA-256 of each graph that serves, by
    kind. `calendar`: scheduled releases as known at the last decided bar.
    """

    symbol: str = ""
    digits: int = 2
    phase: str = "starting"
    looked_ms: int = 0
    account: Account | None = None
    positions: tuple[Position, ...] = ()
    input: DecisionInput | None = None
    decision: Decision | None = None
    margin: float = 0.0
    decided: int = 0
    decision_ms: float = 0.0
    day_profit: float = 0.0
    halts: tuple[str, ...] = ()
    trouble: str = ""
    settings: DecisionSettings | None = None
    models: Mapping[str, str] = field(default_factory=dict)
    calendar: KnownCalendar | None = None


class StatusBoard:
    """`now` is the newest record. Only the loop's thread writes."""

    def __init__(self, first: Status | None = None) -> None:
        self.now = first or Status()

    def change(self, **values: Any) -> None:
        """A record with these values changed takes the place of the present one."""
        self.now = replace(self.now, **values)

    def saw(self, snapshot: Snapshot, halts: tuple[str, ...]) -> None:
        """What a look showed: own positions, and why nothing may be opened."""
        self.change(
            looked_ms=snapshot.as_of_msc, account=snapshot.account,
            positions=snapshot.positions, halts=halts,
        )  # fmt: skip


class BoardReporter(Relay):
    """Keeps the board's word on bars, trouble and the end."""

    def __init__(
        self, board: StatusBoard, view: Reporter, calendar: CalendarSource = NO_CALENDAR
    ) -> None:
        super().__init__(view)
        self._board = board
        self._calendar = calendar

    def bar(self, report: BarReport) -> None:
        self._board.change(
            phase="trading", input=report.input, decision=report.decision, margin=report.margin,
            decided=report.count, decision_ms=report.decision_ms, day_profit=report.day_profit,
            calendar=self._calendar.at(report.now_ms),
        )  # fmt: skip
        super().bar(report)

    def trouble(self, text: str) -> None:
        self._board.change(trouble=text)
        super().trouble(text)

    def closed(self) -> None:
        self._board.change(phase="ended")
        super().closed()
