"""`strategy_params.json`: values that a sweep has found, over `config.json` and `ml_config.json`.

They hold only where `config.json` has `strategy_params.enabled`; overrides of a command line come
after them. `scripts/sweep.py --apply` writes the file. It lies beside the models, so that a swap of
models changes it in the same step.
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from market.whole_file import whole_file
from settings.errors import SettingProblem, SettingsError
from trading.decision.settings import DecisionSettings

FILE = "strategy_params.json"
# A release of the hub may bring the file: it sets how is traded and trained, never where, for whom
# or by whose rules, and no limit that a person has set to the account.
_TRAINED_BY = {
    "features.groups", "labeling", "training", "rf_params", "xgb_params", "lgb_params", "et_params",
    "position_training", "sltp_training", "risk_training",
}  # fmt: skip
_A_PERSONS = {
    "prop", "prop_rules", "timezone", "max_lot", "max_open_positions", "max_daily_loss_pct",
    "max_weekly_drawdown_pct", "max_trades_per_day",
}  # fmt: skip
_MAY_SET = set(DecisionSettings.model_fields) - _A_PERSONS | _TRAINED_BY | {"paper"}
_MANIFEST = "models/model_compat.json"


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


def params_folder(root: Path, ml: Mapping[str, Any]) -> Path:
    """The folder of the models that `ml_config.json` (`ml`) names; the file lies in it."""
    return (root / str(ml.get("model_compat", _MANIFEST))).parent


def write_strategy_params(
    folder: Path, overrides: Mapping[str, Any], found: Mapping[str, Any]
) -> Path:
    """Writes the file in `folder`, whole or not at all. Raises `SettingsError` for keys that it may
    not set."""
    require_settable(overrides)
    content = StrategyParams(
        overrides=dict(overrides), found=dict(found), written_ms=time.time_ns() // 1_000_000
    )
    path = folder / FILE
    with whole_file(path) as part:
        part.write_text(content.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return path


def require_settable(overrides: Mapping[str, Any]) -> None:
    """Raises `SettingsError` with every key that the file may not set."""
    problems = _not_settable(overrides)
    if problems:
        raise SettingsError(problems)


def _not_settable(overrides: Mapping[str, Any]) -> list[SettingProblem]:
    said = (
        "a key of trading or training is allowed; places, accounts and their limits stand in "
        "config.json alone"
    )
    return [
        SettingProblem(FILE, f"overrides.{key}", said, repr(value)[:80])
        for key, value in overrides.items()
        if not any(key == each or key.startswith(f"{each}.") for each in _MAY_SET)
    ]


def read_overrides(
    root: Path, config: Mapping[str, Any], ml: Mapping[str, Any], problems: list[SettingProblem]
) -> list[str]:
    """The file's overrides as `key=value` texts, none where they are switched off.

    What is wrong with the file is added to `problems`.
    """
    section = config.get("strategy_params")
    if not isinstance(section, dict) or section.get("enabled") is not True:
        return []
    folder = params_folder(root, ml)
    if (root / FILE).exists() and folder.resolve() != root.resolve():
        said = f"it lies beside the models: move it to {folder.name}/{FILE}, or remove it"
        problems.append(SettingProblem(FILE, "(file)", said, f"one in {root.resolve().name}"))
        return []
    try:
        params = read_strategy_params(folder)
    except SettingsError as error:
        problems.extend(error.problems)
        return []
    problems += _not_settable(params.overrides)
    return [f"{key}={json.dumps(value)}" for key, value in params.overrides.items()]


def read_strategy_params(folder: Path) -> StrategyParams:
    """The file in `folder`. Raises `SettingsError` with every problem."""
    try:
        return StrategyParams.model_validate_json((folder / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        said = (
            f"strategy_params.enabled is true: {folder.name}/{FILE} must exist: write one with "
            "scripts/sweep.py --apply, serve a release that has one, or switch it off"
        )
        raise SettingsError([SettingProblem(FILE, "(file)", said, "none")]) from None
    except ValidationError as error:
        raise SettingsError([
            SettingProblem(FILE, ".".join(map(str, each["loc"])) or "(file)", each["msg"],
                           repr(each["input"])[:80])
            for each in error.errors()
        ]) from None  # fmt: skip
