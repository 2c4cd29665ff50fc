"""What a run came to: one definition of every figure, for paper and backtest.

Percentages are in `*_pct`; `win_rate` is a share. A figure that does not exist is null, and
`notes` says why. Drawdown and Sharpe come from marked-to-market equity, see `trading.equity`.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from broker.contract.constants import DealType
from broker.contract.messages import Deal
from market.bars import Bars
from trading.canonical import deal_line, sha256_lines
from trading.decision.records import ClosedTrade, InstrumentView
from trading.equity import EquityCurve, equity_curve
from trading.implausible import implausible
from trading.sharpe import daily_returns, sharpe_daily
from trading.trade_book import closed_trades


def summarise(
    lines: Iterable[str],
    deals: Sequence[Deal],
    bars: Bars,
    instrument: InstrumentView,
    *,
    strategy_id: int,
    initial_balance: float,
    final_equity: float,
    data_sha256: str,
    decision_ms: Sequence[float] = (),
    days_a_year: int = 365,
) -> dict[str, Any]:
    """The summary of one run, ready for JSON.

    `lines`: canonical decision lines, oldest first; `deals`: all of the account's in (time,
    ticket) order; `bars`: the decided range; `final_equity`: the account's own, after the last
    decision's orders. Positions open at the end stay open: they count in the equity only.
    """
    counted = _count(lines)
    traded = [deal for deal in deals if deal.type in (DealType.BUY, DealType.SELL)]
    trades = closed_trades(traded, strategy_id)
    curve = equity_curve(traded, bars, instrument, initial_balance=initial_balance)
    notes: dict[str, str] = {}
    summary: dict[str, Any] = {
        "bars": len(bars),
        "decisions": counted.decisions,
        "orders": counted.orders,
        "deals": len(traded),
        "denials": dict(sorted(counted.denials.items())),
        **_trade_figures(trades, notes),
        "max_drawdown_pct": 100 * float(curve.drawdown.max(initial=0.0)),
        "sharpe": _sharpe(curve, initial_balance, days_a_year, notes),
        "initial_balance": initial_balance,
        "final_equity": final_equity,
        **_latency(decision_ms, notes),
        "decisions_sha256": counted.sha256,
        "deals_sha256": sha256_lines(deal_line(deal) for deal in traded),
        "data_sha256": data_sha256,
    }
    return summary | {"alarms": alarms(summary), "notes": notes}


def alarms(summary: dict[str, Any]) -> list[str]:
    """In words, what about the figures of this whole window is probably wrong."""
    factor = summary["profit_factor"]
    if factor is None and summary["net_profit"] > 0:  # a gain without a loss
        factor = math.inf
    return implausible(
        sharpe=summary["sharpe"],
        profit_factor=factor,
        win_rate=summary["win_rate"],
        trades=summary["trades"],
    )


@dataclass(slots=True)
class _Counted:
    decisions: int
    orders: int
    denials: Counter[str]
    sha256: str


def _count(lines: Iterable[str]) -> _Counted:
    counted = _Counted(0, 0, Counter(), "")

    def each() -> Iterable[str]:
        for line in lines:
            words = json.loads(line)
            counted.decisions += 1
            counted.orders += len(words["intents"])
            counted.denials.update({rule for rule, _, _ in words["denials"]})
            yield line

    counted.sha256 = sha256_lines(each())
    return counted


def _trade_figures(trades: Sequence[ClosedTrade], notes: dict[str, str]) -> dict[str, Any]:
    nets = [trade.net_profit for trade in trades]
    won = math.fsum(net for net in nets if net > 0)
    lost = -math.fsum(net for net in nets if net < 0)
    if not trades:
        notes["win_rate"] = "no finished trade"
    if lost == 0:
        notes["profit_factor"] = "no losing trade" if trades else "no finished trade"
    return {
        "trades": len(trades),
        "win_rate": sum(net > 0 for net in nets) / len(nets) if nets else None,
        "profit_factor": won / lost if lost > 0 else None,
        "net_profit": round(won - lost, 8),
    }


def _sharpe(
    curve: EquityCurve, initial_balance: float, days_a_year: int, notes: dict[str, str]
) -> float | None:
    """`trading.sharpe.sharpe_daily`, where equity has one."""
    solvent = bool((curve.close > 0).all())
    found = sharpe_daily(
        daily_returns(curve, initial_balance) if solvent else np.zeros(0), days_a_year=days_a_year
    )
    if found.days < 2:
        notes["sharpe"] = "needs two days or more of equity above 0"
        return None
    if math.isnan(found.annual):
        notes["sharpe"] = "daily equity does not move"
        return None
    return found.annual


def _latency(decision_ms: Sequence[float], notes: dict[str, str]) -> dict[str, float | None]:
    keys = ("decision_ms_p50", "decision_ms_p99")
    if not decision_ms:
        notes.update(dict.fromkeys(keys, "not measured"))
        return dict.fromkeys(keys)
    p50, p99 = np.percentile(decision_ms, [50, 99])
    return {keys[0]: float(p50), keys[1]: float(p99)}
