"""A run as rows of text: figures, proof, costs, months, groups, denials and settings."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from backtest.report.breakdown import Group
from backtest.report.costs import RunCosts
from backtest.report.coverage import STATES, KeyUse
from backtest.report.denial_ledger import DenialRow
from backtest.report.months import Month
from backtest.statistics import Interval

Rows = list[tuple[str, ...]]

PROOF_HEAD = ("figure", "value", "95 % limits")
MONTH_HEAD = ("month", "trades", "won", "net profit", "return")
GROUP_HEAD = ("group", "trades", "won", "95 % limits", "net profit", "mean R", "95 % limits")
LEDGER_HEAD = ("rule", "bars", "alone", "followed", "won", "saved", "mean R", "95 % limits", "it")
SETTINGS_HEAD = ("key", "value", "in this run", "why")
_PROOF = (
    ("win rate", "win_rate", "{:.1%}"),
    ("win rate to break even", "break_even_win_rate", "{:.1%}"),
    ("profit factor", "profit_factor", "{:.2f}"),
    ("profit factor, 5th percentile", "profit_factor_p5", "{:.2f}"),
    ("mean net profit of a trade", "mean_net", "{:,.2f}"),
    ("score", "score", "{:.1f}"),
    ("trades that would prove this win rate", "trades_to_prove", "{:,.0f}"),
    ("Sharpe (daily, annual)", "sharpe", "{:.2f}"),
    ("Sortino (daily, annual)", "sortino", "{:.2f}"),
    ("deflated Sharpe", "deflated_sharpe", "{:.2f}"),
    ("trials in the ledger", "trials", "{:,}"),
    ("days, and days needed", "days", "{:,}"),
    ("growth a year", "cagr", "{:.1%}"),
    ("largest drawdown", "max_drawdown", "{:.1%}"),
    ("Calmar", "calmar", "{:.2f}"),
    ("exits in bars of both levels, taken as stops", "ambiguous_exits", "{:,}"),
    ("time in the market", "exposure", "{:.1%}"),
    ("turnover a year, of equity", "turnover_a_year", "{:,.0f}"),
)


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
        ("max drawdown", text("max_drawdown_pct", "{:.2f}%")),
        ("Sharpe (daily, annual)", text("sharpe", "{:.2f}")),
        ("orders, deals", f"{summary['orders']:,}, {summary['deals']:,}"),
        ("decisions sha256", summary["decisions_sha256"][:16]),
        ("deals sha256", summary["deals_sha256"][:16]),
        ("data sha256", summary["data_sha256"][:16]),
    ]


def proof_rows(proof: Mapping[str, Any]) -> Rows:
    """(figure, value, limits); `proof` as in the summary: null is a figure that does not exist."""
    rows: Rows = []
    for name, key, form in _PROOF:
        value = proof[key]
        if not isinstance(value, Mapping):
            rows.append((name, _shown(value, form), _beside(key, proof)))
        elif "standard_error" in value:
            error = _shown(value["standard_error"], form)
            rows.append((name, _shown(value["value"], form), f"standard error {error}"))
        else:
            limits = f"{_shown(value['low'], form)} to {_shown(value['high'], form)}"
            rows.append((name, _shown(value["value"], form), limits))
    return rows


def cost_rows(costs: RunCosts) -> list[tuple[str, str]]:
    share = _shown(costs.share_of_gross, "{:.1%}")
    return [
        ("spread", f"{costs.spread:,.2f}"),
        ("commission", f"{costs.commission:,.2f}"),
        ("swap", f"{costs.swap:,.2f}"),
        ("slippage", f"{costs.slippage:,.2f}"),
        ("all", f"{costs.total:,.2f}"),
        ("share of gross profit (without slippage)", share),
        ("mean slippage, points (+ is worse)", f"{costs.slipped_points:+.2f}"),
        ("requests, refused", f"{costs.requests:,}, {costs.rejected:,}"),
    ]


def month_row(month: Month) -> tuple[str, ...]:
    won = f"{month.won / month.trades:.0%}" if month.trades else "-"
    gain = "-" if math.isnan(month.return_pct) else f"{month.return_pct:+.2f}%"
    return month.name, str(month.trades), won, f"{month.net_profit:,.2f}", gain


def group_rows(groups: Sequence[Group]) -> Rows:
    return [
        (
            each.name, f"{each.trades:,}", _share(each.won), _limits(each.won),
            f"{each.net_profit:,.2f}", _r(each.mean_r),
            _r_limits(each.mean_r_low, each.mean_r_high),
        )
        for each in groups
    ]  # fmt: skip


def ledger_rows(rows: Sequence[DenialRow]) -> Rows:
    return [
        (
            row.rule, f"{row.bars:,}", f"{row.alone:,}", f"{row.followed:,}", _share(row.won),
            f"{row.saved:,.0f}" if row.followed else "-", _r(row.mean_r),
            _r_limits(row.mean_r_low, row.mean_r_high), row.verdict,
        )
        for row in rows
    ]  # fmt: skip


def settings_rows(uses: Sequence[KeyUse]) -> Rows:
    """Every key, exercised ones first."""
    ordered = sorted(uses, key=lambda use: (STATES.index(use.state), use.key))
    return [(use.key, _value(use.value), use.state, use.why) for use in ordered]


def settings_counts(uses: Sequence[KeyUse]) -> str:
    """How many keys are in each state, in one line."""
    counts = {state: sum(use.state == state for use in uses) for state in STATES}
    return ", ".join(f"{count} {state}" for state, count in counts.items())


def _beside(key: str, proof: Mapping[str, Any]) -> str:
    if key == "days":
        return f"needed: {_shown(proof['days_needed'], '{:,.0f}')}"
    if key == "score":
        return str(proof["score_why_not"])
    return f"{proof['trials_with_sharpe']:,} with a Sharpe ratio" if key == "trials" else ""


def _shown(value: Any, form: str) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "none"
    return value if isinstance(value, str) else form.format(value)


def _share(won: Interval) -> str:
    return "-" if math.isnan(won.share) else f"{won.share:.0%}"


def _limits(won: Interval) -> str:
    return "-" if math.isnan(won.low) else f"{won.low:.0%} to {won.high:.0%}"


def _r(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:+.2f}"


def _r_limits(low: float, high: float) -> str:
    return "-" if math.isnan(low) else f"{low:+.2f} to {high:+.2f}"


def _value(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"


_MOST_CHARACTERS = 60
