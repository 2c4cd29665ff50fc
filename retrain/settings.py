"""Key `weekly` of `config.json`: the weekly pipeline."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class WeeklySettings(BaseModel):
    """The train cutoff lies `sweep_weeks` + `judge_weeks` before the end of the data: settings are
    tried on the first part, champion and candidate are judged on the last one.

    `trials`: of the signal model's parameters, 0 leaves tuning out. `sweep_target`: a grid of
    `config/sweeps.json`; `sweep_draws`: settings drawn from it.
    `shadow_days`: a candidate that passed the gates decides in shadow for so many days before it
    may serve; 0 serves it at once. `push`: what is served is released to the hub. `notify`: the
    report goes to Telegram, where a token and a chat are set. `resume_days`: an unfinished run that
    is older is given up and a new one begun. `keep_runs`: folders of runs that stay on the disk.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sweep_weeks: float = Field(default=13, ge=0, le=104)
    judge_weeks: float = Field(default=26, gt=0, le=208)
    trials: int = Field(default=30, ge=0, le=10_000)
    sweep_target: Literal["signal", "pos", "both", "kelly", "ml_sltp", "regime"] = "both"
    sweep_draws: int = Field(default=36, ge=1, le=10_000)
    shadow_days: int = Field(default=6, ge=0, le=90)
    push: bool = True
    notify: bool = True
    resume_days: float = Field(default=3, gt=0, le=30)
    keep_runs: int = Field(default=8, ge=2, le=520)
