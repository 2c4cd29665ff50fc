"""Cycles that fail: how long to wait, what is written down, and when a person is called."""

from collections.abc import Callable

from broker.contract.errors import BrokerError, BrokerRefused
from trading.clock import Clock
from trading.journal import Journal
from trading.pager import Pager
from trading.report import Reporter

BACK_OFF_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
PAUSED_AFTER = 3
_OPEN_RISK_MS = 5 * 60_000


class Outage:
    """`require_bridge` raises when waiting for the bridge makes no sense any more; `holds`: whether
    positions of ours are open. After three failed cycles entries are paused until one succeeds."""

    def __init__(
        self, clock: Clock, journal: Journal, reporter: Reporter, pager: Pager, *,
        holds: Callable[[], bool], require_bridge: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self._clock = clock
        self._journal = journal
        self._reporter = reporter
        self._pager = pager
        self._holds = holds
        self._require_bridge = require_bridge
        self._failures = 0
        self._since_ms = 0

    @property
    def entries_paused(self) -> bool:
        return self._failures >= PAUSED_AFTER

    def failed(self, error: BrokerError) -> None:
        """This cycle is skipped; a while passes, and the next cycle tries again."""
        self._require_bridge()
        now_ms = self._clock.now_ms()
        if self._failures == 0:
            self._since_ms = now_ms
            self._journal.record("bridge_away", now_ms, error=type(error).__name__, text=str(error))
        self._reporter.trouble(f"bridge: {error}")
        self._failures += 1
        self._call_a_person(error, now_ms)
        self._clock.pause(BACK_OFF_S[min(self._failures, len(BACK_OFF_S)) - 1])

    def over(self) -> None:
        """A cycle went well."""
        if not self._failures:
            return
        now_ms, paused = self._clock.now_ms(), self.entries_paused
        self._journal.record("bridge_back", now_ms, failures=self._failures)
        if paused:
            self._journal.record("entries_resumed", now_ms)
        self._failures = 0
        self._reporter.trouble("")
        self._pager.over("the bridge answers again; entries are resumed", key="cycles")
        self._pager.over("the bridge accepts our requests again", key="refused")
        self._pager.over("positions can be seen to again", key="open risk")

    def _call_a_person(self, error: BrokerError, now_ms: int) -> None:
        if isinstance(error, BrokerRefused):
            self._pager.page(f"the bridge refuses us: {error}", key="refused")
        if self._failures == PAUSED_AFTER:
            self._journal.record("entries_paused", now_ms, failures=self._failures)
            self._pager.page(
                f"{self._failures} cycles failed, entries are paused: {error}", key="cycles"
            )
        if now_ms - self._since_ms >= _OPEN_RISK_MS and self._holds():
            self._pager.page(
                "positions are open and the bridge has been away for 5 min or more; their stops "
                "are at the broker", key="open risk",
            )  # fmt: skip
