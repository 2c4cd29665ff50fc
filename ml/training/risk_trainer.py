"""Trains the risk model: how much of the configured risk should the next trade take?

It learns from trades of backtests over out-of-fold forecasts. Each fold is labelled, fitted and
judged on its own trades; the final regressor sees all. It sizes; it never blocks a trade.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from market.bars import Float64s
from ml.features.catalogue import feature_hash
from ml.features.risk import RISK_FEATURES
from ml.predictors.compat import read_manifest
from ml.predictors.risk import RiskPredictor
from ml.predictors.settings import ModelPaths
from ml.training.after_signal import SignalEvidence, model_entry, provenance, signal_evidence
from ml.training.install import install_model
from ml.training.regressor_export import (
    MULTIPLIER_LIMITS,
    bounded_multiplier,
    compare_regressor,
    multiplier_graph,
)
from ml.training.risk_fitting import LabelledStates, fit_states, judged, labelled
from ml.training.risk_folds import risk_folds
from ml.training.risk_labels import MULTIPLIERS, SEGMENT_TRADES, RiskTrades
from ml.training.risk_scores import (
    RiskTest,
    earned,
    pooled,
    require_spread,
    require_trades,
    uncertainty,
    verdict,
)
from ml.training.risk_task import RiskTraining
from ml.training.risk_trades import RiskMarket, StopSpan, gate_trades
from ml.training.signal_task import Progress
from ml.training.sltp_table import sltp_table
from ml.training.sltp_trainer import SltpTraining, sltp_folds
from ml.training.table import TrainingTable, training_table


def train_risk(
    task: RiskTraining, paths: ModelPaths, progress: Progress = lambda step, done, total: None
) -> dict[str, Any]:
    """Trains, judges, checks and installs the risk model; returns its metadata.

    Raises `TrainingError` where an input is missing, where there are too few trades, and where the
    labels have no spread; then nothing has changed on disk. Also `ParityError`.
    """
    steps = task.signal.n_splits + 4
    progress("features", 0, steps)
    evidence = signal_evidence(task.signal, paths)
    market = risk_market(task, evidence, paths)
    progress("backtests over out-of-fold forecasts", 1, steps)
    sources = gate_trades(market, task.decision, task.settings.gate_factors)
    require_trades(sources, task.settings.min_trades)
    tests: list[RiskTest] = []
    scores: list[dict[str, Any]] = []
    for fold in risk_folds(sources, task.signal.n_splits, task.embargo_ms):
        progress(f"walk-forward fold {len(tests) + 1} of {steps - 4}", len(tests) + 2, steps)
        tested, of_fold = judged(task, fold)
        tests.append(tested)
        scores.append(of_fold)
    progress("final model", steps - 2, steps)
    states = labelled(task, sources)
    require_spread(states.label, sources, states.share)
    final = fit_states(task, states)
    progress("parity of the graph", steps - 1, steps)
    graph = multiplier_graph(final, len(RISK_FEATURES))
    said = bounded_multiplier(final.predict(states.rows))
    parity = compare_regressor(graph, states.rows, said)
    metadata = {
        **_metadata(task, evidence, market, sources, states, scores, pooled(tests)),
        "predicted": {"lowest": float(said.min()), "highest": float(said.max()),
                      "mean": float(said.mean())},
        "parity": parity.as_dict(),
    }  # fmt: skip
    install_model(
        paths.risk,
        graph,
        metadata,
        lambda *stamps: model_entry("risk", task.signal, RISK_FEATURES, *stamps),
        lambda new: RiskPredictor(paths.in_folder(new.graph.parent)).load(),
    )
    progress("done", steps, steps)
    return metadata


def risk_market(task: RiskTraining, evidence: SignalEvidence, paths: ModelPaths) -> RiskMarket:
    """What the backtests run over; with the SL/TP model's stops where it is there and trades."""
    signal = task.signal
    table = training_table(
        evidence.bars, signal.instrument, signal.features, signal.labels, signal.calendar,
        signal.onchain,
    )  # fmt: skip
    market = RiskMarket(evidence.bars, signal.instrument, table, evidence.oof, task.paper)
    listed = paths.sltp.graph.name in read_manifest(paths.manifest).models
    if not (task.decision.dynamic_sltp.use_model and listed):
        return market
    return replace(market, spans=tuple(stop_spans(task, evidence, table)))


def stop_spans(
    task: RiskTraining, evidence: SignalEvidence, table: TrainingTable
) -> Iterator[StopSpan]:
    """The test part of each walk-forward fold of the SL/TP model, and that fold's regressors."""
    signal, stops = task.signal, task.decision.dynamic_sltp
    sltp = SltpTraining(signal, (stops.sl_atr_multiplier, stops.tp_atr_multiplier), task.sltp)
    rows = sltp_table(
        evidence.bars, signal.instrument, table, evidence.oof, signal.labels.lookahead_candles,
        sltp.static,
    )  # fmt: skip
    for fold in sltp_folds(sltp, rows):
        first, last = (int(rows.open_ms[fold.test[place]]) for place in (0, -1))
        yield StopSpan(first, last + 1, fold.models)


def _metadata(
    task: RiskTraining,
    evidence: SignalEvidence,
    market: RiskMarket,
    sources: list[RiskTrades],
    states: LabelledStates,
    scores: list[dict[str, Any]],
    tested: RiskTest,
) -> dict[str, Any]:
    whole, sure = earned(tested), uncertainty(tested)
    return {
        **provenance("risk", task.signal, evidence),
        "stops": "SL/TP model, out of fold" if market.spans else "static",
        "trades": [
            {"gate_factor": factor, "count": len(each), "mean_r": _mean(each.r)}
            for factor, each in zip(task.settings.gate_factors, sources, strict=True)
        ],
        "rows": {"usable": len(states.rows), "tested_trades": len(tested.traded)},
        "feature_names": list(RISK_FEATURES),
        "feature_hash": feature_hash(RISK_FEATURES),
        "labeling": {
            "risk_percent": task.decision.risk_percent,
            "next_trades": task.settings.next_trades,
            "augmented": task.settings.augmented,
            "segment_trades": SEGMENT_TRADES,
            "mean": float(states.label.mean()),
            "standard_deviation": float(states.label.std()),
            "at_floor": float((states.label == MULTIPLIERS[0]).mean()),
            "at_cap": float((states.label == MULTIPLIERS[-1]).mean()),
            "multiplier_1_is_percent": 100 * states.share,
        },
        "limits": {"multiplier": list(MULTIPLIER_LIMITS)},
        "params": task.params,
        "folds": scores,
        "walk_forward": whole,
        "intervals": sure,
        "verdict": verdict(whole, sure, task.decision.risk_percent),
    }


def _mean(r: Float64s) -> float | None:
    return float(r.mean()) if len(r) else None
