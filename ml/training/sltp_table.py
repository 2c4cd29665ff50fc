"""The SL/TP model's training table: a row per bar that the signal model forecast out of fold."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market.bars import Bars, Float64s, Int64s
from market.instrument import Instrument
from ml.training.models import TrainingError
from ml.training.oof import OofForecasts
from ml.training.sltp_labels import PAIRS, TradePaths, best_pairs, outcomes, sides, trade_paths
from ml.training.table import TrainingTable


@dataclass(frozen=True, slots=True, eq=False)
class SltpTable:
    """Rows oldest first, columns `feature_names`.

    `rows` (n, k) float32; `bar`, `end_bar` first and last bar of each trade decided there, among
    all bars; `margin` |p(BUY) − p(SELL)|; `paths` the trades; `profit_r`, `outcome` (n, pairs) as
    in `sltp_labels`; `label` (n, 2) the best (stop, target).
    """

    rows: NDArray[np.float32]
    bar: Int64s
    open_ms: Int64s
    margin: Float64s
    feature_names: tuple[str, ...]
    paths: TradePaths
    profit_r: Float64s
    outcome: Float64s
    label: Float64s

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def end_bar(self) -> Int64s:
        """The last bar that each label looks at."""
        return self.bar + self.paths.horizon


def sltp_table(
    bars: Bars,
    instrument: Instrument,
    table: TrainingTable,
    oof: OofForecasts,
    horizon: int,
    static: tuple[float, float],
) -> SltpTable:
    """Rows of `table` that have an out-of-fold forecast with a side, and their best pairs.

    `static`: the pair that wins a tie. Raises `TrainingError` where the forecasts are for rows
    that the table does not have.
    """
    place = np.searchsorted(table.open_ms, oof.open_ms)
    known = place < len(table)
    known[known] = table.open_ms[place[known]] == oof.open_ms[known]
    if not known.all():
        raise TrainingError(
            f"out-of-fold forecasts: {int((~known).sum())} of {len(oof)} are for bars without "
            "features or label; train the signal model again with these settings: "
            "python train_ml_model.py --ensemble"
        )
    side = sides(oof.probabilities)
    decided = side != 0
    rows = place[decided]
    paths = trade_paths(bars, instrument, table.bar[rows], side[decided].astype(np.int64), horizon)
    profit_r, outcome = outcomes(paths, PAIRS)
    return SltpTable(
        rows=table.rows[rows],
        bar=table.bar[rows],
        open_ms=table.open_ms[rows],
        margin=np.abs(oof.probabilities[decided, 0] - oof.probabilities[decided, 1]),
        feature_names=table.feature_names,
        paths=paths,
        profit_r=profit_r,
        outcome=outcome,
        label=best_pairs(outcome, static),
    )
