"""What the signal trainer learns from, and how."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from market.bars import Bars
from market.calendar import EconomicCalendar
from market.instrument import Instrument
from market.onchain import OnChain
from ml.features.catalogue import LOOKBACK_MS
from ml.features.settings import FeatureSettings
from ml.training.devices import CPU, Devices
from ml.training.models import EnsembleParams, Profile
from ml.training.settings import LabelSettings, TrainingSettings

DAY_MS = 86_400_000
SHORT_HISTORY_DAYS = 270
QUICK_SPLITS = 3

Progress = Callable[[str, int, int], None]
Regime = Literal["all", "trending", "ranging"]


@dataclass(frozen=True, slots=True)
class SignalTraining:
    """`cutoff_ms`: no bar that opens at or after it is used. `source`: where the bars come from, in
    words; `files`: name and SHA-256 of what else was read. `regime`: learn from rows of one regime
    only. `warm_start`: go on from the earlier model of the same folder, where that is allowed.
    `tuning`: how the parameters were found, in words.
    """

    bars: Bars
    instrument: Instrument
    features: FeatureSettings
    labels: LabelSettings
    training: TrainingSettings
    params: EnsembleParams
    profile: Profile
    cutoff_ms: int
    source: str
    calendar: EconomicCalendar
    onchain: OnChain | None = None
    files: dict[str, str] = field(default_factory=dict)
    devices: Devices = CPU
    regime: Regime = "all"
    warm_start: bool = False
    tuning: str = ""

    @property
    def gap_bars(self) -> int:
        """Purge (the label horizon) and embargo together."""
        return self.labels.lookahead_candles + self.training.embargo_bars

    @property
    def n_splits(self) -> int:
        """Walk-forward folds of this profile."""
        splits = self.training.n_splits
        return splits if self.profile == "full" else min(splits, QUICK_SPLITS)


def history_warning(bars: Bars) -> str:
    """A sentence if the history is short for these features, else an empty string."""
    days = (int(bars.close_ms[-1]) - int(bars.open_ms[0])) / DAY_MS if len(bars) else 0
    if days >= SHORT_HISTORY_DAYS:
        return ""
    return (
        f"the history has {days:.0f} days; below {SHORT_HISTORY_DAYS} little is left to learn "
        f"from after {LOOKBACK_MS / DAY_MS:.0f} days of warm-up and the calibration days"
    )


def utc_iso(instant_ms: int) -> str:
    """An instant as ISO text with its offset."""
    return datetime.fromtimestamp(instant_ms / 1000, UTC).isoformat()
