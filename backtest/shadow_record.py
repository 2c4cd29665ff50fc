"""What a daemon's journal proves of a system: days inside the forecast band, equal features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from backtest.forecast_band import ForecastBand, Inside, watch_band
from market.bars import Float64s, Int64s
from trading.canonical import parse_input
from trading.close_reasons import close_reason
from trading.decision.records import ClosedTrade
from trading.errors import DaemonError
from trading.journal_reads import JournalReads
from trading.trade_book import TradeBook

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, eq=False)
class ShadowRecord:
    """Bars that these graphs decided without a break until the journal's end.

    `open_ms` (n,), `features` (n, k) as they were decided on; `trades` closed since, in order of
    closing; `balance` at the first of them. `has_deals`: False in a dry run, which trades nothing.
    """

    open_ms: Int64s
    features: Float64s
    from_ms: int
    to_ms: int
    balance: float
    trades: tuple[ClosedTrade, ...]
    has_deals: bool

    @property
    def days(self) -> float:
        return (self.to_ms - self.from_ms) / _DAY_MS

    def inside(self, band: ForecastBand) -> bool | None:
        """Whether its trades lie inside a band; None where nothing was traded at all."""
        if not self.has_deals:
            return None
        stands = watch_band(
            band, self.trades, since_ms=self.from_ms, now_ms=self.to_ms, balance=self.balance
        )
        return isinstance(stands, Inside)

    def differing(self, open_ms: Int64s, features: Float64s) -> tuple[int, int]:
        """(rows compared, rows that differ in any bit) beside batch features of those bars."""
        _, mine, theirs = np.intersect1d(self.open_ms, open_ms, return_indices=True)
        one, other = self.features[mine], features[theirs]
        same = ((one == other) | (np.isnan(one) & np.isnan(other))).all(axis=1)
        return len(mine), int((~same).sum())


def read_shadow(
    journal: JournalReads, *, symbol: str, strategy_id: int, graphs: Mapping[str, str],
    learned_until_ms: int,
) -> ShadowRecord:  # fmt: skip
    """The journal's record of these graphs, of bars that none of them has learned from.

    Raises `DaemonError` where other graphs serve, or no such bar was decided.
    """
    since_ms = max(_served_since(journal, graphs), learned_until_ms)
    rows = [(at, row) for at, row in journal.features(symbol) if at >= since_ms]
    if not rows:
        raise DaemonError(
            "--shadow: bars that these models have decided and not learned from are needed, the "
            "journal has none"
        )
    line = journal.decision_line(symbol, rows[0][0])
    last = journal.last_decision_line(symbol)
    assert line is not None
    assert last is not None
    first = parse_input(line)
    from_ms, to_ms = first.market.close_ms, parse_input(last).market.close_ms
    deals = [deal for deal in journal.deals() if deal.symbol == symbol]
    book = TradeBook(strategy_id, reason_of=lambda magic: close_reason(journal, magic))
    book.add(deals)
    trades = tuple(each for each in book.closed if each.opened_ms >= from_ms)
    return ShadowRecord(
        np.array([at for at, _ in rows], dtype=np.int64), _stacked([row for _, row in rows]),
        from_ms, to_ms, first.account.balance, trades, bool(book.opened),
    )  # fmt: skip


def _served_since(journal: JournalReads, graphs: Mapping[str, str]) -> int:
    """Since when the graphs that serve now have served without a break."""
    since, serving = 0, None
    for kind, at_ms, words in journal.events():
        if kind not in ("models_served", "models_swapped"):
            continue
        if words["graphs"] != serving:
            serving, since = words["graphs"], at_ms
    if serving != dict(graphs):
        raise DaemonError(
            "--shadow: a journal of the models that are backtested is allowed, other graphs serve "
            "there; let the daemon serve these models, or leave --shadow out"
        )
    return since


def _stacked(rows: Sequence[Float64s]) -> Float64s:
    width = len(rows[-1])
    return np.array([row for row in rows if len(row) == width])
