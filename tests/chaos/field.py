"""The real daemon over real HTTP before a venue where things go wrong, in one process.

The bridge serves in a thread, so that a test can look at the simulated terminal as it is, while the
daemon sees only what the faults let it see. No time passes but the simulated one.
"""

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from tenacity import wait_none

from broker.client.connect import connect
from broker.client.paper_control import PaperControl
from broker.client.settings import BridgeSettings, Dialect
from broker.contract.constants import DealEntry
from broker.contract.messages import Deal, OrderRequest
from broker.contract.paper import FaultMatch, FaultOrder, FaultWhen, ParamValue
from broker.contract.wire import encode
from broker.simulator.settings import PaperSettings
from market.store import BarStore
from mt5api.paper import open_paper
from mt5api.paper_app import paper_app
from tests.broker.paper_bridge import running
from tests.chaos.audit import NakedSpan, Span
from tests.chaos.stand import PAPER, TRADE
from tests.patience import PATIENCE_S
from tests.trading.doubles import Recorder, TinyPredictor
from trading.assemble import Trade, assemble
from trading.bot import Bot
from trading.clock import PaperClock, StopFlag
from trading.execution.intents import IntentState
from trading.journal import Journal
from trading.paper import PaperPlan

STEP_MS = 900_000


class Watched(PaperClock):
    """A lock-step clock that never pauses for real, and looks at the terminal around each move."""

    def __init__(self, control: PaperControl, stop: StopFlag, field: "Field") -> None:
        self._field = field
        super().__init__(control, stop, speed=None)

    def wait_until(self, instant_ms: int) -> int:
        field, terminal = self._field, self._field.terminal
        field.cycles += 1
        field.before_time_moves(self)
        naked, from_ms = field.naked(), terminal.now_ms
        reached_ms = super().wait_until(instant_ms)
        span = Span(from_ms, terminal.now_ms)
        field.naked_spans += [NakedSpan(each, span) for each in naked if from_ms < span.to_ms]
        return reached_ms


class Field:
    """One venue and its daemon. `run` again starts the daemon anew on the same journal."""

    def __init__(
        self, folder: Path, plan: PaperPlan, *, dialect: Dialect = "native",
        paper: PaperSettings = PAPER, trade: Trade = TRADE, store: Path | None = None,
    ) -> None:  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        if store and not (folder / "bars.sqlite").exists():
            shutil.copy(store, folder / "bars.sqlite")
        self.folder, self.plan, self.trade = folder, plan, trade
        symbol = trade.instrument.symbol
        self.bridge = open_paper(plan.spec(symbol, paper, "max", folder / "terminal", dialect))
        self.terminal = self.bridge.terminal
        self.before_time_moves: Callable[[Watched], None] = lambda clock: None
        self.before_bar: Callable[[int], None] = lambda count: None
        self.naked_spans: list[NakedSpan] = []
        self.cycles = 0
        self.reporter = Recorder(StopFlag())
        self._held = ExitStack()
        self.url = self._held.enter_context(running(paper_app(self.bridge, token="")))
        settings = BridgeSettings(
            api_base_url=self.url,
            dialect=dialect,
            server_timezone=paper.server_timezone,
            read_timeout_s=PATIENCE_S,
        )
        self.broker = connect(settings, back_off=wait_none())
        self.control = self._held.enter_context(
            httpx.Client(base_url=self.url, trust_env=False, verify=False, timeout=PATIENCE_S)
        )
        self.journal = Journal(folder / "journal.sqlite")
        for each in (self.broker, self.journal, self.terminal):
            self._held.callback(each.close)

    def close(self) -> None:
        self._held.close()

    def fault(
        self, name: str, *, after: int = 0, count: int = 0, prob: float = 1.0,
        from_bar: float | None = None, bars: float | None = None, method: str = "",
        path: str = "", **params: ParamValue,
    ) -> None:  # fmt: skip
        """Asks the bridge for a fault. `from_bar`: when it begins, in bars after the start of the
        run; `bars`: how long it lasts; without these it acts from now on."""
        from_ms = 0 if from_bar is None else self.at(from_bar)
        to_ms = 0 if bars is None else (from_ms or self.terminal.now_ms) + round(bars * STEP_MS)
        self.add(
            FaultOrder(
                name,
                FaultMatch(method, path),
                FaultWhen(after, count, prob, from_ms, to_ms),
                params,
            )
        )

    def add(self, order: FaultOrder) -> None:
        answer = self.control.post("/_paper/faults", content=encode(order))
        assert answer.status_code == 200, answer.text

    def clear_faults(self) -> None:
        assert self.control.delete("/_paper/faults").status_code == 200

    def hits(self) -> dict[str, int]:
        """How often each fault acted."""
        counts: dict[str, int] = {}
        for each in self.control.get("/_paper/faults").json()["items"]:
            counts[each["name"]] = counts.get(each["name"], 0) + each["hits"]
        return counts

    def at(self, bar: float) -> int:
        """An instant, in bars after the start of the run."""
        return self.plan.limits.from_ms + round(bar * STEP_MS)

    def bot(self, *, bars: int | None = None, to_ms: int | None = None, **given: Any) -> Bot:
        """A freshly started daemon."""
        stop = StopFlag()
        self.reporter = Recorder(stop)
        self.reporter.on_bar = self.before_bar
        limits = replace(self.plan.limits, bars=bars, to_ms=to_ms)
        words: dict[str, Any] = {
            "broker": self.broker, "journal": self.journal, "stop": stop, "limits": limits,
            "clock": Watched(PaperControl(self.broker.connection), stop, self),
            "reporter": self.reporter, "predictor": TinyPredictor(),
        }  # fmt: skip
        store = BarStore(self.folder / "bars.sqlite")
        self._held.callback(store.close)
        return assemble(self.trade, store=store, **(words | given))

    def run(self, *, bars: int | None = None, to_ms: int | None = None, **given: Any) -> "Field":
        """Runs a daemon until `bars` bars are decided in all, or until `to_ms`."""
        self.bot(bars=bars, to_ms=to_ms, **given).run()
        return self

    def when_open(self, act: Callable[[], None]) -> None:
        """Does something once, at the end of the first cycle that leaves a position open."""

        def look(_: int) -> None:
            if self.terminal.book.positions:
                self.before_bar = self.reporter.on_bar = lambda count: None
                act()

        self.before_bar = look

    def at_bar(self, number: int, act: Callable[[], None]) -> None:
        """Does something at the end of the cycle that decides the `number`-th bar."""

        def look(count: int) -> None:
            if count == number:
                act()

        self.before_bar = look

    @property
    def lines(self) -> list[str]:
        """The canonical decision lines."""
        return list(self.journal.decision_lines(self.trade.instrument.symbol))

    @property
    def deals(self) -> tuple[Deal, ...]:
        """The venue's true trade deals."""
        return tuple(deal for deal in self.terminal.deals() if deal.symbol)

    @property
    def entries(self) -> tuple[Deal, ...]:
        """Opening deals of this strategy."""
        mine = self.trade.daemon.strategy_id
        return tuple(
            deal for deal in self.deals
            if deal.entry is DealEntry.IN and deal.magic >> 32 == mine
        )  # fmt: skip

    def naked(self) -> tuple[int, ...]:
        """Open positions of this strategy without a stop."""
        mine = self.trade.daemon.strategy_id
        return tuple(
            each.identifier for each in self.terminal.book.positions.values()
            if each.sl == 0 and each.magic >> 32 == mine
        )  # fmt: skip

    def events(self, kind: str) -> list[dict[str, Any]]:
        """The journal's events of a kind."""
        return [payload for _, _, payload in self.journal.events(kind)]

    @property
    def pages(self) -> list[str]:
        return [words["key"] for words in self.events("page")]

    @property
    def close_types(self) -> dict[int, str]:
        """By position, the journal's last word on how it ended."""
        kinds = ("close_pending", "close_confirmed")
        return {
            words["position_id"]: words["close_type"]
            for kind in kinds
            for words in self.events(kind)
        }

    def requests(self) -> list[tuple[OrderRequest, IntentState]]:
        """Every order that the journal knows, and what became of it."""
        found = []
        for open_ms, _ in self.journal.features(self.trade.instrument.symbol):
            found += self.journal.intents_of_bar(open_ms)
        return found
