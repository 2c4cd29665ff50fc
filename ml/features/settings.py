"""`ml_config.json` section `features`."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, field_validator


class FeatureSettings(BaseModel):
    """Which groups of features a model sees."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    groups: tuple[Literal["base", "regime", "smc", "onchain"], ...] = ("base", "regime")

    @field_validator("groups")
    @classmethod
    def _each_once(cls, groups: tuple[str, ...]) -> tuple[str, ...]:
        if not groups or len(set(groups)) != len(groups):
            raise ValueError("groups: at least one group and each only once is allowed")
        return groups
