"""The prop report as tables and as JSON: also what it leaves out, and how little it rests on."""

import math
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from backtest.prop.days import TradingDays
from backtest.prop.evaluation import Drawing, PhaseResult, ProfileResult
from backtest.prop.paths import PAYOUT_DAYS, RiskRow
from backtest.prop.record import AccountRecord
from backtest.statistics.proportions import Interval
from market.bars import utc_text
from trading.decision.prop_rules import PropProfile

MIN_TRADES, MIN_DAYS = 100, 30


def too_few(record: AccountRecord, traded_days: int) -> str:
    """Why this record is too short to be relied on; empty where it is not."""
    trades = len(record.trades)
    if trades >= MIN_TRADES and traded_days >= MIN_DAYS:
        return ""
    return (
        f"{trades} trades on {traded_days} days: fewer than {MIN_TRADES} trades or {MIN_DAYS} days "
        "with a trade say little; these shares may be far off"
    )


def left_out(record: AccountRecord, profiles: Sequence[PropProfile]) -> tuple[str, ...]:
    """What the paths do not show, in words."""
    found = [
        "own guards: they stood as recorded, and would stop other trades at another risk",
        "lot steps and margin: another risk scales every day exactly",
        "passing inside a day: profit is looked at when the firm's day is over",
    ]
    if not record.moments:
        found.append("open profit at midnight: a trade counts on the day it was closed")
    if record.moments:
        found.append("how low a trade stood inside the bar it ended in")
    elif not record.knows_lows:
        found.append("how low open trades stood: limits are looked at on closed profits alone")
    phases = [rules for each in profiles for rules in each.phases.values()]
    if any(each.target_pct is None for each in phases):
        found.append(
            f"the firm's own payouts: a phase without a target pays out every {PAYOUT_DAYS} days"
        )
    if any(each.news or each.weekend for each in phases):
        found.append("news and weekend rules of the phases that have them")
    return tuple(found)


def best_words(result: ProfileResult, risk_pct: float) -> str:
    """The risk that passes most often, and that nothing does better."""
    best, product = result.best, result.profile.product
    top = max(row.passes for row in result.risks)
    if top == 0:
        return f"{product}: no risk tried passes at all"
    text = (
        f"{product}: {_risk(best, risk_pct)} passes as often as any, {best.passes:.1%} "
        f"({_limits(result.best_passes)}); no risk tried passes more often than {top:.1%}"
    )
    if result.best_is_largest:
        text += "; it is the largest one tried"
    return text


def print_report(
    console: Console, record: AccountRecord, results: Sequence[ProfileResult],
    days: dict[str, TradingDays], how: Drawing, as_of: str, warnings: Sequence[str],
) -> None:  # fmt: skip
    """Everything a person reads, best words last."""
    console.print(_headline(record, how, as_of), highlight=False)
    console.print(_table(results))
    for each in results:
        console.print(_risk_table(each, record.risk_pct))
        console.print(best_words(each, record.risk_pct), highlight=False)
        console.print(f"{len(days[each.name])} days by its clock", style="dim", highlight=False)
    for words in left_out(record, [one.profile for one in results]):
        console.print(f"not in it: {words}", style="dim", highlight=False)
    for text in warnings:
        console.print(f"warning: {text}", style="yellow", highlight=False)


def as_json(
    record: AccountRecord, results: Sequence[ProfileResult], days: dict[str, TradingDays],
    how: Drawing, as_of: str, warnings: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    """The same for programs; what does not exist is null."""
    return {
        "source": record.source,
        "trades": len(record.trades),
        "risk_pct": _number(record.risk_pct),
        "paths": how.paths, "horizon_days": how.days, "seed": how.seed,
        "rules_as_of": as_of,
        "profiles": {each.name: _profile(each, record, days[each.name]) for each in results},
        "left_out": list(left_out(record, [one.profile for one in results])),
        "warnings": list(warnings),
    }  # fmt: skip


def _headline(record: AccountRecord, how: Drawing, as_of: str) -> str:
    risk = "" if math.isnan(record.risk_pct) else f", {record.risk_pct:.2f} % risk per trade"
    return (
        f"prop report of {record.source}: {len(record.trades)} trades{risk}; {how.paths} paths of "
        f"up to {how.days} days, seed {how.seed}; rules as of {as_of}"
    )


def _table(results: Sequence[ProfileResult]) -> Table:
    table = Table(title="at the recorded risk")
    table.add_column("product, phase")
    for name in ("passes", "daily limit", "total limit", "still open", "days to pass (10-90 %)"):
        table.add_column(name, justify="right")
    for each in results:
        for phase in each.phases:
            table.add_row(f"{each.profile.product}, {phase.phase}", *_cells(each, phase))
        limits = _limits(each.passes_all)
        table.add_row("  all phases with a target", f"{each.passes_all.share:.1%} ({limits})")
    return table


def _cells(result: ProfileResult, phase: PhaseResult) -> tuple[str, ...]:
    has_target = result.profile.phase(phase.phase).target_pct is not None
    took = "–"
    if not math.isnan(phase.mean_days):
        took = f"{phase.mean_days:.0f} ({phase.days_p10:.0f}-{phase.days_p90:.0f})"
    return (
        f"{phase.passes.share:.1%}" if has_target else "no target",
        f"{phase.daily.share:.1%}", f"{phase.total.share:.1%}", f"{phase.still_open.share:.1%}",
        took,
    )  # fmt: skip


def _risk_table(result: ProfileResult, risk_pct: float) -> Table:
    table = Table(title=f"{result.profile.product}: at other risks")
    for name in ("risk", "passes all", "breaks a limit"):
        table.add_column(name, justify="right")
    for row in result.risks:
        style = "bold" if row is result.best else ""
        risk = _risk(row, risk_pct)
        table.add_row(risk, f"{row.passes:.1%}", f"{row.breaks:.1%}", style=style)
    return table


def _risk(row: RiskRow, risk_pct: float) -> str:
    times = f"{row.scale:g} x"
    if math.isnan(risk_pct):
        return f"{times} the recorded risk"
    return f"{row.scale * risk_pct:.2f} % per trade ({times})"


def _limits(share: Interval) -> str:
    return f"{share.low:.0%} to {share.high:.0%}"


def _profile(result: ProfileResult, record: AccountRecord, days: TradingDays) -> dict[str, Any]:
    span = [utc_text(int(each)) for each in days.start_ms[[0, -1]]]
    return {
        "product": result.profile.product,
        "days": len(days), "days_traded": int(days.traded.sum()),
        "from": span[0], "to": span[1],
        "phases": {each.phase: _phase(each) for each in result.phases},
        "all_phases": _share(result.passes_all) | {"breaks": result.breaks},
        "risks": [_risk_row(each, record.risk_pct) for each in result.risks],
        "best": _risk_row(result.best, record.risk_pct) | {
            "low": result.best_passes.low, "high": result.best_passes.high,
            "is_largest_tried": result.best_is_largest,
        },
    }  # fmt: skip


def _phase(phase: PhaseResult) -> dict[str, Any]:
    return {
        "passes": _share(phase.passes), "daily_limit": _share(phase.daily),
        "total_limit": _share(phase.total), "still_open": _share(phase.still_open),
        "days": {
            "mean": _number(phase.mean_days), "p10": _number(phase.days_p10),
            "p50": _number(phase.days_p50), "p90": _number(phase.days_p90),
        },
    }  # fmt: skip


def _risk_row(row: RiskRow, risk_pct: float) -> dict[str, float | None]:
    return {
        "scale": row.scale, "risk_pct": _number(row.scale * risk_pct), "passes": row.passes,
        "breaks": row.breaks,
    }  # fmt: skip


def _share(share: Interval) -> dict[str, float]:
    return {"share": share.share, "low": share.low, "high": share.high}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
