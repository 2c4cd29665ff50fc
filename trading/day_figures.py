"""What a span of days came to, from the journal alone: for the daily report and for `/pnl`."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trading.close_reasons import close_reason
from trading.decision.records import ClosedTrade
from trading.journal_reads import JournalReads
from trading.trade_book import closed_trades


@dataclass(frozen=True, slots=True)
class Traded:
    """Our own trades that ended in a span; money in deposit currency, costs included."""

    count: int
    won: int
    net: float
    best: float
    worst: float


@dataclass(frozen=True, slots=True)
class Latency:
    """How long decisions took, ms; zeros where there were none."""

    count: int
    p50_ms: float
    p99_ms: float
    longest_ms: float


def own_trades(journal: JournalReads, *, strategy_id: int, symbol: str) -> tuple[ClosedTrade, ...]:
    """Every finished trade of ours in the symbol, in the order of its end."""
    deals = [deal for deal in journal.deals() if deal.symbol == symbol]
    return closed_trades(deals, strategy_id, reason_of=lambda magic: close_reason(journal, magic))


def traded(trades: Sequence[ClosedTrade], from_ms: int, to_ms: int) -> Traded:
    """Trades that ended in [from_ms, to_ms)."""
    nets = [each.net_profit for each in trades if from_ms <= each.closed_ms < to_ms]
    return Traded(
        len(nets), sum(net > 0 for net in nets), round(sum(nets), 8),
        max(nets, default=0.0), min(nets, default=0.0),
    )  # fmt: skip


def latency(times_ms: Sequence[float]) -> Latency:
    if not times_ms:
        return Latency(0, 0.0, 0.0, 0.0)
    p50, p99 = np.percentile(times_ms, [50, 99])
    return Latency(len(times_ms), float(p50), float(p99), max(times_ms))


def refusals(journal: JournalReads, symbol: str, from_ms: int, to_ms: int) -> dict[str, int]:
    """How many bars that open in [from_ms, to_ms) each rule refused, most first."""
    found = journal.denials_between(from_ms, to_ms)
    counted = Counter(denial.rule for each, _, denial in found if each == symbol)
    return dict(counted.most_common())
