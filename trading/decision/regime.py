"""Trending or ranging, by ADX with hysteresis, as a function of a declared look-back.

The regime changes only when `confirm_bars` in a row lie beyond the far threshold; between the
thresholds it stays. It is the last change within `LOOKBACK_BARS`, so that a restart sees the same;
without one in that span the market counts as ranging.
"""

import numpy as np
from numpy.typing import NDArray

from market.bars import Float64s
from trading.decision.filter_settings import AdxRegimeFilter

# Five days of M15. ADX seldom stays between the default thresholds for one day.
LOOKBACK_BARS = 480


def trending(adx: Float64s, settings: AdxRegimeFilter) -> NDArray[np.bool_]:
    """Whether each row's bar is in the trending regime.

    `adx`: ADX(14) in 0–1, one row per closed bar. Row i needs rows i − `LOOKBACK_BARS` + 1 … i;
    a row that is NaN, or not there, confirms nothing.
    """
    rows = np.arange(len(adx))
    up = _last_confirmed(adx > settings.trending_above, settings.confirm_bars)
    down = _last_confirmed(adx < settings.ranging_below, settings.confirm_bars)
    in_span = up - settings.confirm_bars >= rows - LOOKBACK_BARS
    return (up > down) & in_span


def _last_confirmed(beyond: NDArray[np.bool_], bars: int) -> NDArray[np.int64]:
    """For each row the latest row that ends `bars` True rows in a row, −1 before the first."""
    count = np.concatenate([[0], np.cumsum(beyond)])
    ends = np.zeros(len(beyond), dtype=np.bool_)
    ends[bars - 1 :] = count[bars:] - count[:-bars] == bars
    return np.maximum.accumulate(np.where(ends, np.arange(len(beyond)), -1))
