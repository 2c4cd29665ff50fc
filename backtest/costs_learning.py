"""Learns a cost file from a journal: quotes of decided bars, orders, and the broker's deals."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from backtest.costs import LearnedCosts, Rejects, Sample
from broker.contract.constants import DealEntry, DealType, OrderType
from broker.contract.messages import Deal
from broker.simulator.rollover import Rollovers
from market.instrument import Instrument
from market.server_clock import ServerClock
from trading.canonical import parse_input
from trading.errors import DaemonError
from trading.execution.intents import IntentState, JournalledIntent
from trading.journal_reads import JournalReads
from trading.trade_book import is_ours

_MOST_POINTS = 101
_HOUR_MS = 3_600_000
_NEVER_SENT = (IntentState.PENDING, IntentState.NOT_SENT, IntentState.DRY)


def learn(
    journal: JournalReads,
    of: Instrument,
    *,
    strategy_id: int,
    currency: str,
    server_zone: str,
) -> LearnedCosts:
    """What this account's journal knows of its costs. `DaemonError` where it decided nothing."""
    quotes = list(_quotes(journal.decision_lines(of.symbol), of.point))
    if not quotes:
        raise DaemonError(
            f"{of.symbol}: a journal with decided bars is needed, this one has none; check "
            "--state-folder and --symbol"
        )
    deals = list(_own(journal.deals(), of.symbol, strategy_id))
    orders = journal.orders_of(of.symbol)
    charged = _swaps(deals, of, Rollovers(ServerClock(server_zone)))
    by_hour: dict[str, list[int]] = defaultdict(list)
    for at_ms, points in quotes:
        by_hour[f"{at_ms // _HOUR_MS % 24:02d}"].append(points)
    return LearnedCosts(
        symbol=of.symbol,
        currency=currency,
        from_ms=quotes[0][0],
        to_ms=quotes[-1][0],
        deals=len(deals),
        quotes=len(quotes),
        spread=_sample([points for _, points in quotes]),
        spread_by_hour={hour: _sample(seen) for hour, seen in sorted(by_hour.items())},
        slippage=_sample(list(_slipped(orders, deals, of.point))),
        commission_per_lot=_commission(deals),
        swap_long=_per_night(charged[1]),
        swap_short=_per_night(charged[-1]),
        swap_nights=sum(nights for side in charged.values() for _, nights in side),
        rejects=_rejects(journal, orders),
    )


def _quotes(lines: Iterable[str], point: float) -> Iterator[tuple[int, int]]:
    """(close of the bar, spread in points) of every decided bar with a quote in force."""
    for line in lines:
        now = parse_input(line)
        if now.quote.time_ms >= now.market.close_ms:
            yield now.market.close_ms, round((now.quote.ask - now.quote.bid) / point)


def _own(deals: Sequence[Deal], symbol: str, strategy_id: int) -> Iterator[Deal]:
    """Deals of positions that we opened."""
    mine: set[int] = set()
    for deal in deals:
        if deal.symbol != symbol or deal.type not in (DealType.BUY, DealType.SELL):
            continue
        if deal.entry is DealEntry.IN and is_ours(deal.magic, strategy_id):
            mine.add(deal.position_id)
        if deal.position_id in mine:
            yield deal


def _slipped(
    orders: Sequence[JournalledIntent], deals: Sequence[Deal], point: float
) -> Iterator[int]:
    """Points by which entries filled worse than the price they were decided on."""
    wanted = {order.request.magic: order.request for order in orders if order.request.price}
    for deal in deals:
        request = wanted.get(deal.magic)
        if request is None or request.price is None or deal.entry is not DealEntry.IN:
            continue
        side = 1 if request.type is OrderType.BUY else -1
        yield round(side * (deal.price - request.price) / point)


def _commission(deals: Sequence[Deal]) -> float | None:
    volume = math.fsum(deal.volume for deal in deals)
    paid = -math.fsum(deal.commission + deal.fee for deal in deals)
    return round(paid / volume, 8) if volume else None


def _swaps(
    deals: Sequence[Deal], of: Instrument, midnights: Rollovers
) -> dict[int, list[tuple[float, int]]]:
    """By side: (swap of the lot, nights charged) of each position that was held over night."""
    opened: dict[int, Deal] = {}
    found: dict[int, list[tuple[float, int]]] = {1: [], -1: []}
    for deal in deals:
        if deal.entry is DealEntry.IN:
            opened[deal.position_id] = deal
            continue
        entry = opened.get(deal.position_id)
        if entry is None or not deal.volume:
            continue
        nights = _nights(entry.time_msc, deal.time_msc, of, midnights)
        if nights:
            side = 1 if entry.type is DealType.BUY else -1
            found[side].append((deal.swap / deal.volume, nights))
    return found


def _nights(from_ms: int, to_ms: int, of: Instrument, midnights: Rollovers) -> int:
    nights, at_ms = 0, midnights.next_ms(from_ms)
    while at_ms <= to_ms:
        nights += of.swap_days[midnights.weekday_ended(at_ms)]
        at_ms = midnights.next_ms(at_ms)
    return nights


def _per_night(charged: Sequence[tuple[float, int]]) -> float | None:
    nights = sum(count for _, count in charged)
    return round(math.fsum(swap for swap, _ in charged) / nights, 8) if nights else None


def _rejects(journal: JournalReads, orders: Sequence[JournalledIntent]) -> Rejects:
    sent = [order for order in orders if order.state not in _NEVER_SENT]
    codes = Counter(
        str(payload.get("retcode") or "none") for _, _, payload in journal.events("order_rejected")
    )
    return Rejects(
        requests=len(sent),
        rejected=sum(order.state is IntentState.REJECTED for order in sent),
        by_retcode=dict(sorted(codes.items())),
    )


def _sample(points: Sequence[int]) -> Sample:
    """All points in rising order, or 101 order statistics of more."""
    ordered = sorted(points)
    count = len(ordered)
    if count > _MOST_POINTS:
        last = count - 1
        ordered = [
            ordered[round(place * last / (_MOST_POINTS - 1))] for place in range(_MOST_POINTS)
        ]
    return Sample(count=count, points=tuple(ordered))
