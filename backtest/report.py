"""What a person sees of a run: figures, months and denials as rows of text.

`console` prints them in a terminal; `html` puts them into a page with charts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from market.bars import Float64s
from trading.decision.records import ClosedTrade, InstrumentView
from trading.equity import EquityCurve
from trading.execution.intents import LevelsRequest, TradeRequest


@dataclass(frozen=True, slots=True)
class Month:
    """One UTC month. `return_pct`: of marked-to-market equity, from the month's start."""

    name: str
    trades: int
    won: int
    net_profit: float
    return_pct: float


@dataclass(frozen=True, slots=True)
class ChartTrade:
    """A finished trade with the levels it was opened with; 0.0 where there was none."""

    trade: ClosedTrade
    sl: float
    tp: float


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


def chart_trades(
    trades: Sequence[ClosedTrade], sent: Mapping[int, Sequence[TradeRequest]]
) -> tuple[ChartTrade, ...]:
    """Trades with the levels of the requests that opened them, by the instant of opening."""
    levels = {
        at_ms: (request.sl or 0.0, request.tp or 0.0)
        for at_ms, requests in sent.items()
        for request in requests
        if not isinstance(request, LevelsRequest) and request.position is None
    }
    return tuple(ChartTrade(trade, *levels.get(trade.opened_ms, (0.0, 0.0))) for trade in trades)


def r_multiples(trades: Sequence[ChartTrade], terms: InstrumentView) -> Float64s:
    """Net profit of each trade over what it risked at its first stop, (n,); NaN without a stop."""
    per_price = terms.tick_value / terms.tick_size
    risked = [
        abs(each.trade.price_open - each.sl) * each.trade.volume_lots * per_price
        if each.sl > 0
        else np.nan
        for each in trades
    ]
    return np.array([each.trade.net_profit for each in trades]) / np.array(risked)


def figures(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The summary's figures as (name, text), in reading order."""
    notes = summary["notes"]

    def text(key: str, form: str) -> str:
        value = summary[key]
        return f"none ({notes.get(key, 'no data')})" if value is None else form.format(value)

    return [
        ("bars decided", text("bars", "{:,}")),
        ("trades", text("trades", "{:,}")),
        ("win rate", text("win_rate", "{:.1%}")),
        ("profit factor", text("profit_factor", "{:.2f}")),
        ("net profit", text("net_profit", "{:,.2f}")),
        ("final equity", text("final_equity", "{:,.2f}")),
        ("max drawdown", text("max_drawdown_pct", "{:.2f} %")),
        ("Sharpe (daily, annual)", text("sharpe", "{:.2f}")),
        ("orders, deals", f"{summary['orders']:,}, {summary['deals']:,}"),
        ("decisions sha256", summary["decisions_sha256"][:16]),
        ("deals sha256", summary["deals_sha256"][:16]),
        ("data sha256", summary["data_sha256"][:16]),
    ]


MONTH_HEAD = ("month", "trades", "won", "net profit", "return")


def month_row(month: Month) -> tuple[str, ...]:
    won = f"{month.won / month.trades:.0%}" if month.trades else "-"
    gain = "-" if np.isnan(month.return_pct) else f"{month.return_pct:+.2f} %"
    return month.name, str(month.trades), won, f"{month.net_profit:,.2f}", gain


def denial_rows(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(rule, bars), the commonest first."""
    counts = sorted(summary["denials"].items(), key=lambda each: (-each[1], each[0]))
    return [(rule, f"{count:,}") for rule, count in counts]


def _month(instant_ms: int) -> str:
    return datetime.fromtimestamp(instant_ms / 1000, UTC).strftime("%Y-%m")
