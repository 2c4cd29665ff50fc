"""Phase sweep: settings for the candidate, tried on the weeks between its cutoff and the judge's.

The judged weeks are not looked at. A setting is chosen only if it beats today's by the retrain
gate's margin and the probability of overfitting is within the go-live gate's limit; it holds only
where `strategy_params.enabled` lets it serve.
"""

from typing import TYPE_CHECKING

from backtest.sweep.grid import draw, expand, read_grids
from backtest.sweep.settings import Overrides, TradedSettings, require_allowed
from retrain.history import given_for
from retrain.phase import PhaseResult, Run
from retrain.window import settings_of, window
from settings.strategy_params import FILE, read_strategy_params, write_strategy_params

if TYPE_CHECKING:
    from backtest.sweep.base import SweepBase
    from backtest.sweep.search import SweepTable

QUICK_DRAWS = 8
_STORE = "sweeps.sqlite"


def sweep(run: Run) -> PhaseResult:
    """`chosen`: overrides that the candidate is judged and served with; empty: today's settings."""
    of = window(run)
    if of.judge_ms == of.cutoff_ms:
        return PhaseResult(words=("weekly.sweep_weeks is 0",), state="skipped")
    table = _swept(run)
    best, reason = table.best, why_not(run, table)
    chosen = dict(best.overrides) if best is not None and not reason else {}
    _write_strategy_params(run, table, chosen)
    figures = {
        "chosen": chosen,
        "why_not": reason,
        "best": None if best is None else {"overrides": dict(best.overrides), "score": best.score},
        "today": table.today.score,
        "pbo": table.pbo,
        "settings": len(table.rows),
        "table": "backtests/sweep.json",
    }
    return PhaseResult(figures, tuple(_words(run, table, reason)))


def _swept(run: Run) -> "SweepTable":
    """The table, with its files; trials that were made before are not made again."""
    from backtest.sweep.search import run_sweep
    from backtest.sweep.store import SweepStore
    from backtest.sweep.table import write_files
    from ml.training.trials import TrialLedger

    points = points_of(run)
    base = _base(run, points)
    run.backtests.mkdir(parents=True, exist_ok=True)
    table = run_sweep(
        base, points, store=SweepStore(run.folder / _STORE),
        ledger=TrialLedger(run.settings.ml.study.ledger_path),
    )  # fmt: skip
    write_files(table, run.backtests / "sweep", run.settings.gate.go_live)
    return table


def points_of(run: Run) -> list[Overrides]:
    """`weekly.sweep_draws` settings of the grid `weekly.sweep_target`, few in the quick profile."""
    weekly, settings = run.settings.weekly, settings_of(run)
    grids = read_grids(run.root / "config" / "sweeps.json", weekly.sweep_target)
    quick = run.options.profile == "quick"
    count = min(weekly.sweep_draws, QUICK_DRAWS) if quick else weekly.sweep_draws
    points = draw(expand(grids), count, seed=settings.ml.training.seed)
    require_allowed(TradedSettings(settings.decision, settings.paper), points)
    return points


def _base(run: Run, points: list[Overrides]) -> "SweepBase":
    from backtest.sweep.command import read_base

    of = window(run)
    given = given_for(run, run.candidate, from_ms=of.cutoff_ms, to_ms=of.judge_ms)
    return read_base(given, settings_of(run), points)


def why_not(run: Run, table: "SweepTable") -> str:
    """Why nothing is chosen; empty where the best setting is."""
    gate = run.settings.gate
    best, pbo, limit = table.best, table.pbo, gate.go_live.max_overfitting
    if best is None:
        return "no setting is comparable"
    if not table.improves(best, gate.retrain):
        return "no setting beats today's by the margin of the retrain gate"
    if pbo is None:
        return "the PBO could not be measured"
    if pbo > limit:
        return f"PBO {pbo:.3f}, at most {limit:g} is allowed: the best was chosen by noise"
    if not run.settings.strategy_params.enabled:
        return "strategy_params.enabled is false: what is found is only proposed"
    return ""


def _write_strategy_params(run: Run, table: "SweepTable", chosen: Overrides) -> None:
    """`strategy_params.json` beside the candidate, for phase swap; none where nothing is chosen."""
    (run.candidate / FILE).unlink(missing_ok=True)
    if not chosen:
        return
    best = table.best
    assert best is not None
    # values that are in force stay: the best setting was tried on top of them
    in_force = read_strategy_params(run.strategy_params.parent).overrides
    found = {
        "sweep": table.id, "symbol": run.symbol, "score": best.score,
        "score_before": table.today.score, "pbo": table.pbo, "settings": len(table.rows),
    }  # fmt: skip
    write_strategy_params(run.candidate, {**in_force, **chosen}, found)


def _words(run: Run, table: "SweepTable", reason: str) -> list[str]:
    from backtest.sweep.table import words

    said = f"nothing is chosen: {reason}" if reason else "the best setting is the candidate's"
    return [*words(table, run.settings.gate.go_live), said]
