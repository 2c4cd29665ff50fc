"""`config/risk_profiles.json`: what conservative, balanced and growth set in `config.json`."""

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from settings.errors import SettingProblem, SettingsError

FILE = "config/risk_profiles.json"

SettingValue = bool | int | float | str | None


class RiskProfile(BaseModel):
    """`sets`: values by the dotted path of their key. Every profile sets the same keys, so that
    one takes back what another has set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    about: str
    sets: dict[str, SettingValue] = Field(min_length=1)


class RiskProfiles(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    profiles: dict[str, RiskProfile]


def read_risk_profiles(root: Path) -> dict[str, RiskProfile]:
    """By name. Raises `SettingsError`."""
    path = root / FILE
    try:
        return RiskProfiles.model_validate(json.loads(path.read_text(encoding="utf-8"))).profiles
    except FileNotFoundError:
        raise SettingsError([SettingProblem(FILE, "(file)", "it must exist", "none")]) from None
    except json.JSONDecodeError as error:
        problem = SettingProblem(FILE, f"line {error.lineno}", "valid JSON", error.msg)
        raise SettingsError([problem]) from None
    except ValidationError as error:
        raise SettingsError([
            SettingProblem(FILE, ".".join(map(str, each["loc"])), each["msg"], repr(each["input"]))
            for each in error.errors()
        ]) from None  # fmt: skip
