"""What a peer is given, and what it hands back. Runs in the peers' environments: numpy alone.

Given (`.npz`, one row per M15 bar): open_ms; bid prices open, high, low, close; `side` (+1, −1, 0)
of the signal known at the row's close; `distance` from entry to stop and to target, and `spread`,
both in price units. Rules and units: benchmarks/README.md.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

STILL_OPEN, STOP, TARGET = 0, 1, 2
REPEATS = 3

Ready = TypeVar("Ready")
Made = TypeVar("Made")


class Seconds(NamedTuple):
    """`process` counts all threads of the process, and nothing else that the machine does."""

    process: float
    wall: float


@dataclass(frozen=True, slots=True)
class Given:
    """The columns of the `.npz`, equally long."""

    open_ms: np.ndarray
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    side: np.ndarray
    distance: np.ndarray
    spread: np.ndarray

    def __len__(self) -> int:
        return len(self.open_ms)

    @property
    def moved(self) -> np.ndarray:
        """How far an entry is from the bid, in price units: up by the spread for a long.

        For an engine with one price series: a short whose entry is moved down by the spread, with
        stop and target judged on the bid, wins and loses what it would with its exit at the ask,
        as long as the spread stays what it was.
        """
        return np.where(self.side > 0, self.spread, -self.spread)


@dataclass(frozen=True, slots=True)
class Trades:
    """Trades in order of entry, one row each. `exit_row` −1 and `STILL_OPEN` where none ended it.

    `entry_row`: the bar at whose open it was entered. Prices as filled, for one unit.
    """

    entry_row: np.ndarray
    side: np.ndarray
    exit_row: np.ndarray
    kind: np.ndarray
    entry_price: np.ndarray
    exit_price: np.ndarray

    @property
    def profits(self) -> np.ndarray:
        """Of the ended ones, in price units for one unit."""
        moves = self.side * (self.exit_price - self.entry_price)
        return moves[self.kind != STILL_OPEN]


def read_given() -> Given:
    """The first argument's file."""
    return Given(**np.load(sys.argv[1]))


def timed(prepare: Callable[[], Ready], run: Callable[[Ready], Made]) -> tuple[Seconds, Made]:
    """How long `run` takes without `prepare`: medians of `REPEATS` runs after an unmeasured one."""
    made = run(prepare())
    processes, walls = [], []
    for _ in range(REPEATS):
        del made  # what the run before holds is not freed on this one's time
        ready = prepare()
        wall_s, process_s = time.perf_counter(), time.process_time()
        made = run(ready)
        processes.append(time.process_time() - process_s)
        walls.append(time.perf_counter() - wall_s)
    return Seconds(statistics.median(processes), statistics.median(walls)), made


def hand_back(name: str, seconds: Seconds, trades: Trades, **more: Any) -> None:
    """One JSON line, and the trades in the second argument's file."""
    columns = {each: getattr(trades, each) for each in Trades.__slots__}
    np.savez(Path(sys.argv[2]), **columns)
    print(json.dumps(line(name, seconds, trades) | more))


def line(name: str, seconds: Seconds, trades: Trades) -> dict[str, Any]:
    """What is said of a run. `net_profit`: of ended trades of one unit, before swap."""
    return {
        "name": name,
        "value": round(seconds.process, 4),
        "wall_s": round(seconds.wall, 4),
        "trades": len(trades.profits),
        "wins": int((trades.profits > 0).sum()),
        "net_profit": round(float(trades.profits.sum()), 2),
    }
