"""Compares what the broker did with what the journal knows. Pure: ledgers in, figures out."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace

from broker.contract.constants import DealEntry, DealType
from broker.contract.marks import strategy_of
from broker.contract.messages import Deal

FINAL_CLOSE_TYPES = frozenset(
    ("SL_HIT", "TP_HIT", "SL_TRAIL", "ML_EXIT", "STOP_OUT", "MANUAL", "EXTERNAL_BOT", "SERVER")
)
NAKED_LIMIT_S = 10.0
LOSS_LIMIT = 1.5
# Wrong where they were read while a fault acted: the comment, the time on the server's clock.
_NOT_COMPARED = {"comment": "", "time_msc": 0}


@dataclass(frozen=True, slots=True)
class Span:
    """Simulated time, [from_ms, to_ms)."""

    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class NakedSpan:
    """A position of ours that was open without a stop."""

    position: int
    span: Span


@dataclass(frozen=True, slots=True)
class Ledgers:
    """Both sides' books at the end of a run.

    `roots`: by the entry's magic, the intent that it acted for, where it was asked again under
    another name. `planned_loss`: by the entry's magic, what its stop would cost per lot, in the
    deposit currency and above 0. `close_types`: by position, the journal's last word on how it
    ended. `gapped`: positions over whose stop the market jumped. `outages`: when the bridge could
    not act for us.
    `open_intents`: what the journal could not settle.
    """

    strategy_id: int
    broker: tuple[Deal, ...]
    journal: tuple[Deal, ...]
    roots: Mapping[int, str] = field(default_factory=dict)
    planned_loss: Mapping[int, float] = field(default_factory=dict)
    close_types: Mapping[int, str] = field(default_factory=dict)
    gapped: frozenset[int] = frozenset()
    naked: tuple[NakedSpan, ...] = ()
    outages: tuple[Span, ...] = ()
    balance: float | None = None
    open_intents: int = 0


@dataclass(frozen=True, slots=True)
class Figures:
    """What an audit found. All but the first two must be 0, naked times at most 10 s."""

    entries: int
    closes: int
    duplicates: int
    deals_missing_in_journal: int
    deals_unknown_to_broker: int
    deals_that_differ: int
    closes_without_final_type: int
    losses_beyond_plan: int
    naked_max_s: float
    naked_total_s: float
    balance_off: float
    open_intents: int

    @property
    def breaches(self) -> tuple[str, ...]:
        """The figures that are not as they must be, in words."""
        limits = {"naked_max_s": NAKED_LIMIT_S, "naked_total_s": NAKED_LIMIT_S}
        figures = {k: v for k, v in asdict(self).items() if k not in ("entries", "closes")}
        return tuple(
            f"{name}: at most {limits.get(name, 0):g} is allowed, {value:g} came"
            for name, value in figures.items()
            if abs(value) > limits.get(name, 0)
        )


def audit(ledgers: Ledgers) -> Figures:
    """The figures of a finished run."""
    ours = own_positions(ledgers)
    broker = {deal.ticket: deal for deal in ledgers.broker if _counts(deal, ours)}
    journal = {deal.ticket: deal for deal in ledgers.journal}
    known = {deal.ticket for deal in ledgers.broker}
    closed = {name for name, deals in ours.items() if _is_closed(deals)}
    naked_s = naked_seconds(ledgers.naked, ledgers.outages)
    return Figures(
        entries=sum(deal.entry is DealEntry.IN for deals in ours.values() for deal in deals),
        closes=len(closed),
        duplicates=duplicates(
            (deal for deals in ours.values() for deal in deals), roots=ledgers.roots
        ),
        deals_missing_in_journal=len(broker.keys() - journal.keys()),
        deals_unknown_to_broker=len(journal.keys() - known),
        deals_that_differ=sum(
            _facts(journal[ticket]) != _facts(deal)
            for ticket, deal in broker.items()
            if ticket in journal
        ),
        closes_without_final_type=sum(
            ledgers.close_types.get(name) not in FINAL_CLOSE_TYPES for name in closed
        ),
        losses_beyond_plan=sum(
            _is_beyond_plan(ours[name], ledgers) for name in closed - ledgers.gapped
        ),
        naked_max_s=max(naked_s.values(), default=0.0),
        naked_total_s=sum(naked_s.values()),
        balance_off=_balance_off(ledgers),
        open_intents=ledgers.open_intents,
    )


def duplicates(deals: Iterable[Deal], *, roots: Mapping[int, str] | None = None) -> int:
    """Entries too many: opening deals of different orders that were made for one intent.

    A magic holds the intent's mark, so a second order under it is an intent that acted twice; so is
    one under the magic of a later try. A partly filled order has several deals, but one order.
    """
    orders: dict[int | str, set[int]] = defaultdict(set)
    for deal in deals:
        if deal.entry is DealEntry.IN and strategy_of(deal.magic) is not None:
            orders[(roots or {}).get(deal.magic, deal.magic)].add(deal.order)
    return sum(len(each) - 1 for each in orders.values())


def own_positions(ledgers: Ledgers) -> dict[int, list[Deal]]:
    """The broker's deals of the positions that this strategy opened, by position."""
    opened = {
        deal.position_id
        for deal in ledgers.broker
        if deal.entry is DealEntry.IN and strategy_of(deal.magic) == ledgers.strategy_id
    }
    found: dict[int, list[Deal]] = defaultdict(list)
    for deal in ledgers.broker:
        if deal.position_id in opened and deal.type is not DealType.BALANCE:
            found[deal.position_id].append(deal)
    return found


def losses_over_gaps(ledgers: Ledgers) -> int:
    """How many losses above 1.5 times the plan are explained by a market that jumped."""
    ours = own_positions(ledgers)
    return sum(_is_beyond_plan(ours[name], ledgers) for name in ledgers.gapped & ours.keys())


def naked_seconds(naked: Iterable[NakedSpan], outages: Iterable[Span]) -> dict[int, float]:
    """By position, how long it had no stop while somebody could have given it one."""
    away = _merged(outages)
    found: dict[int, float] = defaultdict(float)
    for each in naked:
        span = each.span
        hidden_ms = sum(
            max(0, min(span.to_ms, out.to_ms) - max(span.from_ms, out.from_ms)) for out in away
        )
        found[each.position] += (span.to_ms - span.from_ms - hidden_ms) / 1000
    return found


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for span in sorted(spans, key=lambda each: each.from_ms):
        if merged and span.from_ms <= merged[-1].to_ms:
            merged[-1] = Span(merged[-1].from_ms, max(merged[-1].to_ms, span.to_ms))
        else:
            merged.append(span)
    return merged


def _counts(deal: Deal, ours: Mapping[int, list[Deal]]) -> bool:
    """Deals that must be in the journal: ours, and postings; not those of foreign positions."""
    return deal.position_id in ours or deal.type is DealType.BALANCE


def _facts(deal: Deal) -> Deal:
    return replace(deal, **_NOT_COMPARED)


def _is_closed(deals: list[Deal]) -> bool:
    opened = sum(deal.volume for deal in deals if deal.entry is DealEntry.IN)
    left = opened - sum(deal.volume for deal in deals if deal.entry is not DealEntry.IN)
    return left < 1e-6


def _is_beyond_plan(deals: list[Deal], ledgers: Ledgers) -> bool:
    """Whether a position lost more than 1.5 times what its stop was to cost."""
    entries = [deal for deal in deals if deal.entry is DealEntry.IN]
    planned = sum(ledgers.planned_loss.get(deal.magic, 0.0) * deal.volume for deal in entries)
    net = sum(deal.profit + deal.swap + deal.commission + deal.fee for deal in deals)
    return net < -LOSS_LIMIT * planned - 0.01


def _balance_off(ledgers: Ledgers) -> float:
    """By how much the broker's balance is not the sum of its deals; 0 where it is not given."""
    if ledgers.balance is None:
        return 0.0
    total = sum(d.profit + d.swap + d.commission + d.fee for d in ledgers.broker)
    return round(ledgers.balance - total, 2)
