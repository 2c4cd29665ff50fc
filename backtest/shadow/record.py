"""What a daemon's journal proves of a system: days inside the forecast band, equal features.

Only what was decided in real time counts: a decision that the journal's writer observed, by the
host's clock, within minutes of its bar's close. A paper run at speed `max` has none.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backtest.checks.lookahead import same_bits
from backtest.evidence import flat
from backtest.forecast_band import BackToPaper, CutRisk, ForecastBand, Inside, watch_band
from market.bars import Float64s, Int64s
from market.instruments import INSTRUMENTS
from market.timeframe import Timeframe
from trading.canonical import parse_input
from trading.close_reasons import close_reason
from trading.decision.records import ClosedTrade, DecisionInput
from trading.errors import DaemonError
from trading.journal_reads import DecisionMark, JournalReads
from trading.trade_book import TradeBook

_BAR_MS = Timeframe.M15.ms
_DAY_MS = 86_400_000
# `act_within_s` of 300 s, and a cycle of a minute; a clock may be a minute off the other way.
LATEST_MS = 360_000
EARLIEST_MS = -60_000
# How much is risked is the account's, not the system's.
_OF_THE_ACCOUNT = ("risk_percent", "max_lot")


class NoShadow(DaemonError):
    """The journal has no bar of this system that counts."""


@dataclass(frozen=True, slots=True, eq=False)
class ShadowRecord:
    """Bars that these graphs decided in real time, by the same settings, until the journal's end.

    `open_ms` (n,), `features` (n, k) as they were decided on; `trades` closed since, in order of
    closing; `balance` at the first of them. `missed_bars`: bars of trading hours between the first
    and the last that have no decision in real time, those that never came included. `has_deals`:
    False in a dry run, which trades nothing. `spread_points`: mean of the quotes decided on.
    """

    open_ms: Int64s
    features: Float64s
    from_ms: int
    to_ms: int
    balance: float
    trades: tuple[ClosedTrade, ...]
    has_deals: bool
    missed_bars: int = 0
    spread_points: float = math.nan

    @property
    def days(self) -> float:
        """From the first bar's close to the last one's, less the bars that were missed."""
        return (self.to_ms - self.from_ms - self.missed_bars * _BAR_MS) / _DAY_MS

    def stands(self, band: ForecastBand) -> Inside | CutRisk | BackToPaper:
        """Where its trades lie beside a band."""
        return watch_band(
            band, self.trades, since_ms=self.from_ms, now_ms=self.to_ms, balance=self.balance
        )

    def inside(self, band: ForecastBand) -> bool | None:
        """Whether its trades lie inside a band; None where nothing was traded at all."""
        return isinstance(self.stands(band), Inside) if self.has_deals else None

    def differing(self, open_ms: Int64s, features: Float64s) -> tuple[int, int]:
        """(rows compared, rows that differ in any bit) beside batch features of those bars."""
        _, mine, theirs = np.intersect1d(self.open_ms, open_ms, return_indices=True)
        same = same_bits(self.features[mine], features[theirs]).all(axis=1)
        return len(mine), int((~same).sum())


def read_shadow(
    journal: JournalReads, *, symbol: str, strategy_id: int, graphs: Mapping[str, str],
    settings: Mapping[str, Any], learned_until_ms: int,
) -> ShadowRecord:  # fmt: skip
    """The journal's record of these graphs, of bars that none of them has learned from.

    `settings`: the decision's, flat (`evidence.flat`); the record begins after the last bar that
    was decided by others, but for `risk_percent` and `max_lot`. Raises `DaemonError` where other
    graphs serve, `NoShadow` where no bar counts.
    """
    since_ms = max(_served_since(journal, graphs), learned_until_ms)
    marks = [mark for mark in journal.decision_marks(symbol) if mark.bar_open_ms >= since_ms]
    marks = _decided_by(journal, marks, settings)
    at = {mark.bar_open_ms for mark in marks if _in_real_time(mark)}
    _require_some(at, marks)
    rows = [(bar_ms, row) for bar_ms, row in journal.features(symbol) if bar_ms in at]
    first, last = (_line(journal, symbol, bar_ms) for bar_ms in (rows[0][0], rows[-1][0]))
    from_ms, to_ms = first.market.close_ms, last.market.close_ms
    deals = [deal for deal in journal.deals() if deal.symbol == symbol]
    book = TradeBook(strategy_id, reason_of=lambda magic: close_reason(journal, magic))
    book.add(deals)
    trades = tuple(each for each in book.closed if each.opened_ms >= from_ms)
    return ShadowRecord(
        np.array([bar_ms for bar_ms, _ in rows], dtype=np.int64), np.array([r for _, r in rows]),
        from_ms, to_ms, first.account.balance, trades, bool(book.opened), _missed(symbol, at),
        _spread_points(journal, symbol, at),
    )  # fmt: skip


def _in_real_time(mark: DecisionMark) -> bool:
    late_ms = mark.observed_ms - mark.bar_open_ms - _BAR_MS
    return EARLIEST_MS <= late_ms <= LATEST_MS


def _decided_by(
    journal: JournalReads, marks: Sequence[DecisionMark], settings: Mapping[str, Any]
) -> list[DecisionMark]:
    """Those after the last one that was decided by other settings."""
    allowed = _of_the_system(settings)
    same = {
        name: (tree := journal.kept_settings(name)) is not None
        and _of_the_system(flat(tree)) == allowed
        for name in {mark.settings_sha256 for mark in marks}
    }
    others = [place for place, mark in enumerate(marks) if not same[mark.settings_sha256]]
    return list(marks[others[-1] + 1 :] if others else marks)


def _of_the_system(settings: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON gives it back, without what is the account's."""
    told = {name: each for name, each in settings.items() if name not in _OF_THE_ACCOUNT}
    same: dict[str, Any] = json.loads(json.dumps(told))
    return same


def _require_some(at: set[int], marks: Sequence[DecisionMark]) -> None:
    if at:
        return
    if not marks:
        raise NoShadow(
            "--shadow: bars that these models have decided by these settings, and have not learned "
            "from, are needed; the journal has none"
        )
    late_s = (marks[-1].observed_ms - marks[-1].bar_open_ms - _BAR_MS) / 1000
    raise NoShadow(
        f"--shadow: bars decided within {LATEST_MS / 1000:.0f} s of their close are needed; none "
        f"of {len(marks)} was, the last one {late_s:.0f} s after it: a paper run is no shadow, nor "
        "is one by a clock that is wrong"
    )


def _missed(symbol: str, at: set[int]) -> int:
    """Bars of trading hours from the first to the last that are not among those."""
    opens = np.arange(min(at), max(at) + 1, _BAR_MS, dtype=np.int64)
    expected = opens[INSTRUMENTS[symbol].sessions.are_open(opens)]
    return int((~np.isin(expected, list(at))).sum())


def _spread_points(journal: JournalReads, symbol: str, at: set[int]) -> float:
    decided = [parse_input(line) for line in journal.decision_lines(symbol)]
    quotes = [each.quote for each in decided if each.market.open_ms in at]
    return float(np.mean([each.ask - each.bid for each in quotes])) / INSTRUMENTS[symbol].point


def _line(journal: JournalReads, symbol: str, bar_ms: int) -> DecisionInput:
    line = journal.decision_line(symbol, bar_ms)
    assert line is not None
    return parse_input(line)


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
