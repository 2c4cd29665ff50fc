"""M1 bars for the position model: the last minutes before a close, as five features."""

import numpy as np

from broker.contract.port import Broker
from market.bars import Float64s
from market.timeframe import Timeframe
from ml.features.kernels.minute import REACH_MS
from ml.features.position import m1_features


class BrokerMinutes:
    """Asks the broker for the M1 bars that a close can see."""

    def __init__(self, broker: Broker, symbol: str) -> None:
        self._broker = broker
        self._symbol = symbol

    def at(self, close_ms: int) -> Float64s:
        """The five M1 features (5,) at a close. Raises `BrokerError`."""
        bars = self._broker.rates(
            self._symbol, Timeframe.M1, from_ms=close_ms - REACH_MS, to_ms=close_ms
        )
        return np.asarray(m1_features(bars, np.array([close_ms], dtype=np.int64))[0])
