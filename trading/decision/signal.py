"""From probabilities and votes to a side and its numbers, on columns; a live bar is one row."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market.bars import Float64s

MAJORITY = 2


@dataclass(frozen=True, slots=True, eq=False)
class SignalColumns:
    """What the votes and probabilities of each bar say. Columns of equal length.

    `side`: +1, −1, or 0 without a majority; `agreeing`: votes for the stronger direction.
    `confidence`: probability of the side (of the likelier direction where there is none). `gap`:
    largest minus second largest probability. `margin`: probability of the side minus that of the
    opposite side (their absolute difference where there is no side). NaN where no forecast is.
    """

    side: NDArray[np.int8]
    agreeing: NDArray[np.int8]
    confidence: Float64s
    gap: Float64s
    margin: Float64s


def read_signal(probabilities: Float64s, votes: NDArray[np.int8]) -> SignalColumns:
    """Row by row; `probabilities` is (n, 3) as BUY, SELL, HOLD, `votes` (n, models) of +1, −1, 0.

    Two models must agree, and more of them than speak for the other side.
    """
    p_buy, p_sell = probabilities[:, 0], probabilities[:, 1]
    buys, sells = (votes > 0).sum(axis=1), (votes < 0).sum(axis=1)
    buy, sell = (buys >= MAJORITY) & (buys > sells), (sells >= MAJORITY) & (sells > buys)
    side = (buy.astype(np.int8) - sell.astype(np.int8)).astype(np.int8)
    toward_buy = p_buy - p_sell
    ranked = np.sort(probabilities, axis=1)
    return SignalColumns(
        side=side,
        agreeing=np.maximum(buys, sells).astype(np.int8),
        confidence=np.where(side > 0, p_buy, np.where(side < 0, p_sell, np.maximum(p_buy, p_sell))),
        gap=ranked[:, 2] - ranked[:, 1],
        margin=np.where(side == 0, np.abs(toward_buy), side * toward_buy),
    )
