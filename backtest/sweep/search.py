"""A sweep from its trials to its table: what is stored is not run again, all are recorded."""

import hashlib
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from backtest.gate_settings import RetrainSettings
from backtest.statistics import (
    Overfitting,
    TrialSharpes,
    deflated_sharpe,
    overfitting,
    shape_of,
)
from backtest.sweep.base import SweepBase, identity
from backtest.sweep.cluster import Cluster
from backtest.sweep.errors import SweepError
from backtest.sweep.runner import Runner, local
from backtest.sweep.settings import Overrides, require_allowed
from backtest.sweep.store import SweepStore
from backtest.sweep.trial import Result, Trial


class RecordsTrials(Protocol):
    """The trial ledger (`ml.training.trials.TrialLedger`)."""

    def record(
        self, kind: Literal["sweep"], *, what: Mapping[str, Any], data_sha256: str,
        result: Mapping[str, Any],
    ) -> int: ...  # fmt: skip

    def rows(self, *kinds: Literal["sweep"]) -> Iterator[Any]: ...


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` trials that were not stored before; `best`: the best score so far."""

    done: int
    total: int
    best: float | None


@dataclass(frozen=True, slots=True, eq=False)
class SweepRow:
    """One trial. `key`: what its result is stored by."""

    key: str
    trial: Trial
    result: Result

    @property
    def overrides(self) -> Overrides:
        return self.trial.overrides

    @property
    def figures(self) -> Mapping[str, Any]:
        return self.result.figures

    @property
    def score(self) -> float | None:
        """The honest score; None where it is not comparable."""
        return self.figures["score"]


@dataclass(frozen=True, slots=True, eq=False)
class SweepTable:
    """Every trial, in the order in which they were asked for.

    `today`: the settings as they are, over the base's span. `overfitting`: of all different
    settings, today's among them; None where spans differ. `made`: trials that were run now, the
    others were stored before.
    """

    id: str
    base: SweepBase
    today: SweepRow
    rows: tuple[SweepRow, ...]
    overfitting: Overfitting | None
    made: int
    seconds: float

    @property
    def best(self) -> SweepRow | None:
        """The row with the best score; None where no row is comparable."""
        rated = [row for row in self.rows if row.score is not None]
        return max(rated, key=lambda row: row.score or 0.0, default=None)

    @property
    def pbo(self) -> float | None:
        """The probability of overfitting; None where it was not measured."""
        found = self.overfitting
        return None if found is None or math.isnan(found.pbo) else found.pbo

    @property
    def best_deflated_sharpe(self) -> float | None:
        """The probability that the best setting's true Sharpe ratio is above what the best of so
        many worthless ones would show; of this sweep's different settings alone, trials before it
        not counted. None where there is no best, or no ratio, or spans differ."""
        if self.best is None or self.overfitting is None:
            return None
        daily = {row.key: row.result.daily for row in (self.today, *self.rows)}
        shapes = {key: shape_of(returns) for key, returns in daily.items()}
        ratios = [each.ratio for each in shapes.values() if not math.isnan(each.ratio)]
        found = deflated_sharpe(shapes[self.best.key], TrialSharpes.of(ratios, len(shapes)))
        return None if math.isnan(found) else found

    def improves(self, row: SweepRow, by: RetrainSettings) -> bool:
        """Whether a row beats today's settings by the margin that the retrain gate asks of a model;
        also where only the row is comparable."""
        if row.score is None:
            return False
        if self.today.score is None:
            return True
        margin = max(by.margin, by.margin_share * abs(self.today.score))
        return row.score >= self.today.score + margin


def run_sweep(
    base: SweepBase, trials: Sequence[Overrides | Trial], *, store: SweepStore,
    ledger: RecordsTrials, workers: int | None = None, dask: str | None = None,
    progress: Callable[[Progress], None] = lambda so_far: None,
) -> SweepTable:  # fmt: skip
    """Runs the trials that are not stored, on `workers` processes of this host (all its cores by
    default) or on the Dask cluster at `dask`; the table is the same wherever they run.

    Overrides alone are tried over the base's span. Each new trial is in the ledger before it is in
    the store: a crash between the two leaves a row too many there, never one too few. What the
    store has and the ledger has not (it is another one now) is recorded again. Raises
    `SweepError` before the first trial where a setting is not allowed.
    """
    began, named = time.monotonic(), identity(base)
    asked = _asked(base, trials)
    keys = [each.key(named, base.settings) for each in asked]
    by_key = dict(zip(keys, asked, strict=True))
    sweep = hashlib.sha256("".join(sorted(by_key)).encode()).hexdigest()[:12]
    known = {key: found for key in by_key if (found := store.find(key)) is not None}
    missing = {key: trial for key, trial in by_key.items() if key not in known}
    runner: Runner = Cluster(dask) if dask is not None else local(_workers(workers, len(missing)))
    record = _Recorder(base, sweep, ledger)
    for key, result in known.items():
        record.stored(key, by_key[key], result)
    progress(_so_far(known, missing))
    for key, result in runner.run(named, base, missing) if missing else ():
        record.trial(key, by_key[key], result)
        store.keep(key, result)
        known[key] = result
        progress(_so_far(known, missing))
    today, *rows = (SweepRow(key, by_key[key], known[key]) for key in keys)
    table = SweepTable(
        sweep, base, today, tuple(rows), _overfitting(by_key, known), len(missing),
        time.monotonic() - began,
    )  # fmt: skip
    if not (store.is_finished(sweep) and record.is_whole):
        record.sweep(table)
        store.finish(sweep)
    return table


def _asked(base: SweepBase, trials: Sequence[Overrides | Trial]) -> list[Trial]:
    """Today's settings, then every trial; one without a span has the base's."""
    asked = [each if isinstance(each, Trial) else Trial(each, base.from_ms, base.to_ms)
             for each in trials]  # fmt: skip
    if not asked:
        raise SweepError("sweep: at least one setting is needed, none came")
    require_allowed(base.settings, (each.overrides for each in asked))
    return [Trial({}, base.from_ms, base.to_ms), *asked]


class _Recorder:
    """Writes to the ledger what was tried."""

    def __init__(self, base: SweepBase, sweep: str, ledger: RecordsTrials) -> None:
        self._data, self._ledger = base.history.sha256(), ledger
        self._what = {
            "symbol": base.symbol, "sweep": sweep, "graphs": dict(base.graphs),
            "train_cutoff_ms": base.train_cutoff_ms,
        }  # fmt: skip
        rows = [row.what for row in ledger.rows("sweep")]
        self._counted = {what.get("key") for what in rows}
        self.is_whole = any(what.get("sweep") == sweep and "whole_sweep" in what for what in rows)

    def stored(self, key: str, trial: Trial, result: Result) -> None:
        """A trial that was made before, if this ledger does not know of it."""
        if key not in self._counted:
            self.trial(key, trial, result)

    def trial(self, key: str, trial: Trial, result: Result) -> None:
        span = {"from_ms": trial.from_ms, "to_ms": trial.to_ms}
        what = self._what | span | {"overrides": dict(trial.overrides), "key": key}
        self._ledger.record("sweep", what=what, data_sha256=self._data, result=result.figures)

    def sweep(self, table: SweepTable) -> None:
        best = table.best
        result = {
            "settings": len({row.key for row in table.rows}),
            "score": None if best is None else best.score,
            "overrides": None if best is None else dict(best.overrides),
            "pbo": table.pbo,
        }
        what = self._what | {"whole_sweep": True}
        self._ledger.record("sweep", what=what, data_sha256=self._data, result=result)


def _overfitting(trials: Mapping[str, Trial], results: Mapping[str, Result]) -> Overfitting | None:
    """Of all different settings; None where they were not tried over one span."""
    if len({(each.from_ms, each.to_ms) for each in trials.values()}) > 1:
        return None
    return overfitting(np.column_stack([results[key].daily for key in trials]))


def _so_far(known: Mapping[str, Result], missing: Mapping[str, Trial]) -> Progress:
    scores = [each.figures["score"] for each in known.values()]
    best = max((each for each in scores if each is not None), default=None)
    return Progress(sum(key in known for key in missing), len(missing), best)


def _workers(asked: int | None, trials: int) -> int:
    """A process costs more than a few trials."""
    if asked is not None:
        return asked
    return 1 if trials < _WORTH_PROCESSES else os.cpu_count() or 1


_WORTH_PROCESSES = 40
