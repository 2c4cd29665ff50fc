"""Looks at the bridge's health in every cycle, remembers what it needs, and calls a person."""

from broker.contract.marks import strategy_of
from broker.contract.messages import Health, Snapshot, SymbolSpec, Tick
from broker.contract.port import Broker
from market.sessions import Sessions
from trading.clock import Clock
from trading.health import (
    HealthLimits,
    HealthVerdict,
    Look,
    Pins,
    judge_health,
    offset_error_ms,
)
from trading.journal import Journal
from trading.pager import Pager


class HealthWatch:
    """`verdict`: the latest judgement. `rebooted`: whether the bridge is another process since
    the judgement before. `start` comes before the first look."""

    def __init__(
        self, broker: Broker, clock: Clock, journal: Journal, pager: Pager, *,
        limits: HealthLimits, sessions: Sessions, strategy_id: int,
    ) -> None:  # fmt: skip
        self._broker = broker
        self._clock = clock
        self._journal = journal
        self._pager = pager
        self._limits = limits
        self._sessions = sessions
        self._strategy_id = strategy_id
        self._pins: Pins | None = None
        self._boot_id = ""
        self._health: Health | None = None
        self._clock_ms = 0
        self._quotes = _Quotes()
        self.verdict = HealthVerdict()
        self.rebooted = False

    @property
    def exits_ok(self) -> bool:
        return self.verdict.exits_ok

    @property
    def bars_ok(self) -> bool:
        """Whether the server's times, and so its bars, can be believed."""
        return not self.verdict.breaks("clock_offset")

    def start(self, pins: Pins) -> None:
        self._pins = pins

    def ask(self) -> bool:
        """Reads the bridge's health; whether it is the pinned account's. Raises `BrokerError`."""
        asked_ms = self._clock.now_ms()
        self._health = health = self._broker.health()
        self._clock_ms = (asked_ms + self._clock.now_ms()) // 2
        if self._boot_id not in ("", health.boot_id):
            self.rebooted = True
            self._journal.record("bridge_rebooted", self._clock_ms, boot_id=health.boot_id)
        self._boot_id = health.boot_id
        pins = self._pins
        return pins is None or (health.login, health.server) in (
            (pins.login, pins.server), (0, ""),
        )  # fmt: skip

    def judge(
        self, snapshot: Snapshot, spec: SymbolSpec, now_ms: int, *, at_close: bool
    ) -> HealthVerdict:
        """The verdict on what `ask` and the snapshot said; news go to the journal and the pager."""
        if self._health is None or self._pins is None:
            raise RuntimeError("HealthWatch: start() and ask() come before judge()")
        tick = snapshot.tick if at_close else None
        if tick is not None:
            self._quotes.saw(tick, now_ms)
        look = Look(
            now_ms, self._clock_ms, self._health, snapshot.account, spec, tick,
            self._sessions.is_open(now_ms), self._quotes.offset_error_ms,
            self._quotes.frozen_ms(now_ms), self._foreign_here(snapshot, spec.symbol),
        )  # fmt: skip
        self._tell(judge_health(look, self._pins, self._limits), now_ms)
        self.rebooted = False
        return self.verdict

    def _tell(self, verdict: HealthVerdict, now_ms: int) -> None:
        if verdict == self.verdict:
            return
        self._journal.record("health", now_ms, problems=list(verdict.reasons))
        for problem in verdict.problems:
            self._pager.page(
                f"no entries: {problem.text}" if not problem.stops_exits
                else f"nothing can be traded, exits neither: {problem.text}",
                key=f"health {problem.rule}",
            )  # fmt: skip
        for gone in self.verdict.problems:
            if not verdict.breaks(gone.rule):
                self._pager.over(f"over: {gone.text}", key=f"health {gone.rule}")
        self.verdict = verdict

    def _foreign_here(self, snapshot: Snapshot, symbol: str) -> bool:
        return any(
            each.symbol == symbol and strategy_of(each.magic) != self._strategy_id
            for each in snapshot.positions
        )


class _Quotes:
    """What the quotes seen at closes say of the feed and of the server's time zone rule."""

    def __init__(self) -> None:
        self._tick: Tick | None = None
        self._since_ms = 0
        self._suspect_ms = 0
        self.offset_error_ms = 0

    def saw(self, tick: Tick, now_ms: int) -> None:
        if self._tick is None or tick != self._tick:
            self._tick, self._since_ms = tick, now_ms
            self._check_offset(tick, now_ms)

    def frozen_ms(self, now_ms: int) -> int:
        return now_ms - self._since_ms if self._tick else 0

    def _check_offset(self, tick: Tick, now_ms: int) -> None:
        """A quote from the future is wrong at once; one from the past needs a second that agrees:
        the first may have been old."""
        error_ms = offset_error_ms(tick.time_msc, now_ms)
        if error_ms is None:
            return
        if error_ms >= 0 or error_ms == self._suspect_ms:
            self.offset_error_ms = error_ms
        self._suspect_ms = error_ms
