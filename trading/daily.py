"""The report of a local day, written into the outbox when the day is over.

daily     date, zone, from_ms, to_ms, currency, balance, equity, open_positions, open_profit, net,
          trades, won, best, worst, decided, missed, refusals {rule: bars} (the five most frequent)
metrics   date, decided, missed, decision_ms_p50, decision_ms_p99, decision_ms_longest, trades, won,
          net
"""

from datetime import UTC, datetime
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from broker.contract.messages import Snapshot
from market.local_days import LocalPeriods
from trading.day_figures import latency, own_trades, refusals, traded
from trading.journal import Journal
from trading.outbox import Outgoing
from trading.report import BarReport, Relay, Reporter
from trading.status_board import StatusBoard

_NEXT_DAY_MS = 26 * 3_600_000  # a local day has 23 to 25 hours
_MOST = 5
_FIGURES = ("symbol", "date", "decided", "missed", "trades", "won", "net")


class DailyReporter(Relay):
    """A day is reported at the first bar or look after it; of days without a decision nothing is
    said. `bar_ms`: how long a bar is."""

    def __init__(
        self, journal: Journal, board: StatusBoard, view: Reporter, *, symbol: str,
        strategy_id: int, zone: str, bar_ms: int,
    ) -> None:  # fmt: skip
        super().__init__(view)
        self._journal = journal
        self._board = board
        self._symbol = symbol
        self._strategy_id = strategy_id
        self._zone = ZoneInfo(zone)
        self._days = LocalPeriods(zone)
        last_ms = journal.handled_open_ms(symbol)
        self._day_ms = None if last_ms is None else self._days.start_ms(last_ms + bar_ms - 1)

    def bar(self, report: BarReport) -> None:
        self._look(report.now_ms)
        super().bar(report)

    def beat(self, snapshot: Snapshot) -> None:
        self._look(snapshot.as_of_msc)
        super().beat(snapshot)

    def _look(self, now_ms: int) -> None:
        if self._day_ms is None:
            self._day_ms = self._days.start_ms(now_ms)
            return
        while (next_ms := self._days.start_ms(self._day_ms + _NEXT_DAY_MS)) <= now_ms:
            words = self._figures(self._day_ms, next_ms)
            if words["decided"]:
                self._tell(next_ms, words | self._money())
            self._day_ms = next_ms

    def _money(self) -> dict[str, Any]:
        """As the last look showed it."""
        account, held = self._board.now.account, self._board.now.positions
        if account is None:
            return {}
        return {
            "currency": account.currency, "balance": account.balance, "equity": account.equity,
            "open_positions": len(held),
            "open_profit": round(sum(each.profit + each.swap for each in held), 8),
        }  # fmt: skip

    def _tell(self, at_ms: int, words: dict[str, Any]) -> None:
        date, times = words["date"], words.pop("times")
        timing = {f"decision_ms_{key}": value for key, value in times.items()}
        figures = {key: words[key] for key in _FIGURES}
        self._journal.announce(
            Outgoing("daily", f"daily-{date}", at_ms, words),
            Outgoing("metrics", f"metrics-{date}", at_ms, figures | timing),
        )

    def _figures(self, from_ms: int, to_ms: int) -> dict[str, Any]:
        """Bars count for the day in which they opened."""
        journal, symbol = self._journal, self._symbol
        times = latency(journal.decision_times_between(symbol, from_ms, to_ms))
        trades = own_trades(journal, strategy_id=self._strategy_id, symbol=symbol)
        did = traded(trades, from_ms, to_ms)
        most = islice(refusals(journal, symbol, from_ms, to_ms).items(), _MOST)
        return {
            "symbol": symbol,
            "date": f"{datetime.fromtimestamp(from_ms / 1000, UTC).astimezone(self._zone):%F}",
            "zone": self._zone.key, "from_ms": from_ms, "to_ms": to_ms,
            "net": did.net, "trades": did.count, "won": did.won,
            "best": did.best, "worst": did.worst, "decided": times.count,
            "missed": journal.missed_between(from_ms, to_ms), "refusals": dict(most),
            "times": {"p50": times.p50_ms, "p99": times.p99_ms, "longest": times.longest_ms},
        }  # fmt: skip
