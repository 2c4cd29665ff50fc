"""Trials on a Dask cluster: `--dask tcp://host:8786`.

The scheduler keeps the base and every trial until its result is here, so that a worker that dies
or is cut off loses nothing: what it had is run by another one.
"""

import re
import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

from backtest.sweep.base import SweepBase
from backtest.sweep.errors import SweepError
from backtest.sweep.runner import Done
from backtest.sweep.trial import Trial, run_with

if TYPE_CHECKING:
    from distributed import Client

_ADDRESS = re.compile(r"(tcp|tls)://.+:\d+")
_PROGRAM = "backtest"
_START = (
    "start both in the project's folder: `python -m dask scheduler`, "
    "`python -m dask worker ADDRESS --nthreads 1`"
)
_CONNECT_S = 10.0
# By how many workers a trial may be lost, by their death, before Dask blames the trial.
_RETRIES = 3


class Cluster:
    """`address`: of the scheduler."""

    def __init__(self, address: str) -> None:
        self._address = address

    def run(self, identity: str, base: SweepBase, trials: Mapping[str, Trial]) -> Done:
        """Raises `SweepError` where scheduler or workers are away, or do not know this program."""
        from distributed import as_completed

        client = self._client()
        with client:
            self._require_program(client)
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

    def _client(self) -> "Client":
        from distributed import Client

        if not _ADDRESS.fullmatch(self._address):
            raise SweepError(f"--dask: tcp://HOST:PORT is allowed, {self._address} came")
        try:
            return Client(self._address, timeout=_CONNECT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise SweepError(
                f"--dask {self._address}: a Dask scheduler must answer there: {error}; {_START}"
            ) from error

    def _require_program(self, client: "Client") -> None:
        """Dask sends objects of this program, and whoever cannot import it waits or dies."""
        try:
            client.wait_for_workers(1, timeout=_CONNECT_S)
        except TimeoutError as error:
            raise SweepError(
                f"--dask {self._address}: a worker is needed, none came in {_CONNECT_S:g} s; "
                f"{_START}"
            ) from error
        found = {"scheduler": client.run_on_scheduler(find_spec, _PROGRAM)}
        found |= client.run(find_spec, _PROGRAM)
        strangers = [name for name, spec in found.items() if spec is None]
        if strangers:
            raise SweepError(
                f"--dask {self._address}: this program must be importable in scheduler and "
                f"workers, it is not in {', '.join(strangers)}; {_START}"
            )


def _itself(base: SweepBase) -> SweepBase:
    return base
