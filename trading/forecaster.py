"""Features and forecasts: in one batch over the gate's look-back at start, then one row a bar.

Both go through the same two functions, so a row alone has the bits it has in a batch.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from market.bars import Bars, Float64s, Int64s
from market.onchain import OnChain
from ml.features.catalogue import LOOKBACK_MS, names
from ml.features.matrix import feature_matrix
from ml.features.truncation import FutureLeakError, require_known_at_close
from trading.decision.quantile import floor_at
from trading.decision.records import Forecast
from trading.decision.settings import QuantileGate
from trading.errors import DaemonError
from trading.forecasts import ForecastColumns, Predicted, forecast_columns
from trading.releases import CalendarSource


class Predictor(Protocol):
    """Features (n, k) in, probabilities and votes out."""

    def predict(self, features: Float64s) -> Predicted: ...


@dataclass(frozen=True, slots=True, eq=False)
class BarForecast:
    """What the models say of one closed bar, and the floor that its margin must reach.

    `features`: the row (k,) it was predicted from. `forecast` is None where `missing_feature`
    names one that is not finite.
    """

    features: Float64s
    forecast: Forecast | None
    missing_feature: str
    margin: float
    margin_floor: float


class Forecaster:
    """Forecasts closed bars in their order and remembers the margins of the gate's look-back."""

    lookback_ms = LOOKBACK_MS

    def __init__(
        self,
        predictor: Predictor,
        *,
        groups: tuple[str, ...],
        quantile: QuantileGate,
        round_step: float,
        calendar: CalendarSource,
        onchain: OnChain | None = None,
    ) -> None:
        """`calendar`, `onchain`: what the features of these groups read beside bars."""
        self._predictor = predictor
        self._groups = groups
        self._names = names(groups)
        self._quantile = quantile
        self._round_step = round_step
        self._calendar = calendar
        self._onchain = onchain
        self._open_ms: Int64s = np.empty(0, dtype=np.int64)
        self._margin: Float64s = np.empty(0)

    @property
    def history_ms(self) -> int:
        """How far before the first decided bar history must reach."""
        return self._quantile.lookback_ms + self.lookback_ms

    def start(self, history: Bars, first_open_ms: int) -> None:
        """Computes the margins of the look-back before the bar that will be decided first."""
        first = int(history.open_ms.searchsorted(first_open_ms - self._quantile.lookback_ms))
        last = int(history.open_ms.searchsorted(first_open_ms))
        if first == last:
            return
        known = history.rows(0, last)
        self._require_known_at_close(known)
        columns = self._columns(known, first)
        self._columns(known, last - 1)  # one row, as at a close: what it needs is loaded before
        self._open_ms, self._margin = columns.open_ms, columns.margin

    def with_predictor(
        self, predictor: Predictor, history: Bars, first_open_ms: int
    ) -> "Forecaster":
        """One like this over another model, with that model's own margins of the look-back."""
        other = Forecaster(
            predictor, groups=self._groups, quantile=self._quantile, round_step=self._round_step,
            calendar=self._calendar, onchain=self._onchain,
        )  # fmt: skip
        other.start(history, first_open_ms)
        return other

    def take_over(self, other: "Forecaster") -> None:
        """From the next bar on, forecasts and margins are the other's."""
        self._predictor = other._predictor
        self._open_ms, self._margin = other._open_ms, other._margin

    def forecast(self, window: Bars) -> BarForecast:
        """The forecast of the window's last bar; its margin is then part of the look-back."""
        row = len(window) - 1
        self._make_up(window, row)
        features = self._features(window, row)
        columns = self._forecasts(features, window.open_ms[row:])
        floor = self._floor(int(window.open_ms[row]))
        self._remember(int(window.open_ms[row]), float(columns.margin[0]))
        return BarForecast(
            features[0], columns.row(0), columns.missing_feature(0), float(columns.margin[0]), floor
        )

    def _make_up(self, window: Bars, row: int) -> None:
        """Forecasts bars that came later than their turn, so that their margins count, too."""
        if len(self._open_ms):
            first = int(window.open_ms.searchsorted(self._open_ms[-1], side="right"))
            if first < row:
                self.skip(window.rows(0, row), first)

    def skip(self, window: Bars, first: int) -> None:
        """Forecasts rows that nobody decides (missed bars), so that their margins count."""
        columns = self._columns(window, first)
        for open_ms, margin in zip(columns.open_ms, columns.margin, strict=True):
            self._remember(int(open_ms), float(margin))

    def _require_known_at_close(self, bars: Bars) -> None:
        """On this account's own history too, no feature may see the future."""
        try:
            require_known_at_close(bars, self._features, self._names)
        except FutureLeakError as error:
            raise DaemonError(f"{error}; nothing is traded on such a feature") from error

    def _columns(self, bars: Bars, first: int) -> ForecastColumns:
        return self._forecasts(self._features(bars, first), bars.open_ms[first:])

    def _features(self, bars: Bars, first: int) -> Float64s:
        known = self._calendar.at(int(bars.close_ms[-1]))
        return feature_matrix(
            bars, groups=self._groups, round_step=self._round_step,
            calendar=known.events, onchain=self._onchain, first_row=first,
        )  # fmt: skip

    def _forecasts(self, features: Float64s, open_ms: Int64s) -> ForecastColumns:
        return forecast_columns(features, self._names, open_ms, self._predictor.predict)

    def _floor(self, open_ms: int) -> float:
        return floor_at(
            self._open_ms, self._margin, open_ms,
            lookback_ms=self._quantile.lookback_ms,
            top_share=self._quantile.top_share,
            min_filled_share=self._quantile.min_filled_share,
        )  # fmt: skip

    def _remember(self, open_ms: int, margin: float) -> None:
        keep = int(self._open_ms.searchsorted(open_ms - self._quantile.lookback_ms))
        self._open_ms = np.append(self._open_ms[keep:], open_ms)
        self._margin = np.append(self._margin[keep:], margin)
