"""One start of the daemon: run the bot, say how it ended, sum up."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from broker.client.connect import BridgeClient
from broker.contract.errors import BrokerUnavailable
from market.bars import utc_text
from market.store import BarStore
from trading.assemble import Trade
from trading.bot import Bot
from trading.channels import Channels
from trading.clock import Clock, StopFlag
from trading.journal import Journal
from trading.live_view import LineView, LiveView
from trading.log_reporter import LogReporter
from trading.logger import file_log
from trading.redaction import Redact, RedactedReporter
from trading.report import Reporter
from trading.settings import DaemonSettings
from trading.summary import run_summary, write_summary

_LOGS = Path("logs")


@dataclass(frozen=True, slots=True)
class Session:
    """A bot that is ready to run, and what has to be closed after it."""

    bot: Bot
    trade: Trade
    broker: BridgeClient
    clock: Clock
    journal: Journal
    store: BarStore
    reporter: Reporter
    data_sha256: str
    warnings: tuple[str, ...] = ()
    channels: Channels = field(default_factory=Channels)

    def run(self, headline: str, summary_file: Path | None) -> None:
        """Until the run is over or a stop is requested. Errors pass through, the view is closed."""
        resumed = self.journal.decided_count(self.trade.instrument.symbol)
        text = started_text(headline, resumed)
        self.reporter.started(text)
        self.journal.record("run_started", self.clock.now_ms(), text=text)
        self.channels.start()
        try:
            self.bot.run()
            ended, summary = self._how_it_ended(), self._sum_up(summary_file)
        except Exception as error:
            text = f"the daemon has ended: {type(error).__name__}: {error}"
            self._last_beat(self.journal.redact(text), failed=True)
            self.journal.record("error", self.clock.now_ms(), text=text)
            raise
        finally:
            self.reporter.closed()
            self.channels.stop()
        self._last_beat(ended)
        self.reporter.finished(ended, summary)
        self._close()

    def _last_beat(self, text: str, *, failed: bool = False) -> None:
        if self.bot.heartbeat is not None:
            self.bot.heartbeat.over(text, failed=failed)

    def _sum_up(self, summary_file: Path | None) -> Mapping[str, Any]:
        """The run's figures; none where a live bridge is away when the daemon is stopped."""
        now_ms = self.clock.now_ms()
        self.journal.record("run_ended", now_ms, over=self.bot.finished, text=self._how_it_ended())
        try:
            figures = run_summary(
                self.journal, self.store, self.broker, self.trade,
                now_ms=now_ms, data_sha256=self.data_sha256,
            )  # fmt: skip
        except BrokerUnavailable as error:
            if self.bot.finished:
                raise
            self.reporter.trouble(f"no summary: {error}")
            return {}
        summary = figures | {"warnings": list(self.warnings)}
        if summary_file is not None:
            write_summary(summary_file, summary)
        if self.bot.finished:
            self.journal.set_meta(finished=str(now_ms))
        return summary

    def _how_it_ended(self) -> str:
        when = utc_text(self.clock.now_ms())
        if self.bot.finished:
            return f"the run is over at {when} UTC"
        return f"stopped at {when} UTC; the next start goes on from here"

    def _close(self) -> None:
        self.journal.close()
        self.store.close()
        self.broker.close()


def stop_on_signals(daemon: DaemonSettings) -> StopFlag:
    """Ctrl-C and SIGTERM then ask for the end that `daemon.on_stop` says."""
    stop = StopFlag(waits=daemon.on_stop == "wait")
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, stop.request)
    return stop


def reporter_of(
    console: Console, *, quiet: bool, day_zone: str, speed: str, name: str, redact: Redact,
) -> Reporter:  # fmt: skip
    """A live page in a terminal, lines elsewhere; both also in `logs/NAME.jsonl`."""
    view: Reporter = LineView(console, quiet=quiet)
    if console.is_terminal and not quiet:
        view = LiveView(console, day_zone=day_zone, speed=speed)
    return RedactedReporter(LogReporter(file_log(_LOGS, name, redact), view), redact)


def started_text(headline: str, decided_bars: int) -> str:
    """The headline, its first line with how many bars were decided before."""
    if decided_bars == 0:
        return headline
    first, *models = headline.splitlines()
    return "\n".join([f"{first}; goes on after {decided_bars:,} decided bars", *models])
