"""What the position trainer learns from, and how."""

from dataclasses import dataclass

from market.bars import Bars
from ml.training.position_settings import PositionTrainingSettings
from ml.training.signal_task import SignalTraining
from trading.decision.settings import DecisionSettings


@dataclass(frozen=True, slots=True)
class PositionTraining:
    """What to learn from, and how.

    `signal`: the task that the installed signal model was trained with; its bars, features, splits
    and cutoff hold here too. `m1`: M1 bars of the same market, or None for neutral M1 features;
    `m1_source` says where they come from.
    """

    signal: SignalTraining
    decision: DecisionSettings
    settings: PositionTrainingSettings
    m1: Bars | None = None
    m1_source: str = ""

    @property
    def horizon_bars(self) -> int:
        return self.signal.labels.lookahead_candles

    @property
    def gap_bars(self) -> int:
        """Between the decisions of two parts: a trade, what its last label sees, the embargo."""
        return 2 * self.horizon_bars + self.signal.training.embargo_bars
