"""Trials on a Dask cluster: `--dask tcp://host:8786`.

The scheduler keeps the base and every trial until its result is here, so that a worker that dies
or is cut off loses nothing: what it had is run by another one.
"""

import warnings
from collections.abc import Mapping

from backtest.sweep.base import SweepBase
from backtest.sweep.errors import SweepError
from backtest.sweep.runner import Done
from backtest.sweep.trial import Trial, run_with

_CONNECT_S = 10.0
# By how many workers a trial may be lost, by their death, before Dask blames the trial.
_RETRIES = 3


class Cluster:
    """`address`: of the scheduler."""

    def __init__(self, address: str) -> None:
        self._address = address

    def run(self, identity: str, base: SweepBase, trials: Mapping[str, Trial]) -> Done:
        """Raises `SweepError` where the scheduler is away."""
        from distributed import Client, as_completed

        try:
            client = Client(self._address, timeout=_CONNECT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise SweepError(
                f"--dask {self._address}: a Dask scheduler must answer there: {error}; start one "
                "with `dask scheduler`, workers with `dask worker ADDRESS --nthreads 1`"
            ) from error
        with client:
            with warnings.catch_warnings():
                # a base is megabytes: it goes to the scheduler once, which can send it again
                warnings.filterwarnings("ignore", message="Sending large graph")
                held = client.submit(_itself, base, key=f"novosky-base-{identity}")
                sent = {
                    client.submit(
                        run_with, identity, held, trial, key=f"novosky-trial-{key}",
                        retries=_RETRIES,
                    ): key
                    for key, trial in trials.items()
                }  # fmt: skip
            for future in as_completed(list(sent), loop=client.loop):
                result = future.result()
                yield sent[future], result


def _itself(base: SweepBase) -> SweepBase:
    return base
