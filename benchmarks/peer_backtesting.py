"""The rules-only loop in backtesting.py: same bars, same signals, its own engine.

Reads a .npz with open, high, low, close, side, atr and spread; prints one JSON line. Runs in
`benchmarks/.venv`. Differences it cannot express: its spread is a share of price, applied on entry
only, and volume is a whole number of units, so it trades one unit each time.
"""

import json
import sys
import time
import warnings

import numpy as np
import pandas as pd
from backtesting import Backtest, Strategy, __version__

warnings.filterwarnings("ignore")
columns = np.load(sys.argv[1])
side, atr = columns["side"], columns["atr"]
frame = pd.DataFrame(
    {name.title(): columns[name] for name in ("open", "high", "low", "close")},
    index=pd.date_range("2023-01-01", periods=len(side), freq="15min"),
)


class OneAtATime(Strategy):
    """Enter at the next open with stop and target one ATR away, one position at a time."""

    def init(self) -> None:
        pass

    def next(self) -> None:
        row = len(self.data) - 1
        if side[row] == 0 or self.position:
            return
        close, distance = self.data.Close[-1], atr[row]
        if side[row] > 0:
            self.buy(size=1, sl=close - distance, tp=close + distance)
        else:
            self.sell(size=1, sl=close + distance, tp=close - distance)


spread = float(np.median(columns["spread"] / columns["close"]))
engine = Backtest(frame, OneAtATime, cash=1e9, spread=spread, finalize_trades=False)
times = []
for _ in range(3):
    started = time.perf_counter()
    result = engine.run()
    times.append(time.perf_counter() - started)
print(
    json.dumps(
        {
            "name": f"backtesting.py {__version__}",
            "value": sorted(times)[1],
            "trades": int(result["# Trades"]),
        }
    )
)
