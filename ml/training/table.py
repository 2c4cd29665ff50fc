"""The training table: one row per bar that has all features and a whole label."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from market.bars import Bars, Float64s, Int64s, utc_text
from market.calendar import EconomicCalendar
from market.instrument import Instrument
from market.onchain import OnChain
from market.timeframe import Timeframe
from ml.features.catalogue import names
from ml.features.matrix import feature_matrix
from ml.features.settings import FeatureSettings
from ml.training.labels import signal_labels
from ml.training.models import TrainingError
from ml.training.settings import LabelSettings
from ml.training.weights import sample_weights

MAX_HOLE_SHARE = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class TrainingTable:
    """Usable rows, oldest first.

    `rows` (n, k) float32, finite; `label` 0, 1, 2 for BUY, SELL, HOLD; `bar` each row's index
    among the bars; `end_bar` the last bar its label looks at. `warm_up_bars` had no complete
    feature row yet; `hole_bars` lost one later (after a long closure); `unlabelled_bars` have
    features but no label.
    """

    rows: NDArray[np.float32]
    label: NDArray[np.int8]
    bar: Int64s
    end_bar: Int64s
    open_ms: Int64s
    feature_names: tuple[str, ...]
    warm_up_bars: int
    hole_bars: int
    unlabelled_bars: int

    def __len__(self) -> int:
        return len(self.rows)

    def only(self, which: NDArray[np.bool_]) -> "TrainingTable":
        """The rows that are marked; the counts of bars stay those of the whole history."""
        return replace(
            self, rows=self.rows[which], label=self.label[which], bar=self.bar[which],
            end_bar=self.end_bar[which], open_ms=self.open_ms[which],
        )  # fmt: skip

    def weights(self, rows: Int64s, half_life_days: float) -> Float64s:
        """Uniqueness × recency × class balance among these rows only, mean 1."""
        return sample_weights(
            self.label[rows], self.bar[rows] + 1, self.end_bar[rows], self.open_ms[rows],
            half_life_days,
        )  # fmt: skip


def training_table(
    bars: Bars,
    instrument: Instrument,
    features: FeatureSettings,
    labels: LabelSettings,
    calendar: EconomicCalendar,
    onchain: OnChain | None = None,
) -> TrainingTable:
    """Features and labels of bars, without the rows that lack either.

    Raises `TrainingError` where no row is complete, or where more than 1 % of the rows after the
    warm-up are not.
    """
    if bars.timeframe is not Timeframe.M15:
        raise TrainingError(f"bars: M15 is allowed, {bars.timeframe.name} came: use a M15 file")
    columns = names(features.groups)
    matrix = features_of(instrument, features, calendar, onchain)(bars, 0)
    finite = np.asarray(np.isfinite(matrix).all(axis=1))
    warm_up = _warm_up(bars, matrix, finite, columns)
    labelled = signal_labels(bars, instrument, labels)
    usable = np.flatnonzero(finite & labelled.valid)
    return TrainingTable(
        rows=matrix[usable].astype(np.float32),
        label=labelled.label[usable],
        bar=usable,
        end_bar=labelled.end_row[usable],
        open_ms=bars.open_ms[usable],
        feature_names=columns,
        warm_up_bars=warm_up,
        hole_bars=int((~finite[warm_up:]).sum()),
        unlabelled_bars=int((finite & ~labelled.valid).sum()),
    )


def features_of(
    instrument: Instrument,
    features: FeatureSettings,
    calendar: EconomicCalendar,
    onchain: OnChain | None = None,
) -> Callable[[Bars, int], Float64s]:
    """The feature matrix of bars from a row on, as training and the daemon compute it."""
    return lambda bars, first_row: feature_matrix(
        bars, groups=features.groups, round_step=instrument.round_step, calendar=calendar,
        onchain=onchain, first_row=first_row,
    )  # fmt: skip


def _warm_up(
    bars: Bars, matrix: Float64s, finite: NDArray[np.bool_], columns: tuple[str, ...]
) -> int:
    if not finite.any():
        missing = [columns[i] for i in np.flatnonzero(~np.isfinite(matrix).any(axis=0))][:3]
        raise TrainingError(
            f"features: no row of {len(bars)} bars is complete ({', '.join(missing) or 'none'} "
            "never has a value); the features need about 17 weeks of warm-up: use a longer history"
        )
    warm_up = int(finite.argmax())
    holes = np.flatnonzero(~finite[warm_up:]) + warm_up
    if len(holes) > MAX_HOLE_SHARE * (len(bars) - warm_up):
        first = int(holes[0])
        name = columns[int((~np.isfinite(matrix[first])).argmax())]
        raise TrainingError(
            f"features: {len(holes)} rows after the warm-up are not finite, at most "
            f"{MAX_HOLE_SHARE:.0%} of {len(bars) - warm_up} may be; the first is {name} at "
            f"{utc_text(int(bars.open_ms[first]))} UTC: fill the gap or start after it"
        )
    return warm_up
