"""Traded blocks by hand: one equity value a quarter day, trades where a test wants them."""

from collections.abc import Sequence

import numpy as np

from backtest.walk_forward.blocks import DAY_MS, Block, TradedBlock

MONDAY_MS = 19_723 * DAY_MS  # 2024-01-01
_STEP_MS = DAY_MS // 4


def block(
    first_day: int,
    daily: Sequence[float],
    trades: Sequence[tuple[float, float]] = (),
    *,
    balance: float = 1000.0,
    dips: Sequence[float] = (),
) -> TradedBlock:
    """A block of `len(daily)` days that begins `first_day` days after the first of January 2024.

    `daily`: returns; equity stands still inside a day and moves at its end. `trades`: (day of the
    close, net), each a loss or gain of one R per 10 of money. `dips`: the lowest equity of each
    day, as a share of its close (1 by default).
    """
    from_ms = MONDAY_MS + first_day * DAY_MS
    ends = balance * np.cumprod(1 + np.asarray(daily, dtype=np.float64))
    starts = np.r_[balance, ends[:-1]]
    close = np.column_stack([starts, starts, starts, ends]).ravel()
    worst = close.copy()
    for day, share in enumerate(dips):
        worst[4 * day + 1] = share * close[4 * day + 1]
    closed = np.array([from_ms + int(day * DAY_MS) for day, _ in trades], dtype=np.int64)
    net = np.array([each for _, each in trades], dtype=np.float64)
    facts = {
        "initial_balance": balance, "ambiguous_exits": 1, "rejected": 0, "open_at_end": 0,
        "costs": {"spread": 2.0 * len(net), "commission": 0.0, "swap": 0.0, "slippage": 0.5},
        "confidence": {"median": 0.4, "p99": 0.5, "most": 0.6},
        "graphs": {"signal": f"graph of day {first_day}"},
    }  # fmt: skip
    return TradedBlock(
        Block(from_ms, from_ms + len(daily) * DAY_MS), closed - 3_600_000, closed, net, net / 10,
        np.full(len(net), 2.0), from_ms + _STEP_MS * np.arange(1, len(close) + 1), close, worst,
        facts,
    )  # fmt: skip
