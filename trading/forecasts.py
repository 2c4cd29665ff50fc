"""From the predictors' arrays to the core's forecasts, for a history or for one bar."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from market.bars import Float64s, Int64s
from trading.decision.records import Forecast
from trading.decision.signal import SignalColumns, read_signal

# rf, xgb, lgb; some ensembles have a fourth.
MODELS = 3


class Predicted(Protocol):
    """What an ensemble answers: (n, 3) probabilities of its classes, (n, models) votes.

    The signal model's classes are BUY, SELL, HOLD, its votes +1, −1, 0.
    """

    @property
    def probabilities(self) -> Float64s: ...

    @property
    def votes(self) -> NDArray[np.int8]: ...


@dataclass(frozen=True, slots=True, eq=False)
class ForecastColumns:
    """One forecast per bar. Columns of equal length; NaN and 0 votes where a feature is missing.

    `missing` is the index of the first feature that is not finite, −1 where all are. `features`:
    the rows (n, k) they were made from, where these are kept.
    """

    open_ms: Int64s
    probabilities: Float64s
    votes: NDArray[np.int8]
    missing: NDArray[np.int16]
    feature_names: tuple[str, ...]
    signal: SignalColumns
    features: Float64s | None = None

    def __len__(self) -> int:
        return len(self.open_ms)

    @property
    def margin(self) -> Float64s:
        return self.signal.margin

    @property
    def confidence(self) -> Float64s:
        return self.signal.confidence

    @property
    def gap(self) -> Float64s:
        return self.signal.gap

    def row(self, i: int) -> Forecast | None:
        """The forecast of row i; None where `missing_feature(i)` names one."""
        if self.missing[i] >= 0:
            return None
        p_buy, p_sell, p_hold = self.probabilities[i].tolist()
        return Forecast(p_buy, p_sell, p_hold, tuple(self.votes[i].tolist()))

    def rows(self, first: int, last: int) -> "ForecastColumns":
        """Rows first … last − 1."""
        part = slice(first, last)
        return columns_of(
            self.open_ms[part],
            self.probabilities[part],
            self.votes[part],
            self.missing[part],
            self.feature_names,
            None if self.features is None else self.features[part],
        )

    def missing_feature(self, i: int) -> str:
        """The name of the first feature that is not finite in row i, or an empty string."""
        index = int(self.missing[i])
        return "" if index < 0 else self.feature_names[index]


def forecast_columns(
    features: Float64s,
    feature_names: Sequence[str],
    open_ms: Int64s,
    predict: Callable[[Float64s], Predicted],
) -> ForecastColumns:
    """Forecasts of `features` (n, k), one row per bar. Rows that are not finite are not predicted.

    The same function live (one row) and in batch: a row alone gives the bits it has in a batch.
    """
    finite = np.isfinite(features)
    missing = np.where(finite.all(axis=1), -1, (~finite).argmax(axis=1)).astype(np.int16)
    probabilities = np.full((len(features), 3), np.nan)
    votes = np.zeros((len(features), MODELS), dtype=np.int8)
    complete = missing < 0
    if complete.any():
        predicted = predict(features[complete])
        probabilities[complete] = predicted.probabilities
        votes = np.zeros((len(features), predicted.votes.shape[1]), dtype=np.int8)
        votes[complete] = predicted.votes
    return columns_of(open_ms, probabilities, votes, missing, tuple(feature_names), features)


def columns_of(
    open_ms: Int64s,
    probabilities: Float64s,
    votes: NDArray[np.int8],
    missing: NDArray[np.int16],
    feature_names: tuple[str, ...],
    features: Float64s | None = None,
) -> ForecastColumns:
    """Columns that were computed or cached before, with their signal."""
    signal = read_signal(probabilities, votes)
    return ForecastColumns(open_ms, probabilities, votes, missing, feature_names, signal, features)
