"""The rules-only loop in backtesting.py: market entries with contingent stop and target.

Its spread is one share of the price for all trades, taken at the entry, so levels are moved by the
row's own spread and the entry by the median one. Seconds are those of `Backtest.run`, whose
statistics of the run cannot be left out.
"""

import warnings
from typing import Any

import numpy as np
import pandas as pd
from backtesting import Backtest, Strategy, __version__
from peer import STOP, TARGET, Given, Trades, hand_back, read_given, timed

warnings.filterwarnings("ignore")
given = read_given()


class OneAtATime(Strategy):
    """Enters at the next open, one position at a time."""

    def init(self) -> None:
        close = given.close + given.moved
        self._side = given.side.tolist()
        self._stop = (close - given.side * given.distance).tolist()
        self._target = (close + given.side * given.distance).tolist()

    def next(self) -> None:
        row = len(self.data) - 1
        side = self._side[row]
        if side == 0 or self.position:
            return
        enter = self.buy if side > 0 else self.sell
        enter(size=1, sl=self._stop[row], tp=self._target[row])


def engine(given: Given) -> Backtest:
    frame = pd.DataFrame(
        {name.title(): getattr(given, name) for name in ("open", "high", "low", "close")},
        index=pd.to_datetime(given.open_ms, unit="ms"),
    )
    share = float(np.median(given.spread / given.close))
    return Backtest(frame, OneAtATime, cash=1e9, spread=share, finalize_trades=False)


def trades_of(result: Any) -> Trades:
    """The ended trades in order of entry; one that is still open is not in the engine's table."""
    ended = result["_trades"].sort_values("EntryBar")
    side = np.where(ended["Size"] > 0, 1, -1)
    entry_price, exit_price = ended["EntryPrice"].to_numpy(), ended["ExitPrice"].to_numpy()
    kind = np.where(side * (exit_price - entry_price) > 0, TARGET, STOP)
    rows = ended["EntryBar"].to_numpy(), ended["ExitBar"].to_numpy()
    return Trades(rows[0], side, rows[1], kind, entry_price, exit_price)


seconds, done = timed(lambda: engine(given), lambda ready: ready.run())
hand_back(f"backtesting.py {__version__}", seconds, trades_of(done))
