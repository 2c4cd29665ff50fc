"""The position model's training table: a row per open trade and close, as the daemon would ask."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market.bars import Bars, Float64s, Int64s
from ml.features.position import M1_NAMES, M1_NEUTRAL, STATE_NAMES, m1_features, position_states
from ml.training.position_labeling import TradeRows
from ml.training.weights import sample_weights


@dataclass(frozen=True, slots=True, eq=False)
class PositionTable:
    """Usable rows, by trade, then by bar; trades oldest first.

    `rows` (n, k) float32, finite, columns `feature_names`; `label` 0, 1, 2 for HOLD, EXIT, ADD;
    `first_row` (trades + 1): trade i has rows first_row[i] … first_row[i + 1] − 1; `decided` each
    trade's bar of decision. `of`: what each row is about.
    """

    rows: NDArray[np.float32]
    open_ms: Int64s
    feature_names: tuple[str, ...]
    first_row: Int64s
    decided: Int64s
    of: TradeRows

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def label(self) -> NDArray[np.int8]:
        return self.of.label

    @property
    def trades(self) -> int:
        return len(self.decided)

    def rows_of(self, trades: Int64s) -> Int64s:
        """All rows of trades, which are a range of numbers."""
        if len(trades) == 0:
            return np.empty(0, dtype=np.int64)
        return np.arange(self.first_row[trades[0]], self.first_row[trades[-1] + 1])

    def weights(self, rows: Int64s, half_life_days: float) -> Float64s:
        """Uniqueness × recency × class balance among these rows only, mean 1."""
        of = self.of
        return sample_weights(
            of.label[rows], of.bar[rows] + 1, of.end_bar[rows], self.open_ms[rows], half_life_days
        )

    @property
    def has_m1(self) -> NDArray[np.bool_]:
        """Which rows had M1 bars."""
        neutral = np.array(M1_NEUTRAL, dtype=np.float32)
        return np.asarray((self.rows[:, -len(M1_NAMES) :] != neutral).any(axis=1))


def position_table(
    bars: Bars,
    market: Float64s,
    first_bar: int,
    market_names: tuple[str, ...],
    of: TradeRows,
    m1: Bars | None,
) -> PositionTable:
    """Rows whose market features are finite. `market`: features of the bars from `first_bar` on."""
    state = position_states(
        of.side, of.price_open, of.bars_held, of.close_price, of.best_price, of.atr_entry
    )
    minutes = m1_features(m1, bars.close_ms[of.bar])
    rows = np.hstack([market[of.bar - first_bar], state, minutes]).astype(np.float32)
    finite = np.isfinite(rows).all(axis=1)
    of = TradeRows(*(getattr(of, name)[finite] for name in TradeRows.__slots__))
    _, first_row = np.unique(of.trade, return_index=True)
    return PositionTable(
        rows=rows[finite],
        open_ms=bars.open_ms[of.bar],
        feature_names=(*market_names, *STATE_NAMES, *M1_NAMES),
        first_row=np.r_[first_row, len(of)],
        decided=of.bar[first_row] - of.bars_held[first_row],
        of=of,
    )
