"""An account's own trades, as a prop report needs them: from a journal, a backtest, or a table."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from backtest.prop.days import Moment, PastTrade, TradingDays, days_of_account, days_of_trades
from broker.contract.constants import DealType
from broker.contract.messages import Deal
from market.sources.errors import SourceError
from market.sources.text import read_table
from trading.canonical import parse_input
from trading.decision.guards import worst_equity
from trading.trade_book import TradeBook

_TRADES = (DealType.BUY, DealType.SELL)
_COLUMNS = ("opened", "closed", "net_profit")


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """What an account did. `risk_pct`: the mean risk of its entries, percent of equity; NaN where
    nobody knows. `moments` are empty where only finished trades are known; `payments`: (when, how
    much) was paid in or out. `first_balance`: before everything, deposit currency."""

    source: str
    trades: tuple[PastTrade, ...]
    opened_ms: tuple[int, ...]
    first_balance: float
    risk_pct: float = math.nan
    moments: tuple[Moment, ...] = ()
    payments: tuple[tuple[int, float], ...] = ()

    @property
    def knows_lows(self) -> bool:
        """Whether it is known how low equity went while trades were open."""
        return bool(self.moments) or all(each.worst is not None for each in self.trades)

    def days(self, zone: str) -> TradingDays:
        """Its days by a firm's clock. Raises `ValueError` where one begins without money."""
        if self.moments:
            return days_of_account(self.moments, self.opened_ms, zone, self.payments)
        return days_of_trades(self.trades, self.first_balance, zone)


def record_of_lines(
    source: str, lines: Iterable[str], deals: Sequence[Deal], strategy_id: int
) -> AccountRecord:
    """From decision lines, oldest first, and the account's deals in (time, ticket) order.

    Equity and its lows are those of the decided bars; a bar in which a trade ended shows what it
    came to, not how low it went before.
    """
    moments, risks = [], []
    for line in lines:
        now = parse_input(line)
        account = now.account
        moments.append(
            Moment(now.market.close_ms, account.balance, account.equity, worst_equity(now))
        )
        intents = json.loads(line)["intents"]
        risks += [each["enter"]["risk_pct"] for each in intents if "enter" in each]
    book = TradeBook(strategy_id)
    book.add(deals)
    known = [each for each in risks if each is not None]
    return AccountRecord(
        source,
        tuple(PastTrade(each.opened_ms, each.closed_ms, each.net_profit) for each in book.closed),
        tuple(book.opened),
        moments[0].balance if moments else math.nan,
        sum(known) / len(known) if known else math.nan,
        tuple(moments),
        tuple((deal.time_msc, _cash(deal)) for deal in deals if deal.type not in _TRADES),
    )


def record_of_table(path: Path, balance: float, risk_pct: float = math.nan) -> AccountRecord:
    """From a CSV with `opened`, `closed` (ISO, UTC), `net_profit`, and `worst` where it is known:
    how far below its entry the trade stood at most. `balance`: before the first one.

    Raises `SourceError` that names the file and what was allowed.
    """
    if not path.is_file():
        raise SourceError(f"{path}: there is no such file; check the name and the folder")
    try:
        trades = tuple(_trades(read_table(path, {"net_profit": pa.float64()})))
    except (SourceError, pa.ArrowException, OSError) as error:
        raise SourceError(f"{path.name}: {error}; correct the file") from error
    opened = tuple(each.opened_ms for each in trades)
    return AccountRecord(path.name, trades, opened, balance, risk_pct)


def _trades(table: pa.Table) -> Iterable[PastTrade]:
    missing = [name for name in _COLUMNS if name not in table.column_names]
    if missing:
        raise SourceError(
            f"columns: {', '.join(_COLUMNS)} must be there, but the file has "
            f"{', '.join(table.column_names)}"
        )
    opened, closed = (_times(table, name) for name in _COLUMNS[:2])
    worst = table["worst"].to_pylist() if "worst" in table.column_names else [None] * len(opened)
    rows = zip(opened, closed, table["net_profit"].to_pylist(), worst, strict=True)
    for place, (from_ms, to_ms, net, low) in enumerate(rows, start=1):
        if net is None or not math.isfinite(net) or from_ms > to_ms:
            raise SourceError(f"row {place}: opened before closed and a net_profit are allowed")
        yield PastTrade(from_ms, to_ms, net, None if low is None else min(0.0, float(low)))


def _times(table: pa.Table, name: str) -> list[int]:
    column = table[name]
    if not pa.types.is_timestamp(column.type) or column.null_count:
        raise SourceError(f"{name}: ISO text such as 2025-01-10T13:30:00Z is allowed in each row")
    times = pc.cast(pc.cast(column, pa.timestamp("ms", "UTC")), pa.int64())
    return [int(each) for each in times.to_pylist()]


def _cash(deal: Deal) -> float:
    return deal.profit + deal.swap + deal.commission + deal.fee
