"""Phases walk_forward_gate and score_gate: what the evaluation's figures are worth.

A gate that says no is a result; the pipeline goes on and phase swap keeps the champion. The go-live
gate is asked of what serves afterwards: it decides nothing here, a real-money account asks it.
"""

import math
from pathlib import Path
from typing import Any

from backtest.evidence import EvidenceError, evidence_path, read_evidence
from backtest.gates import GateResult, WalkForwardFigures, cut_folds, go_live_gate, retrain_gate
from backtest.gates import walk_forward_gate as walk_forward
from backtest.statistics import Score
from retrain.evaluation import trades_of, weeks_unseen
from retrain.phase import PhaseResult, Run


def walk_forward_gate(run: Run) -> PhaseResult:
    """The candidate's folds. `passed`, and each criterion."""
    told, gate = run.result("evaluate"), run.settings.gate
    folds = cut_folds(
        *trades_of(run, "candidate"), from_ms=told["from_ms"], to_ms=told["to_ms"],
        fold_weeks=gate.walk_forward.fold_weeks,
    )  # fmt: skip
    sharpe = told["candidate"]["sharpe"]
    sharpe = math.nan if sharpe is None else float(sharpe)
    return _result(walk_forward(WalkForwardFigures(folds, sharpe, told["weeks"]), gate))


def score_gate(run: Run) -> PhaseResult:
    """The candidate's score beside the champion's over the same weeks. `passed`, and each
    criterion."""
    told = run.result("evaluate")
    mine, weeks, theirs = _score(told["candidate"]["score"]), told["weeks"], None
    if told["champion"] is not None:
        theirs = _score(told["champion"]["score"])
    elif run.result("data_audit")["champion_cutoff_ms"] is not None:
        theirs = Score(None, math.nan, math.nan, 0, told["champion_why_not"])
        weeks = max(0.0, weeks_unseen(run))
    gate = run.settings.gate.retrain
    return _result(retrain_gate(mine, theirs, weeks=weeks, settings=gate))


def go_live_of(models: Path, run: Run) -> dict[str, Any]:
    """What the go-live gate says of the evidence in a folder: `words`, and where it can be read
    `passed`, each criterion, and the `costs` that its trades paid."""
    try:
        evidence = read_evidence(evidence_path(models, run.symbol))
    except EvidenceError as error:
        return {"words": [str(error)]}
    if evidence is None:
        return {"words": ["no evidence serves with the models: eight judged weeks are needed"]}
    made = _result(go_live_gate(evidence.figures, run.settings.gate.go_live))
    missing = [each["name"] for each in made.figures["criteria"] if not each["met"]]
    said = f"not passed: {', '.join(missing)}" if missing else "passed"
    words = [f"go-live gate of its evidence, for real money: {said}"]
    return {**made.figures, "costs": evidence.costs.text, "words": words}


def _score(told: dict[str, Any]) -> Score:
    """The inverse of the figures' JSON, with NaN for what was not finite."""
    floats = ("profit_factor_p5", "max_drawdown")
    return Score(**(told | {key: math.nan for key in floats if told[key] is None}))


def _result(found: GateResult) -> PhaseResult:
    figures = {
        "gate": found.gate,
        "passed": found.passed,
        "criteria": [each.as_dict() for each in found.criteria],
        "warnings": list(found.warnings),
    }
    words = [f"{found.gate}: {'passed' if found.passed else 'not passed'}", *found.warnings]
    words += [f"{each.name}: {each.needed} needed, {each.seen} seen" for each in found.missing]
    return PhaseResult(figures, tuple(words))
