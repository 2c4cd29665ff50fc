"""What the risk trainer learns from, and how."""

from dataclasses import dataclass, field
from typing import Any

from broker.simulator.settings import PaperSettings
from ml.training.regressor import RegressorDefaults, regressor_params
from ml.training.regressor_settings import RiskTrainingSettings, SltpTrainingSettings
from ml.training.signal_task import SignalTraining
from trading.decision.settings import DecisionSettings

# Neighbouring states share all but one of the trades that they are labelled by, and other gates and
# orders repeat them: a thousand rows are some ten independent ones.
DEFAULTS = RegressorDefaults(
    "risk_training.lgb_params",
    full={
        "n_estimators": 150, "num_leaves": 4, "learning_rate": 0.02, "min_child_samples": 1000,
        "reg_lambda": 10.0, "max_bin": 63,
    },
    quick={"n_estimators": 60, "learning_rate": 0.05},
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RiskTraining:
    """`decision` and `paper`: the settings that trade. Multiplier 1 is `risk_percent`.

    `sltp`: how the SL/TP model was trained; its folds are made again where it trades.
    """

    signal: SignalTraining
    decision: DecisionSettings
    paper: PaperSettings
    settings: RiskTrainingSettings = field(default_factory=RiskTrainingSettings)
    sltp: SltpTrainingSettings = field(default_factory=SltpTrainingSettings)

    @property
    def params(self) -> dict[str, Any]:
        signal, given = self.signal, self.settings.lgb_params.root
        return regressor_params(DEFAULTS, given, signal.profile, signal.training.seed)

    @property
    def embargo_ms(self) -> int:
        return self.signal.training.embargo_bars * self.signal.bars.timeframe.ms

    @property
    def risk_share(self) -> float:
        """The share of equity that a trade risks at multiplier 1."""
        return self.decision.risk_percent / 100
