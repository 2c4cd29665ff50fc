"""Where trials run: here, in processes of this host, or on a Dask cluster."""

import multiprocessing
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Protocol

from backtest.sweep.base import SweepBase
from backtest.sweep.errors import SweepError
from backtest.sweep.trial import Bench, Result, Trial, hold, run_here

# How often processes may die before a sweep gives up, if no trial ends between two deaths.
_DEATHS = 3

Done = Iterator[tuple[str, Result]]


class Runner(Protocol):
    """Runs trials of one base; in which order they end is left open."""

    def run(self, identity: str, base: SweepBase, trials: Mapping[str, Trial]) -> Done:
        """The results by the trials' keys, as they come."""


class Here:
    """One after the other, in this process."""

    def run(self, identity: str, base: SweepBase, trials: Mapping[str, Trial]) -> Done:
        bench = Bench(base)
        for key, trial in trials.items():
            yield key, bench.run(trial)


class Processes:
    """In `count` processes. What a process that dies had at hand is run again in new ones."""

    def __init__(self, count: int) -> None:
        self._count = count

    def run(self, identity: str, base: SweepBase, trials: Mapping[str, Trial]) -> Done:
        left, deaths = dict(trials), 0
        while left:
            try:
                for key, result in self._pool_of(identity, base, left):
                    deaths = 0
                    del left[key]
                    yield key, result
            except BrokenProcessPool:
                deaths += 1
                if deaths == _DEATHS:
                    raise SweepError(
                        f"sweep: processes died {deaths} times without a result; is there enough "
                        "memory? --workers 1 runs the trials in this process"
                    ) from None

    def _pool_of(self, identity: str, base: SweepBase, trials: Mapping[str, Trial]) -> Done:
        fresh = multiprocessing.get_context("spawn")  # the models' threads do not survive a fork
        count = min(self._count, len(trials))
        pool = ProcessPoolExecutor(count, fresh, hold, (identity, base))
        try:
            sent = {pool.submit(run_here, trial): key for key, trial in trials.items()}
            for future in as_completed(sent):
                yield sent[future], future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def local(workers: int) -> Runner:
    """The runner of this host."""
    if workers < 1:
        raise SweepError(f"workers: 1 or more are allowed, {workers} came")
    return Here() if workers == 1 else Processes(workers)
