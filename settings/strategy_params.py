"""`strategy_params.json`: values that a sweep has found, over `config.json` and `ml_config.json`.

They hold only where `config.json` has `strategy_params.enabled`; overrides of a command line come
after them. `scripts/sweep.py --apply` writes the file.
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from settings.errors import SettingProblem, SettingsError

FILE = "strategy_params.json"


class StrategyParamsSettings(BaseModel):
    """Key `strategy_params` of `config.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = False


class StrategyParams(BaseModel):
    """`overrides`: key path → value, as `--override` takes them. `found`: by what they were
    chosen; `written_ms`: wall clock."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    overrides: dict[str, Any]
    found: dict[str, Any]
    written_ms: int


def write_strategy_params(
    root: Path, overrides: Mapping[str, Any], found: Mapping[str, Any]
) -> Path:
    """Writes the file under `root`, whole or not at all."""
    content = StrategyParams(
        overrides=dict(overrides), found=dict(found), written_ms=time.time_ns() // 1_000_000
    )
    path = root / FILE
    part = path.with_name(path.name + ".part")
    part.write_text(content.model_dump_json(indent=2) + "\n", encoding="utf-8")
    part.replace(path)
    return path


def read_overrides(
    root: Path, config: Mapping[str, Any], problems: list[SettingProblem]
) -> list[str]:
    """The file's overrides as `key=value` texts, none where they are switched off.

    What is wrong with the file is added to `problems`.
    """
    section = config.get("strategy_params")
    if not isinstance(section, dict) or section.get("enabled") is not True:
        return []
    try:
        params = read_strategy_params(root)
    except SettingsError as error:
        problems.extend(error.problems)
        return []
    return [f"{key}={json.dumps(value)}" for key, value in params.overrides.items()]


def read_strategy_params(root: Path) -> StrategyParams:
    """The file under `root`. Raises `SettingsError` with every problem."""
    try:
        return StrategyParams.model_validate_json((root / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        said = "strategy_params.enabled is true: the file must exist (scripts/sweep.py --apply)"
        raise SettingsError([SettingProblem(FILE, "(file)", said, "none")]) from None
    except ValidationError as error:
        raise SettingsError([
            SettingProblem(FILE, ".".join(map(str, each["loc"])) or "(file)", each["msg"],
                           repr(each["input"])[:80])
            for each in error.errors()
        ]) from None  # fmt: skip
