"""The trades that the position model learns from: decided by the signal model's own forecasts of
bars that it had not seen, through a gate that lets more through than the trading one.
"""

from dataclasses import dataclass

import numpy as np

from market.bars import Bars, Int64s
from market.instrument import Instrument
from ml.training.models import TrainingError
from ml.training.oof import OofForecasts
from trading.decision.filter_settings import AdxRegimeFilter
from trading.decision.gate import GateColumns, evaluate
from trading.decision.quantile import rolling_floor
from trading.decision.settings import DecisionSettings, QuantileGate
from trading.decision.signal import read_signal
from trading.market_window import gate_means


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """Bars at whose close a trade was decided, oldest first, and its side (+1, −1)."""

    row: Int64s
    side: Int64s

    def __len__(self) -> int:
        return len(self.row)


def loose_entries(
    bars: Bars,
    instrument: Instrument,
    oof: OofForecasts,
    decision: DecisionSettings,
    gate: QuantileGate,
) -> Entries:
    """Closes at which the trading gate would let a trade in, with `gate` instead of its own share
    of margins, and in every regime.

    Raises `TrainingError` where the forecasts are of other bars.
    """
    at = np.searchsorted(bars.open_ms, oof.open_ms)
    if len(oof) == 0 or at[-1] >= len(bars) or (bars.open_ms[at] != oof.open_ms).any():
        raise TrainingError(
            f"out-of-fold forecasts: {len(oof)} of these {len(bars)} bars are allowed, those of "
            "other bars came: give the bars that the signal model was trained on, or train both: "
            "python train_ml_model.py --ensemble --position"
        )
    prediction = decision.prediction.model_copy(update={"gate": "quantile"})
    loose = {"prediction": prediction, "adx_regime_filter": AdxRegimeFilter()}
    columns = _gate_columns(bars, instrument, oof, gate, at)
    verdicts = evaluate(columns, decision.model_copy(update=loose))
    allowed = verdicts.denied == 0
    return Entries(at[allowed], verdicts.side[allowed].astype(np.int64))


def _gate_columns(
    bars: Bars, instrument: Instrument, oof: OofForecasts, gate: QuantileGate, at: Int64s
) -> GateColumns:
    signal = read_signal(oof.probabilities, oof.votes)
    floor = rolling_floor(
        oof.open_ms,
        signal.margin,
        lookback_ms=gate.lookback_ms,
        top_share=gate.top_share,
        min_filled_share=gate.min_filled_share,
    )
    ranges, means = gate_means(bars)
    return GateColumns(
        side=signal.side,
        agreeing=signal.agreeing,
        confidence=signal.confidence,
        gap=signal.gap,
        margin=signal.margin,
        margin_floor=floor,
        close=bars.close[at],
        atr=ranges[at],
        ema200=means[at],
        spread_points=bars.spread_points[at].astype(np.float64),
        point=instrument.point,
    )


def stop_multiples(decision: DecisionSettings) -> tuple[float, float]:
    """Stop and target of the trades that these settings open: the static ones, or the net where
    the position model is the primary exit."""
    net = decision.ml_active_management.position_as_primary_exit
    if net.enabled:
        return net.catastrophic_sl_atr_mult, net.emergency_tp_atr_mult
    static = decision.dynamic_sltp
    return static.sl_atr_multiplier, static.tp_atr_multiplier
