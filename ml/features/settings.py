"""`ml_config.json` section `features`."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, field_validator


class FeatureSettings(BaseModel):
    """Which groups of features a model sees, and the files behind those not made of bars.

    `calendar`: economic calendar (CSV) of the news features, which are neutral without it.
    `onchain`: folder of the group onchain's three files. Relative paths are meant from the
    project's folder.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    groups: tuple[Literal["base", "regime", "smc", "onchain"], ...] = ("base", "regime")
    calendar: Path | None = None
    onchain: Path | None = None

    @field_validator("groups")
    @classmethod
    def _each_once(cls, groups: tuple[str, ...]) -> tuple[str, ...]:
        if not groups or len(set(groups)) != len(groups):
            raise ValueError("groups: at least one group and each only once is allowed")
        return groups
