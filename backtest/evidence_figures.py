"""The figures that an evidence file is made of: backtest, ledger, sweep, shadow."""

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backtest.decided_run import DecidedRun
    from backtest.evidence import ChargedCosts, Evidence
    from backtest.forecast_band import ForecastBand
    from backtest.gates import GoLiveFigures
    from backtest.shadow.record import ShadowRecord
    from backtest.statistics import TrialSharpes
    from market.bars import Float64s, Int64s

_WEEK_MS = 7 * 86_400_000


@dataclass(frozen=True, slots=True)
class Measured:
    """`band`: None where there are too few weeks for one."""

    figures: "GoLiveFigures"
    band: "ForecastBand | None"


def measured(
    done: "DecidedRun", given: argparse.Namespace, trials: "TrialSharpes | None" = None
) -> Measured:
    """Every figure of the gate; the look is in the ledger before anybody sees what it showed.

    `trials`: the ledger's, where the look is in it already.
    """
    import numpy as np

    from backtest.evidence_gaps import gaps, swept
    from backtest.gates.measure import measure
    from backtest.looks import look
    from backtest.report.analysis import plain_summary
    from backtest.report.review import Review
    from backtest.statistics import daily_returns
    from trading.risk_state import net_profits

    run = done.run
    shadow = None if given.shadow is None else _shadow(given.shadow, done)
    chosen = swept(given, done)
    if trials is None:
        trials = look(done, plain_summary(done, Review(run)))
    from_ms, to_ms = span(done)
    solvent = bool((run.curve.close > 0).all())
    figures = measure(
        net_profits(run.trades),
        daily_returns(run.curve, run.initial_balance) if solvent else np.zeros(0),
        weeks=(to_ms - from_ms) / _WEEK_MS, trials=trials,
    )  # fmt: skip
    band = _band(done)
    rest = _sameness(done) | _shadowed(done, given, shadow, band)
    rest |= gaps(done, evidence_file(done, given))
    rest |= {"cost_gaps": None if shadow is None else charged(done).gaps(shadow.spread_points)}
    return Measured(replace(figures, **chosen, **rest), band)


def evidence_file(done: "DecidedRun", given: argparse.Namespace) -> Path:
    """Where the evidence of these models lies, or `--out`."""
    from backtest.evidence import evidence_path

    symbol, out = done.settings.symbol, getattr(given, "out", None)
    folder = given.models or done.settings.ml.paths.for_symbol(symbol).graph.parent
    return out or evidence_path(folder, symbol)


def evidence_of(done: "DecidedRun", figures: "GoLiveFigures", band: "ForecastBand") -> "Evidence":
    """What was measured of the run's system, with the ledger's last row."""
    from backtest.evidence import Evidence, system_of
    from ml.training.trials import TrialLedger

    head = TrialLedger(done.settings.ml.study.ledger_path).head()
    made_ms = time.time_ns() // 1_000_000
    return Evidence(
        system_of(done.models, done.settings.decision), done.plan.data_sha256, *span(done),
        made_ms, figures, band, head.id, head.hash, charged(done),
    )  # fmt: skip


def charged(done: "DecidedRun") -> "ChargedCosts":
    """What the run's trades paid."""
    from backtest.evidence import ChargedCosts

    costs, points = done.costs, done.settings.paper.slippage_points
    spread_points = float(done.run.bars.bars.spread_points.mean())
    if costs is None:
        return ChargedCosts(points, spread_points)
    drawn = bool(costs.slippage_table)
    return ChargedCosts(None if drawn else points, spread_points, *done.costs_file, costs.deals)


def span(done: "DecidedRun") -> tuple[int, int]:
    """The decided bars: first open, last close."""
    bars = done.run.bars.bars
    return int(bars.open_ms[0]), int(bars.close_ms[-1])


def _sameness(done: "DecidedRun") -> dict[str, Any]:
    """What training measured of the graphs against the libraries, on real rows."""
    found = [notes["parity"] for each in done.models.all if "parity" in (notes := each.notes)]
    if len(found) < len(done.models.all):
        return {}
    flips = ("class_flips", "vote_flips")
    return {
        "forecast_rows": min(int(each["rows"]) for each in found),
        "class_flips": sum(int(each.get(key, 0)) for each in found for key in flips),
    }


def _shadow(folder: Path, done: "DecidedRun") -> "ShadowRecord":
    from backtest.evidence import system_of
    from backtest.shadow.record import read_shadow
    from trading.errors import DaemonError
    from trading.journal_reads import JournalReads
    from trading.outbox import open_read_only
    from trading.state_folder import StateFolder

    file = StateFolder(folder).journal
    if not file.exists():
        raise DaemonError(f"--shadow: a daemon's state folder is allowed, {folder} has no journal")
    journal = JournalReads(open_read_only(file))
    here = system_of(done.models, done.settings.decision)
    try:
        return read_shadow(
            journal, symbol=done.settings.symbol, strategy_id=done.run.rules.strategy_id,
            graphs=here.graphs, settings=here.settings, learned_until_ms=done.train_cutoff_ms,
        )  # fmt: skip
    finally:
        journal.close()


def _shadowed(
    done: "DecidedRun", given: argparse.Namespace, shadow: "ShadowRecord | None",
    band: "ForecastBand | None",
) -> dict[str, Any]:  # fmt: skip
    if shadow is None:
        return {}
    rows, differences = shadow.differing(*_batch_features(done, given, int(shadow.open_ms[0])))
    inside = None if band is None else shadow.inside(band)
    return {
        "shadow_days": shadow.days, "shadow_inside": inside, "feature_rows": rows,
        "feature_differences": differences if rows else None,
    }  # fmt: skip


def _batch_features(
    done: "DecidedRun", given: argparse.Namespace, from_ms: int
) -> tuple["Int64s", "Float64s"]:
    """(open (n,), features (n, k)) of the bars as they were, without learnt costs."""
    from backtest.decided_run import market_of
    from backtest.forecasts import batch_features

    _, history = market_of(given, done.settings, done.models)
    # one bar more, so that there is a row where the file ends before the shadow begins
    first = min(int(history.open_ms.searchsorted(from_ms)), len(history) - 1)
    rows = batch_features(
        history, groups=tuple(done.settings.ml.features.groups),
        round_step=done.run.rules.instrument.round_step, outside=done.outside, first_row=first,
    )  # fmt: skip
    return history.open_ms[first:], rows


def _band(done: "DecidedRun") -> "ForecastBand | None":
    """None where there are too few weeks for one."""
    from backtest.band_histories import LEAST_WEEKS
    from backtest.forecast_band import closed_returns, forecast_band

    from_ms, to_ms = span(done)
    if to_ms - from_ms < LEAST_WEEKS * _WEEK_MS:
        return None
    closed, returns = closed_returns(done.run.trades, done.run.initial_balance)
    return forecast_band(
        closed, returns, from_ms=from_ms, to_ms=to_ms, settings=done.settings.gate.band,
        seed=done.settings.paper.seed,
    )  # fmt: skip
