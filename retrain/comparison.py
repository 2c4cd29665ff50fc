"""Champion and candidate over the same weeks, and how sure each figure is."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from backtest.evidence import evidence_path, read_evidence
from backtest.statistics import bootstrap, profit_factor, wilson
from market.bars import Float64s
from retrain.phase import Run
from retrain.store import PhaseRecord

WHO = ("champion", "candidate")
Row = dict[str, Any]


def comparison(run: Run, records: Mapping[str, PhaseRecord]) -> Row | None:
    """`rows`: name and text of each figure for both; None before phase evaluate is over.

    Intervals are of 95 %: Wilson's for the win rate, stationary bootstrap for profit factor and R.
    """
    evaluated = records.get("evaluate")
    if evaluated is None or not evaluated.is_over:
        return None
    told = evaluated.figures
    both = {who: _figures(run, who, told.get(who)) for who in WHO}
    return {
        "from_ms": told["from_ms"],
        "to_ms": told["to_ms"],
        "weeks": told["weeks"],
        "why_no_champion": told.get("champion_why_not", ""),
        "trials": _trials(run, told["candidate"]),
        "costs": told.get("costs", {}).get("words", []),
        "rows": [
            {"name": name} | {who: both[who].get(name, "–") for who in WHO}
            for name in both["candidate"]
        ],
    }


def _trials(run: Run, told: Mapping[str, Any]) -> str:
    """How often was tried so far, and what that leaves of the Sharpe ratio; empty without
    evidence."""
    evidence = read_evidence(evidence_path(run.candidate, run.symbol)) if told["evidence"] else None
    if evidence is None:
        return ""
    of = evidence.figures
    deflated = _number(of.deflated_sharpe, "{:.2f}")
    return f"{of.trials:,} trials are in the ledger; deflated Sharpe ratio with them {deflated}"


def _figures(run: Run, who: str, told: Mapping[str, Any] | None) -> dict[str, str]:
    """Texts by name of figure; none for one that was not run."""
    if told is None:
        return {}
    net, r = _trades(run, who)
    won = wilson(int((net > 0).sum()), len(net))
    factor, mean_r = bootstrap(net, profit_factor), bootstrap(r, _mean)
    score = told["score"]
    return {
        "score": score["why_not"] if score["value"] is None else f"{score['value']:.1f}",
        "trades": f"{told['trades']}",
        "win rate": _between(won.share, won.low, won.high, "{:.1%}"),
        "profit factor": _between(factor.value, factor.low, factor.high, "{:.2f}"),
        "R a trade": _between(mean_r.value, mean_r.low, mean_r.high, "{:+.3f}"),
        "R in all": _number(float(r.sum()) if len(r) else math.nan, "{:+.1f}"),
        "net profit": _number(told["net_profit"], "{:+,.2f}"),
        "largest drawdown": _number(told["max_drawdown_pct"], "{:.1f} %"),
        "Sharpe ratio, annual": _number(told["sharpe"], "{:.2f}"),
        "alarms": "; ".join(told["alarms"]) or "none",
    }


def _trades(run: Run, who: str) -> tuple[Float64s, Float64s]:
    """(net (n,), R (m,)): R only of trades that had a stop."""
    from retrain.evaluation import trades_of

    _, net, r = trades_of(run, who)
    return net, r[~np.isnan(r)]


def _mean(values: Float64s) -> float:
    return float(values.mean()) if len(values) else math.nan


def _between(value: float, low: float, high: float, shape: str) -> str:
    inside = f" ({_number(low, shape)} to {_number(high, shape)})"
    return _number(value, shape) + ("" if math.isnan(low) else inside)


def _number(value: float | None, shape: str) -> str:
    return "–" if value is None or math.isnan(value) else shape.format(value)
