"""What each month of a run came to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from trading.decision.records import ClosedTrade
from trading.equity import EquityCurve


@dataclass(frozen=True, slots=True)
class Month:
    """One UTC month. `return_pct`: of marked-to-market equity, from the month's start."""

    name: str
    trades: int
    won: int
    net_profit: float
    return_pct: float


def months(
    trades: Sequence[ClosedTrade], curve: EquityCurve, initial_balance: float
) -> tuple[Month, ...]:
    """Every month of the run; a trade belongs to the month it closed in."""
    names = [_month(at - 1) for at in curve.time_ms.tolist()]
    found, start = [], initial_balance
    for name in dict.fromkeys(names):
        last = len(names) - 1 - names[::-1].index(name)
        nets = [trade.net_profit for trade in trades if _month(trade.closed_ms) == name]
        end = float(curve.close[last])
        change = 100 * (end / start - 1) if start > 0 else float("nan")
        found.append(Month(name, len(nets), sum(net > 0 for net in nets), sum(nets), change))
        start = end
    return tuple(found)


def _month(instant_ms: int) -> str:
    return datetime.fromtimestamp(instant_ms / 1000, UTC).strftime("%Y-%m")
