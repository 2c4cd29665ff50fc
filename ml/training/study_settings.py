"""`study` in `ml_config.json`: the trial ledger, tuning, calibration and importance."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ml.predictors.settings import PROJECT_ROOT


class GroupRules(BaseModel):
    """Key `study.groups`: when `scripts/optimize_loop.py` keeps or drops a group of features.

    A group of `candidates` is kept if the score with it is at least the score without it plus its
    margin (`margins`, else `margin`), and one of its features has a mean |SHAP| of
    `study.prune_below` or more. A group that is there is dropped if none of its features that may
    be pruned has, and the score without it is no lower.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    candidates: tuple[Literal["base", "regime", "smc", "onchain"], ...] = ("smc", "onchain")
    margin: float = Field(default=0.5, ge=0)
    margins: dict[str, float] = Field(default_factory=dict)

    def margin_of(self, group: str) -> float:
        return self.margins.get(group, self.margin)


class StudySettings(BaseModel):
    """What the tools that judge and improve models work with.

    `ledger`, `storage`: files, relative ones from the project's folder; the environment's
    `OPTUNA_STORAGE` (a `postgresql+psycopg://` URL) comes before `storage`. `sample_days`: how
    much of the history before the cutoff a trial of the signal model sees, 0 for all of it;
    `sample_rows`: largest number of rows a trial of the position model sees. `calibration_limit`:
    largest mean absolute calibration error that passes. `shap_rows`: rows the importance is taken
    over; features below `prune_below` mean absolute SHAP are proposed for pruning.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ledger: Path = Path("state/trials.sqlite")
    storage: Path = Path("state/optuna.sqlite")
    trials: int = Field(default=50, ge=1)
    sample_days: int = Field(default=540, ge=0)
    sample_rows: int = Field(default=30_000, ge=1000)
    calibration_limit: float = Field(default=0.05, gt=0, lt=1)
    shap_rows: int = Field(default=5000, ge=100)
    prune_below: float = Field(default=0.001, ge=0)
    groups: GroupRules = GroupRules()

    @property
    def ledger_path(self) -> Path:
        return PROJECT_ROOT / self.ledger

    @property
    def storage_path(self) -> Path:
        return PROJECT_ROOT / self.storage
