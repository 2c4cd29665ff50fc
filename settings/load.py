"""Reads `config.json` and `ml_config.json` once, into a frozen tree.

Each section's schema lives with the room that uses it; this module only composes them, applies
overrides, and reports every unknown key and bad value together.
"""

import json
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backtest.gate_settings import GateSettings
from broker.client.settings import BridgeSettings
from broker.simulator.settings import PaperSettings
from ml.features.settings import FeatureSettings
from ml.hub.settings import HubSettings
from ml.predictors.settings import ModelPaths
from ml.training.position_settings import PositionTrainingSettings
from ml.training.regressor_settings import RiskTrainingSettings, SltpTrainingSettings
from ml.training.settings import (
    EtParams,
    LabelSettings,
    LgbParams,
    RfParams,
    TrainingSettings,
    XgbParams,
)
from ml.training.study_settings import StudySettings
from retrain.settings import WeeklySettings
from settings.accounts import AccountEntry, read_account
from settings.errors import SettingProblem, SettingsError
from settings.prop import read_prop_profile
from settings.strategy_params import StrategyParamsSettings, read_overrides
from trading.decision.prop_rules import PropProfile
from trading.decision.settings import DecisionSettings
from trading.news_settings import NewsSettings
from trading.settings import DaemonSettings
from trading.supabase_settings import SupabaseSettings
from trading.telegram_settings import TelegramSettings

CONFIG = "config.json"
ML_CONFIG = "ml_config.json"

_Tree = dict[str, Any]


class MlSettings(BaseModel):
    """`ml_config.json`, but for `prediction`, which the decision core owns."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    features: FeatureSettings
    labeling: LabelSettings
    training: TrainingSettings
    rf_params: RfParams
    xgb_params: XgbParams
    lgb_params: LgbParams
    et_params: EtParams = EtParams()
    position_training: PositionTrainingSettings = PositionTrainingSettings()
    sltp_training: SltpTrainingSettings = SltpTrainingSettings()
    risk_training: RiskTrainingSettings = RiskTrainingSettings()
    paths: ModelPaths
    study: StudySettings = Field(default_factory=StudySettings)
    hub: HubSettings = Field(default_factory=HubSettings)


class Settings(BaseModel):
    """Everything a person sets, typed and frozen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    symbol: str
    account: AccountEntry | None
    decision: DecisionSettings
    bridge: BridgeSettings
    daemon: DaemonSettings
    paper: PaperSettings
    news: NewsSettings = NewsSettings()
    telegram: TelegramSettings = TelegramSettings()
    gate: GateSettings = GateSettings()
    weekly: WeeklySettings = WeeklySettings()
    supabase: SupabaseSettings = SupabaseSettings()
    strategy_params: StrategyParamsSettings = StrategyParamsSettings()
    ml: MlSettings


def load_settings(
    root: Path = Path(),
    *,
    overrides: Iterable[str] = (),
    account: str | None = None,
    symbol: str | None = None,
) -> Settings:
    """Reads both files under `root`.

    `overrides` are `key.path=value` texts over either file (values are JSON, or plain text); those
    of `strategy_params.json` come before them where `strategy_params.enabled` is true.
    `account` names an entry of `config/accounts.json`, whose risk, lot and bridge then hold.
    `symbol` replaces the configured one. Raises `SettingsError` with every problem.
    """
    config, ml = read_tree(root / CONFIG), read_tree(root / ML_CONFIG)
    problems: list[SettingProblem] = []
    for text in (*read_overrides(root, config, ml, problems), *overrides):
        _override(text, config, ml, problems)
    entry = read_account(root, account, problems) if account is not None else None
    if entry is not None:
        entry.apply_to(config)
    if symbol is not None:
        config["symbol"] = symbol
    settings = _compose(config, ml, entry, read_prop_profile(root, config, problems), problems)
    if problems or settings is None:
        raise SettingsError(problems)
    return settings


def read_tree(path: Path) -> _Tree:
    """One of the two files. Raises `SettingsError`."""
    problem = None
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        problem = ("the file must exist", f"no file in {path.parent.resolve()}")
    except json.JSONDecodeError as error:
        problem = ("valid JSON is allowed", f"line {error.lineno}: {error.msg}")
    else:
        if isinstance(tree, dict):
            return tree
        problem = ("a JSON object is allowed", type(tree).__name__)
    raise SettingsError([SettingProblem(path.name, "(file)", *problem)])


def _override(text: str, config: _Tree, ml: _Tree, problems: list[SettingProblem]) -> None:
    path, sign, raw = text.partition("=")
    keys = path.split(".")
    if not sign or not all(keys):
        problems.append(SettingProblem("--override", text, "key.path=value is allowed", repr(text)))
        return
    tree = ml if keys[0] in ml else config
    for key in keys[:-1]:
        tree = tree.setdefault(key, {})
        if not isinstance(tree, dict):
            problems.append(
                SettingProblem("--override", path, f"{key} is a value, not a section", text)
            )
            return
    try:
        tree[keys[-1]] = json.loads(raw)
    except json.JSONDecodeError:
        tree[keys[-1]] = raw


def _compose(
    config: _Tree,
    ml: _Tree,
    entry: AccountEntry | None,
    rules: PropProfile | None,
    problems: list[SettingProblem],
) -> Settings | None:
    decision_keys = set(DecisionSettings.model_fields) - {"prediction", "prop_rules"}
    paths = {key: ml[key] for key in ModelPaths.model_fields if key in ml}
    ml_keys = set(MlSettings.model_fields) - {"paths"} | set(ModelPaths.model_fields)
    _refuse_unknown(CONFIG, config, decision_keys | _CONFIG_KEYS, problems)
    _refuse_unknown(ML_CONFIG, ml, ml_keys | {"prediction"}, problems)
    built = {
        "symbol": config.get("symbol"),
        "account": entry,
        "bridge": config.get("bridge", {}),
        "daemon": config.get("daemon", {}),
        "paper": config.get("paper", {}),
        "news": config.get("news", {}),
        "telegram": config.get("telegram", {}),
        "gate": config.get("gate", {}),
        "weekly": config.get("weekly", {}),
        "supabase": config.get("supabase", {}),
        "strategy_params": config.get("strategy_params", {}),
        "decision": {key: config[key] for key in decision_keys if key in config}
        | ({"prediction": ml["prediction"]} if "prediction" in ml else {})
        | {"prop_rules": rules},
        "ml": {key: ml[key] for key in ml_keys & set(MlSettings.model_fields) if key in ml}
        | {"paths": paths},
    }
    try:
        return Settings.model_validate(built)
    except ValidationError as error:
        problems.extend(_problem(each) for each in error.errors())
        return None


_CONFIG_KEYS = {
    "symbol", "bridge", "daemon", "paper", "news", "telegram", "gate", "weekly",
    "supabase", "strategy_params",
}  # fmt: skip


def _refuse_unknown(
    file: str, tree: _Tree, known: set[str], problems: list[SettingProblem]
) -> None:
    for key in tree.keys() - known:
        problems.append(SettingProblem(file, key, _unknown(key, known), _shown(tree[key])))


def _unknown(key: str, known: Iterable[str]) -> str:
    close = get_close_matches(key, list(known), n=1)
    return "unknown key" + (f", did you mean {close[0]}?" if close else "")


def _problem(error: Any) -> SettingProblem:
    """One pydantic error in the words of the file a person edited."""
    loc = [str(part) for part in error["loc"]]
    file = ML_CONFIG if loc[0] == "ml" or loc[:2] == ["decision", "prediction"] else CONFIG
    if loc[0] in ("decision", "ml"):
        loc = loc[1:]
    if loc and loc[0] == "paths":
        loc = loc[1:]
    said = error["msg"].removeprefix("Value error, ")
    allowed = "unknown key" if error["type"] == "extra_forbidden" else said
    received = "nothing" if error["type"] == "missing" else _shown(error["input"])
    return SettingProblem(file, ".".join(loc) or "(file)", allowed, received)


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 80 else text[:77] + "…"
