"""A chaos run: simulated days of trading under a fault schedule, and the audit of what it left."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from broker.client.settings import Dialect
from broker.contract.constants import DealReason
from broker.contract.messages import Deal, OrderRequest
from broker.contract.paper import FaultOrder
from market.store import BarStore
from tests.chaos.audit import Ledgers, Span, audit, losses_over_gaps, own_positions
from tests.chaos.field import Field, Watched
from tests.chaos.schedule import DAY_MS, TIMES_FIELD_RATE, fault_schedule
from tests.chaos.stand import generated_market, plan_of
from trading.errors import DaemonError
from trading.paper import PaperPlan

# After the last fault: long enough for late history and for what waits on it.
QUIET_MS = DAY_MS // 4
_HOUR_MS = 3_600_000

# While one of these acts, nobody could give a position its stop.
_OUTAGES = frozenset(
    ("bridge_down", "terminal_restart", "disconnected", "algo_off", "switch_login", "unauthorized",
     "session_closed")
)  # fmt: skip
# These move the market itself over a stop.
_GAPS = frozenset(("gap", "spread_times", "session_closed"))


@dataclass(frozen=True, slots=True)
class ChaosOptions:
    """`market`: a file of M15 bars, or None for the generated one."""

    folder: Path
    days: int = 30
    seed: int = 7
    times: float = TIMES_FIELD_RATE
    market: Path | None = None
    dialect: Dialect = "native"


def run_chaos(options: ChaosOptions) -> dict[str, Any]:
    """The figures of a run, with `breaches` in words; empty where all is well."""
    options.folder.mkdir(parents=True, exist_ok=True)
    market = options.market or generated_market(
        options.folder / "market.parquet", days=options.days + 1, seed=options.seed
    )
    plan = plan_of(market, bars=None)
    field = Field(
        options.folder / "field", plan, dialect=options.dialect,
        store=_history(options.folder / "bars.sqlite", plan),
    )  # fmt: skip
    try:
        return _Run(field, options).figures()
    finally:
        field.close()


def _history(path: Path, plan: PaperPlan) -> Path:
    """A bar store with everything before the start of the run."""
    store = BarStore(path)
    from_ms = plan.limits.from_ms
    store.merge(plan.bars.between(int(plan.bars.open_ms[0]), from_ms), observed_ms=from_ms)
    store.close()
    return path


class _Run:
    """The daemon in its field, with the next hour's faults put up as time comes to them."""

    def __init__(self, field: Field, options: ChaosOptions) -> None:
        self._field, self._options = field, options
        self._from_ms = field.plan.limits.from_ms
        self._to_ms = self._from_ms + options.days * DAY_MS
        self._schedule = fault_schedule(
            seed=options.seed, from_ms=self._from_ms + _HOUR_MS, days=options.days,
            times=options.times,
        )  # fmt: skip
        self._coming = [order for order in self._schedule if order.when.from_msc < self._to_ms]
        self._hits: Counter[str] = Counter()
        self._cleared_ms = self._from_ms
        self._crashes: list[str] = []

    def figures(self) -> dict[str, Any]:
        self._field.before_time_moves = self._put_up
        end_ms = self._to_ms + QUIET_MS
        while self._field.terminal.now_ms < end_ms and len(self._crashes) < 20:
            try:
                self._field.run(bars=None, to_ms=end_ms)
            except (DaemonError, ValueError, RuntimeError) as error:
                self._crashes.append(f"{type(error).__name__}: {error}")
        field, ledgers = self._field, self._ledgers()
        found = audit(ledgers)
        breaches = [*found.breaches, *(f"the daemon ended: {each}" for each in self._crashes)]
        return {
            **asdict(found), "breaches": breaches, "days": self._options.days,
            "seed": self._options.seed, "times_field_rate": self._options.times,
            "dialect": self._options.dialect, "cycles": field.cycles,
            "decided": field.journal.decided_count(field.trade.instrument.symbol),
            "losses_over_gaps": losses_over_gaps(ledgers),
            "missed": len(field.events("bar_missed")), "pages": len(field.events("page")),
            "intents": field.journal.intent_counts(), "faults_put_up": len(self._schedule),
            "faults": dict(sorted(self._hits.items())),
        }  # fmt: skip

    def _put_up(self, clock: Watched) -> None:
        """Puts up the faults of the next hours; once a day those of the past are taken down."""
        now_ms, field = self._field.terminal.now_ms, self._field
        if now_ms >= min(self._cleared_ms + DAY_MS, self._to_ms) and self._cleared_ms < self._to_ms:
            self._hits.update(field.hits())
            field.clear_faults()
            self._cleared_ms = now_ms if now_ms < self._to_ms else self._to_ms
        while self._coming and self._coming[0].when.from_msc < now_ms + _HOUR_MS:
            order = self._coming.pop(0)
            if order.when.to_msc == 0 or order.when.to_msc > now_ms:
                field.add(order)

    def _ledgers(self) -> Ledgers:
        field = self._field
        terminal, journal = field.terminal, field.journal
        intents = (journal.intent_of_magic(deal.magic) for deal in field.entries)
        requests = [intent.request for intent in intents if intent is not None]
        ledgers = Ledgers(
            strategy_id=field.trade.daemon.strategy_id,
            broker=terminal.deals(),
            journal=journal.deals(),
            roots=_roots(field),
            planned_loss=planned_losses(requests, field),
            close_types=field.close_types,
            naked=tuple(field.naked_spans),
            outages=tuple(_outages(self._schedule)),
            balance=terminal.balance,
            open_intents=len(journal.open_intents()),
        )
        return replace(ledgers, gapped=frozenset(self._gapped(ledgers)))

    def _gapped(self, ledgers: Ledgers) -> Iterator[int]:
        """Positions that ended at a stop which the market jumped over, or in a moved market."""
        moved = [
            Span(order.when.from_msc, order.when.to_msc + 2 * 900_000)
            for order in self._schedule if order.name in _GAPS
        ]  # fmt: skip
        for name, deals in own_positions(ledgers).items():
            last = deals[-1]
            in_moved = any(span.from_ms <= last.time_msc < span.to_ms for span in moved)
            if in_moved or (last.reason is DealReason.SL and self._opened_beyond(deals, last)):
                yield name

    def _opened_beyond(self, deals: list[Deal], last: Deal) -> bool:
        """Whether the bar of the exit opened at a worse price than the exit was to be at."""
        bars = self._field.plan.bars
        row = int(bars.open_ms.searchsorted(last.time_msc, side="right")) - 1
        side = 1 if deals[0].type == 0 else -1
        spread = 0.0 if side > 0 else float(bars.spread_points[row]) * 0.01
        return side * (float(bars.open[row]) + spread - last.price) <= 0


def _roots(field: Field) -> dict[int, str]:
    """By magic, the first intent of what may have been asked several times."""
    found = {}
    for deal in field.entries:
        intent = field.journal.intent_of_magic(deal.magic)
        if intent is not None:
            found[deal.magic] = intent.parent
    return found


def planned_losses(requests: list[OrderRequest], field: Field) -> Mapping[int, float]:
    """By magic, what a lot loses from the fill to the stop that was asked for."""
    prices = {deal.magic: deal.price for deal in field.entries}
    instrument = field.terminal.instruments[field.trade.instrument.symbol]
    per_price = instrument.tick_value / instrument.tick_size
    return {
        request.magic: abs(prices[request.magic] - request.sl) * per_price
        for request in requests
        if request.sl and request.magic in prices
    }


def _outages(schedule: list[FaultOrder]) -> Iterator[Span]:
    for order in schedule:
        if order.name in _OUTAGES:
            yield Span(order.when.from_msc, order.when.to_msc)
