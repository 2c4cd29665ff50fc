"""Days and profiles with one line each; money in units of the initial balance."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from backtest.prop.days import TradingDays
from backtest.prop.paths import Rows
from trading.decision.prop_rules import PropProfile

DAY_MS = 86_400_000


def days_of(
    net: Sequence[float], *, low: Sequence[float] | None = None,
    floating: Sequence[float] | None = None, traded: Sequence[bool] | None = None,
) -> TradingDays:  # fmt: skip
    """Days by their closed profit; where nothing else is said, equity went no lower, nothing stayed
    open, and something was traded."""
    closed = np.array(net, dtype=np.float64)
    return TradingDays(
        np.arange(len(closed)) * DAY_MS,
        closed,
        np.minimum(closed, 0.0) if low is None else np.array(low, dtype=np.float64),
        np.zeros(len(closed)) if floating is None else np.array(floating, dtype=np.float64),
        np.ones(len(closed), dtype=np.bool_) if traded is None else np.array(traded),
    )


def in_order(days: TradingDays, times: int = 1) -> Rows:
    """One path: the days as they are, one after another."""
    return np.tile(np.arange(len(days), dtype=np.int32), times)[:, None]


def profile_of(
    *, target_pct: float | None = 10, daily: dict[str, Any] | None = None,
    total: dict[str, Any] | None = None, **phase: Any,
) -> PropProfile:  # fmt: skip
    """A one-phase product: 5 % a day of the initial balance from the balance, 10 % static."""
    return PropProfile.model_validate({
        "firm": "F", "product": "P", "zone": "UTC",
        "daily": {"pct": 5, "of": "initial", "reference": "balance"} | (daily or {}),
        "total": {"pct": 10, "trailing": "static"} | (total or {}),
        "phases": {"challenge": {"target_pct": target_pct} | phase},
        "sources": ["none"],
    })  # fmt: skip
