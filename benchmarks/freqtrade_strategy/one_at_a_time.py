"""The strategy that `peer_freqtrade.py` runs. Alone in its folder: freqtrade imports all of it."""

from datetime import datetime
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from freqtrade.persistence import Trade
from freqtrade.strategy import IStrategy, stoploss_from_absolute
from peer import read_given

# Its stops are rounded towards the entry, and its targets must be passed: a millionth of a tick.
HAIR = 1e-8

given = read_given()


class OneAtATime(IStrategy):
    """Enters at the next open; stop and target are levels known from the signal's row."""

    INTERFACE_VERSION = 3
    timeframe = "15m"
    can_short = True
    stoploss = -0.99
    use_custom_stoploss = True
    use_custom_roi = True
    use_exit_signal = False
    _left_at: datetime | None = None
    _target_of = 0
    _pays = 0.0
    order_types: ClassVar[dict[str, str | bool]] = {
        "entry": "limit", "exit": "limit", "stoploss": "market", "stoploss_on_exchange": False,
    }  # fmt: skip

    def populate_indicators(self, dataframe: pd.DataFrame, metadata: dict) -> pd.DataFrame:
        return dataframe

    def populate_entry_trend(self, dataframe: pd.DataFrame, metadata: dict) -> pd.DataFrame:
        dataframe["enter_long"] = (given.side > 0).astype(int)
        dataframe["enter_short"] = (given.side < 0).astype(int)
        dataframe["enter_tag"] = np.arange(len(given)).astype(str)
        return dataframe

    def populate_exit_trend(self, dataframe: pd.DataFrame, metadata: dict) -> pd.DataFrame:
        return dataframe

    def custom_stake_amount(
        self, pair: str, current_time: datetime, current_rate: float, proposed_stake: float,
        min_stake: float | None, max_stake: float, leverage: float, entry_tag: str | None,
        side: str, **more: Any,
    ) -> float:  # fmt: skip
        """One unit."""
        return current_rate * (1 + 1e-9)

    def custom_stoploss(
        self, pair: str, trade: Trade, current_time: datetime, current_rate: float,
        current_profit: float, after_fill: bool, **more: Any,
    ) -> float | None:  # fmt: skip
        """The stop, once: when the entry has been filled."""
        if not after_fill:
            return None
        return stoploss_from_absolute(
            STOP_AT[int(trade.enter_tag)], current_rate, is_short=trade.is_short
        )

    def custom_roi(
        self, pair: str, trade: Trade, current_time: datetime, trade_duration: int,
        entry_tag: str | None, side: str, **more: Any,
    ) -> float:  # fmt: skip
        """What the target pays after fees; asked at every bar, worked out once a trade."""
        if self._target_of != trade.id:
            self._target_of = trade.id
            self._pays = trade.calc_profit_ratio(TARGET_AT[int(entry_tag)])
        return self._pays

    def confirm_trade_exit(self, current_time: datetime, **more: Any) -> bool:
        self._left_at = current_time
        return True

    def confirm_trade_entry(self, current_time: datetime, **more: Any) -> bool:
        """Not in the bar of an exit: it would reverse there at the open, before that exit."""
        return current_time != self._left_at


def levels() -> tuple[list[float], list[float]]:
    """Stop and target, by the signal's row."""
    entry = np.append(given.open[1:], given.close[-1]) + given.moved
    stop = entry - given.side * (given.distance + HAIR)
    target = entry + given.side * (given.distance - HAIR)
    return stop.tolist(), target.tolist()


STOP_AT, TARGET_AT = levels()
