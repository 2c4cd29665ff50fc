"""What a walk-forward run says: every figure, ready for JSON."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from backtest.gates import (
    GateResult,
    GateSettings,
    WalkForwardFigures,
    cut_folds,
    proof_gate,
    walk_forward_gate,
)
from backtest.gates.measure import measure
from backtest.plain_json import as_json
from backtest.statistics import TrialSharpes, profit_factor, sharpe_daily
from backtest.walk_forward.blocks import WEEK_MS, Pool, block_figures, pool_figures
from backtest.walk_forward.windows import (
    QUANTILES,
    Headline,
    Windows,
    all_windows,
    chance,
    quantiles,
    reached,
)
from market.bars import utc_text


@dataclass(frozen=True, slots=True, eq=False)
class WalkReport:
    """`told` is ready for JSON and holds every figure; `notes` are lines of words."""

    told: Mapping[str, Any]
    gates: tuple[GateResult, ...]
    windows: Windows
    twin_windows: tuple[Windows, ...]
    headline: Headline | None
    notes: tuple[str, ...]


def walk_report(
    pool: Pool, twins: Sequence[Pool], trials: TrialSharpes, *, window_days: int,
    headline: Headline | None, gate: GateSettings, made_of: Mapping[str, Any], notes: Sequence[str],
    compared: int = 1,
) -> WalkReport:  # fmt: skip
    """`made_of`: symbol, data, settings and options of the run, for the JSON. `compared`: how many
    settings sweeps have compared before."""
    gates = _gate_results(pool, trials, gate, compared)
    windows = all_windows(pool, window_days)
    others = tuple(all_windows(twin, window_days) for twin in twins)
    told = {
        **made_of,
        "from": utc_text(pool.from_ms),
        "to": utc_text(pool.to_ms),
        "blocks": [block_figures(block, trials) for block in pool.blocks],
        "pool": pool_figures(pool, trials),
        "windows": _told_windows([windows], [pool], headline),
        "twins": _told_twins(pool, twins, others, headline) if twins else None,
        "gates": [_told_gate(each) for each in gates],
        "notes": list(notes),
    }
    return WalkReport(as_json(told), gates, windows, others, headline, tuple(notes))


def _gate_results(
    pool: Pool, trials: TrialSharpes, settings: GateSettings, compared: int
) -> tuple[GateResult, ...]:
    """What the walk-forward gate and the go-live gate say of the pool's trades; the latter's part
    that trades alone decide. A walk-forward run compares nothing, so its PBO is not known where
    sweeps came before it."""
    weeks, step = (pool.to_ms - pool.from_ms) / WEEK_MS, settings.walk_forward.fold_weeks
    folds = cut_folds(
        pool.closed_ms, pool.net, pool.r, from_ms=pool.from_ms, to_ms=pool.to_ms, fold_weeks=step
    )
    figures = WalkForwardFigures(folds, sharpe_daily(pool.daily).annual, weeks)
    measured = measure(pool.net, pool.daily, weeks=weeks, trials=trials, chosen_among=compared)
    return walk_forward_gate(figures, settings), proof_gate(measured, settings.go_live)


def _told_gate(result: GateResult) -> dict[str, Any]:
    return {
        "gate": result.gate, "passed": result.passed, "warnings": list(result.warnings),
        "criteria": [each.as_dict() for each in result.criteria],
    }  # fmt: skip


def _told_windows(
    windows: Sequence[Windows], pools: Sequence[Pool], headline: Headline | None
) -> dict[str, Any]:
    whole = _together(windows)
    told: dict[str, Any] = {
        "days": whole.days,
        "count": len(whole),
        "disjoint": sum(each.disjoint for each in windows),
        "trades": sum(len(pool.net) for pool in pools),
        "quantiles": {"shares": list(QUANTILES), **quantiles(whole)},
    }
    if headline is not None:
        found = [chance(w, pool, headline) for w, pool in zip(windows, pools, strict=True)]
        told |= {
            "headline": asdict(headline),
            "reached": asdict(reached(whole, headline)) | {"disjoint": told["disjoint"]},
            "chance": {
                name: float(np.mean([getattr(each, name) for each in found]))
                for name in ("as_measured", "break_even")
            },
        }
    return told


def _told_twins(
    own: Pool, twins: Sequence[Pool], windows: Sequence[Windows], headline: Headline | None
) -> dict[str, Any]:
    """`at_least`: how many twins have at least the system's figure; `p_value`: of a system that
    knows no more than they do, (1 + at least) / (1 + twins). A. Davison, D. Hinkley, Bootstrap
    Methods and their Application (1997), 4.2."""
    rows, mine = [_plain(each) for each in twins], _plain(own)
    at_least = {name: sum(row[name] >= mine[name] for row in rows) for name in mine}
    return _told_windows(windows, twins, headline) | {
        "seeds": len(twins), "own": mine, "each": rows, "at_least": at_least,
        "p_value": {name: (1 + count) / (1 + len(twins)) for name, count in at_least.items()},
    }  # fmt: skip


def _plain(pool: Pool) -> dict[str, float]:
    """What a system and its twins are compared by."""
    known = pool.r[np.isfinite(pool.r)]
    return {
        "trades": float(len(pool.net)),
        "win_rate": float((pool.net > 0).mean()) if len(pool.net) else math.nan,
        "profit_factor": profit_factor(pool.net),
        "r_mean": float(known.mean()) if len(known) else math.nan,
        "sharpe": sharpe_daily(pool.daily).annual,
    }


def _together(windows: Sequence[Windows]) -> Windows:
    """Windows of several records as one table."""
    columns = [each.columns() for each in windows]
    joined = {name: np.concatenate([each[name] for each in columns]) for name in columns[0]}
    return Windows(windows[0].days, **joined)
