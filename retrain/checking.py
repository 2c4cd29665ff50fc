"""Phase calibration_and_parity: whether the candidate is what its figures will be taken for.

Each check has its figure. One that is not met makes the candidate inadmissible, whatever it earns:
phase swap keeps the champion. Nothing after the train cutoff is decided here, so this is no look.
"""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from market.bars import utc_text
from ml.calibration_check import check_calibration
from ml.features.catalogue import LOOKBACK_MS
from retrain.history import given_for
from retrain.phase import PhaseResult, Run
from retrain.window import settings_of, window

if TYPE_CHECKING:
    from backtest.decided_run import DecidedRun

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is tried: `days` decided before the cutoff, `cuts` of the history, single `rows`."""

    days: int
    cuts: int
    rows: int


EFFORTS = {"quick": Effort(days=5, cuts=4, rows=16), "full": Effort(days=14, cuts=16, rows=64)}


@dataclass(frozen=True, slots=True)
class Check:
    """`needed` and `seen` in words; `rows`: how many were compared."""

    name: str
    needed: str
    seen: str
    met: bool
    rows: int

    def __str__(self) -> str:
        return f"{self.name}: {self.seen}" + ("" if self.met else f" (NOT MET: {self.needed})")


def calibration_and_parity(run: Run) -> PhaseResult:
    """`passed`: whether every check is met; `checks`: name, needed, seen, met and rows of each."""
    effort = EFFORTS[run.options.profile]
    done = _decided(run, effort)
    checks = (
        _calibration(run),
        _onnx_is_native(done),
        _live_is_batch(done, effort),
        _no_lookahead(done, effort),
    )
    passed = all(each.met for each in checks)
    words = [str(each) for each in checks]
    if not passed:
        words.append("the candidate is not admissible: the champion stays")
    figures = {"passed": passed, "checks": [asdict(each) for each in checks]}
    return PhaseResult(figures, tuple(words))


def _decided(run: Run, effort: Effort) -> "DecidedRun":
    """The candidate over the last days before its cutoff."""
    from backtest.decided_run import decided_run

    cutoff_ms = window(run).cutoff_ms
    given = given_for(run, run.candidate, from_ms=cutoff_ms - effort.days * DAY_MS, to_ms=cutoff_ms)
    given.costs = None  # what is checked are the forecasts, and they are of the bars as they were
    return decided_run(given, settings=settings_of(run))


def _calibration(run: Run) -> Check:
    settings = run.settings.ml.study
    _, found = check_calibration(run.candidate_paths, run.symbol, settings.calibration_limit)
    worst = max(
        error
        for models in found["errors"].values()
        for classes in models.values()
        for error in classes.values()
    )
    return Check(
        "calibration", f"an error of at most {settings.calibration_limit:g} in every class",
        f"the largest error is {worst:.4f}", found["passed"], sum(found["rows"].values()),
    )  # fmt: skip


def _onnx_is_native(done: "DecidedRun") -> Check:
    """What training compared on every row; the metadata is bound to the graph by the manifest."""
    found = [each.notes["parity"] for each in done.models.all if "parity" in each.notes]
    rows = sum(int(each["rows"]) for each in found)
    keys = ("class_flips", "vote_flips")
    flips = sum(int(each.get(key, 0)) for each in found for key in keys)
    largest = max(float(each["largest_difference"]) for each in found)
    return Check(
        "ONNX = native", "no class and no vote flips on real rows",
        f"{flips} flips in {rows:,} rows, largest difference {largest:.1e}",
        flips == 0 and rows > 0, rows,
    )  # fmt: skip


def _live_is_batch(done: "DecidedRun", effort: Effort) -> Check:
    """Single rows as the daemon makes them at a close, from a window of the published look-back,
    beside the same rows of the whole history."""
    decided = done.run.bars
    some = np.unique(np.linspace(0, len(decided) - 1, effort.rows, dtype=np.int64)).tolist()
    differing = sum(not _same_alone(done, row) for row in some)
    return Check(
        "live = batch", "no bit of features or forecasts differs",
        f"{differing} of {len(some)} rows differ", differing == 0, len(some),
    )  # fmt: skip


def _same_alone(done: "DecidedRun", row: int) -> bool:
    """Whether a decided row has the same bits from the daemon's window."""
    from trading.forecaster import Forecaster

    decided, settings = done.run.bars, done.settings
    forecasts, last = decided.forecasts.row(row), decided.first + row
    batch = decided.forecasts.features
    assert batch is not None
    begin_ms = int(decided.history.open_ms[last]) - LOOKBACK_MS
    begin = int(np.searchsorted(decided.history.open_ms, begin_ms, side="right")) - 1
    alone = Forecaster(
        done.models.signal, groups=tuple(settings.ml.features.groups),
        quantile=settings.decision.prediction.quantile,
        round_step=done.run.rules.instrument.round_step, calendar=done.outside.calendar,
        onchain=done.outside.onchain,
    ).forecast(decided.history.rows(max(begin, 0), last + 1))  # fmt: skip
    same = np.ascontiguousarray(alone.features).tobytes() == batch[row].tobytes()
    return same and alone.forecast == forecasts


def _no_lookahead(done: "DecidedRun", effort: Effort) -> Check:
    from backtest.checks.given import pipeline_of
    from backtest.checks.lookahead import FullRun, cut_rows, lookahead

    run = done.run
    full = FullRun(run.bars.history, run.bars.first, run.bars.forecasts, tuple(run.lines()))
    rows = cut_rows(full, count=effort.cuts, seed=0)
    first = next(lookahead(pipeline_of(done), full, rows), None)
    seen = f"nothing changed with later bars, history cut after {len(rows)} of {len(full)} bars"
    if first is not None:
        seen = f"{first.what} {first.name} of {utc_text(first.bar_ms)} UTC changes with later bars"
    return Check("lookahead", "nothing changes with later bars", seen, first is None, len(rows))
