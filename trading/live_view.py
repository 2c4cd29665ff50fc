"""The daemon's face in a terminal: a live page, or one line a bar where there is no terminal."""

import time
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from broker.contract.messages import Snapshot
from trading.decision.records import Denial
from trading.report import BarReport
from trading.view_parts import (
    account_line,
    bar_line,
    deal_text,
    healthy,
    is_trade,
    market_table,
    positions_table,
    refusal_table,
    sent_text,
    summary_table,
)

_REFRESH_S = 0.12
_KEPT_EVENTS = 6


class LineView:
    """One line a bar. For logs, pipes and `--quiet` (then only start, trouble and the end)."""

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self._console = console
        self._quiet = quiet
        self._trouble = ""

    def started(self, text: str) -> None:
        self._print(text)

    def bar(self, report: BarReport) -> None:
        if not self._quiet:
            self._print(bar_line(report))

    def beat(self, snapshot: Snapshot) -> None: ...

    def trouble(self, text: str) -> None:
        if text != self._trouble:
            self._print(text or "the bridge answers again")
            self._trouble = text

    def page(self, text: str) -> None:
        self._print(f"! {text}")

    def note(self, text: str) -> None:
        self._print(text)

    def closed(self) -> None: ...

    def finished(self, text: str, summary: Mapping[str, Any]) -> None:
        self._print(text)
        if summary:
            self._console.print(summary_table(summary))

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True, markup=False)


class LiveView:
    """A page that is redrawn a few times a second, whatever the speed of the bars."""

    def __init__(self, console: Console, *, day_zone: str, speed: str) -> None:
        self._console = console
        self._day_zone = ZoneInfo(day_zone)
        self._speed = speed
        self._live: Live | None = None
        self._drawn_s = 0.0
        self._report: BarReport | None = None
        self._snapshot: Snapshot | None = None
        self._refused: tuple[int, tuple[Denial, ...]] | None = None
        self._events: deque[str] = deque(maxlen=_KEPT_EVENTS)
        self._trouble = ""

    def started(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True, markup=False)
        self._live = Live(self._page(), console=self._console, auto_refresh=False)
        self._live.start()

    def bar(self, report: BarReport) -> None:
        self._report, self._snapshot = report, None
        if report.decision.denials:
            self._refused = (report.input.market.close_ms, report.decision.denials)
        self._events.extend(deal_text(deal) for deal in report.deals if is_trade(deal))
        self._events.extend(sent_text(each) for each in report.sent)
        self._draw()

    def beat(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._draw()

    def trouble(self, text: str) -> None:
        self._trouble = text
        self._draw(now=True)

    def page(self, text: str) -> None:
        self._events.append(f"! {text}")
        self._draw(now=True)

    def note(self, text: str) -> None:
        self._events.append(text)
        self._draw(now=True)

    def finished(self, text: str, summary: Mapping[str, Any]) -> None:
        self._console.print(text, highlight=False)
        if summary:
            self._console.print(summary_table(summary))

    def closed(self) -> None:
        if self._live:
            self._live.update(self._page(), refresh=True)
            self._live.stop()

    def _draw(self, *, now: bool = False) -> None:
        if self._live and (now or time.monotonic() - self._drawn_s >= _REFRESH_S):
            self._live.update(self._page(), refresh=True)
            self._drawn_s = time.monotonic()

    def _page(self) -> Panel:
        parts: list[Any] = [self._clock_line()]
        if self._report:
            parts += [
                market_table(self._report),
                account_line(self._report, self._snapshot),
                refusal_table(self._refused),
                positions_table(self._report, self._snapshot),
            ]
        else:
            parts.append(Text("waiting for the first closed bar", style="dim"))
        parts.append(Text("\n".join(self._events) or "no orders or deals yet", style="dim"))
        state = Text(self._trouble, style="bold red") if self._trouble else healthy()
        return Panel(Group(*parts, state), title="NOVOSKY", subtitle="Ctrl-C stops cleanly")

    def _clock_line(self) -> Text:
        now_ms = self._now_ms()
        if now_ms is None:
            return Text(f"speed {self._speed}")
        utc = datetime.fromtimestamp(now_ms / 1000, UTC)
        local = utc.astimezone(self._day_zone)
        count = self._report.count if self._report else 0
        return Text.assemble(
            (f"{utc:%Y-%m-%d %H:%M:%S} UTC", "bold"),
            f"   {local:%H:%M:%S} {self._day_zone.key}   speed {self._speed}   bars {count}",
        )

    def _now_ms(self) -> int | None:
        if self._snapshot:
            return self._snapshot.as_of_msc
        return self._report.now_ms if self._report else None
