"""Closes of an open trade at which `management` is certain to do nothing, judged on columns.

What is said here is necessary for a rule to act, never enough: `decide` alone says what is done.
"""

import math

import numpy as np
from numpy.typing import NDArray

from market.bars import Float64s
from trading.decision.settings import DecisionSettings

Bools = NDArray[np.bool_]


def may_leave_or_add(p_exit: Float64s, p_add: Float64s, settings: DecisionSettings) -> Bools:
    """Where the position model could be believed: `exits.position_exit`, `adding.wants_more`.

    NaN, where it was not asked, is neither.
    """
    leaves: Bools = p_exit >= settings.position_optimization.exit_threshold
    add = settings.ml_active_management.add
    return leaves | (p_add >= add.threshold) if add.enabled else leaves


def least_profit_atr(settings: DecisionSettings) -> float:
    """How far ahead, in ATR of its entry, a trade must have been before a part of it is closed or
    its stop is moved; infinite where no rule does that."""
    management = settings.ml_active_management
    part, trail = management.partial_close, management.ml_trailing_stop
    return min(
        part.at_profit_atr if part.enabled else math.inf,
        trail.min_profit_atr if trail.enabled else math.inf,
    )
