"""Phase evaluate: candidate and champion over the same weeks that neither has seen.

Each run is a look in the trial ledger before anybody sees what it showed. Reports, trades and the
candidate's evidence, with its forecast band, are written here; the gates read figures alone.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from market.bars import Float64s, Int64s, utc_text
from ml.hub.store import write_whole
from retrain.history import candidate_settings, given_for
from retrain.judged_costs import told as told_costs
from retrain.phase import PhaseResult, Run
from retrain.window import WEEK_MS, settings_of, window

if TYPE_CHECKING:
    from backtest.decided_run import DecidedRun
    from backtest.report.analysis import Analysis
    from backtest.statistics import TrialSharpes
    from settings import Settings

_SEED = 0  # of the bootstrap: the same for all that are compared
_TOLD = ("trades", "win_rate", "profit_factor", "net_profit", "max_drawdown_pct", "sharpe",
         "decisions_sha256", "deals_sha256", "alarms", "warnings")  # fmt: skip


def evaluate(run: Run) -> PhaseResult:
    """`candidate` and `champion` (None: there is none that can be compared) with figures and score;
    `from_ms`, `to_ms`, `weeks`: what both were judged on; `costs`: what both were charged."""
    from_ms, to_ms = judged_span(run)
    settings = candidate_settings(run)
    mine = _judged(run, "candidate", run.candidate, settings, (from_ms, to_ms))
    theirs, why, costs = None, why_not_compared(run), told_costs(run)
    if not why:
        theirs = _judged(run, "champion", run.options.models, settings_of(run), (from_ms, to_ms))
    figures = {
        "from_ms": from_ms,
        "to_ms": to_ms,
        "weeks": (to_ms - from_ms) / WEEK_MS,
        "candidate": mine,
        "champion": theirs,
        "champion_why_not": why,
        "costs": costs,
    }
    words = [*costs["words"], _line("candidate", mine)]
    words.append(f"champion: not compared: {why}" if theirs is None else _line("champion", theirs))
    return PhaseResult(figures, tuple(words))


def judged_span(run: Run) -> tuple[int, int]:
    """Where both are judged: from where neither has learned, if enough weeks are left then; else
    the candidate alone, on all judged weeks."""
    of, champion_ms = window(run), run.result("data_audit")["champion_cutoff_ms"]
    if champion_ms is None or why_not_compared(run):
        return of.judge_ms, of.to_ms
    return max(of.judge_ms, champion_ms), of.to_ms


def why_not_compared(run: Run) -> str:
    """Why there is no champion to compare with; empty where there is one."""
    of, audited = window(run), run.result("data_audit")
    champion_ms = audited["champion_cutoff_ms"]
    if champion_ms is None:
        return "there is no champion"
    weeks = weeks_unseen(run)
    needed = run.settings.gate.retrain.min_weeks
    if weeks >= min(needed, (of.to_ms - of.judge_ms) / WEEK_MS):
        return ""
    return (
        f"it learned until {utc_text(champion_ms)} UTC, {max(weeks, 0):.1f} weeks before the end; "
        f"{needed:g} are needed, which is from {utc_text(audited['comparable_from_ms'])} UTC on"
    )


def weeks_unseen(run: Run) -> float:
    """Weeks at the end of the bars that neither candidate nor champion has learned from."""
    of, champion_ms = window(run), run.result("data_audit")["champion_cutoff_ms"]
    return (of.to_ms - max(of.judge_ms, champion_ms or 0)) / WEEK_MS


def trades_of(run: Run, who: str) -> tuple[Int64s, Float64s, Float64s]:
    """(closed_ms, net, r), each (n,), of an evaluated run's trades in order of closing."""
    told = json.loads((run.backtests / f"{who}_trades.json").read_bytes())
    r = [np.nan if each is None else each for each in told["r"]]
    return (
        np.array(told["closed_ms"], dtype=np.int64),
        np.array(told["net"], dtype=np.float64),
        np.array(r, dtype=np.float64),
    )


def _judged(
    run: Run, who: str, models: Path | None, settings: "Settings", span: tuple[int, int]
) -> dict[str, Any]:
    """One system over the judged weeks: files below `backtests`, figures for the store."""
    from backtest.decided_run import decided_run
    from backtest.looks import look
    from backtest.plain_json import as_json
    from backtest.report.analysis import analyse
    from backtest.report.html import write_report
    from backtest.statistics import max_drawdown, score

    given = given_for(run, models, from_ms=span[0], to_ms=span[1])
    done = decided_run(given, settings=settings)
    trials: list[TrialSharpes] = []

    def looked(summary: Mapping[str, Any]) -> "TrialSharpes":
        trials.append(look(done, summary))
        return trials[-1]

    analysis = analyse(done, looked)
    run.backtests.mkdir(parents=True, exist_ok=True)
    write_report(run.backtests / f"{who}.html", analysis)
    trades = _trades(analysis)
    write_whole(run.backtests / f"{who}_trades.json", json.dumps(trades).encode())
    net = np.array(trades["net"], dtype=np.float64)
    rated = score(net, max_drawdown(done.run.curve), seed=_SEED)
    told = {key: analysis.summary[key] for key in _TOLD}
    if who == "candidate":
        told |= _write_evidence(run, done, given, trials[-1])
    return told | {
        "score": as_json(asdict(rated)),
        "graphs": {each.kind: each.metadata.graph.sha256 for each in done.models.all},
        "report": f"backtests/{who}.html",
    }  # fmt: skip


def _trades(of: "Analysis") -> dict[str, list[Any]]:
    """Finished trades in order of closing; R is None where a trade had no stop."""
    from backtest.plain_json import as_json
    from backtest.report.trades import r_multiples

    r = r_multiples(of.trades, of.run.terms)
    pairs = [(each.trade, float(multiple)) for each, multiple in zip(of.trades, r, strict=True)]
    ordered = sorted(pairs, key=lambda pair: pair[0].closed_ms)
    return {
        "closed_ms": [trade.closed_ms for trade, _ in ordered],
        "net": [trade.net_profit for trade, _ in ordered],
        "r": as_json([multiple for _, multiple in ordered]),
    }


def _write_evidence(
    run: Run, done: "DecidedRun", given: Any, trials: "TrialSharpes"
) -> dict[str, Any]:
    """The candidate's evidence beside its models; shadow days and live features are not in it yet.

    Without eight judged weeks there is no forecast band, and no evidence.
    """
    from backtest.evidence import evidence_path, write_evidence
    from backtest.evidence_figures import evidence_of, measured

    swept = run.backtests / "sweep.json"
    given.sweep = swept if swept.is_file() else None
    found, path = measured(done, given, trials), evidence_path(run.candidate, run.symbol)
    path.unlink(missing_ok=True)
    if found.band is None:
        return {"evidence": None, "band": None}
    write_evidence(path, evidence_of(done, found.figures, found.band))
    return {"evidence": path.name, "band": found.band.as_dict()}


def _line(who: str, of: Mapping[str, Any]) -> str:
    rated = of["score"]
    value = rated["why_not"] if rated["value"] is None else f"score {rated['value']:.1f}"
    factor = "-" if of["profit_factor"] is None else f"{of['profit_factor']:.2f}"
    won = "-" if of["win_rate"] is None else f"{of['win_rate']:.1%}"
    return f"{who}: {of['trades']} trades, won {won}, profit factor {factor}, {value}"
