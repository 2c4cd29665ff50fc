"""Composes `config.json` and `ml_config.json` from the sections that live with their rooms.

Only doors (and their tests) import it.
"""

from settings.accounts import account_ids, state_name_of
from settings.errors import SettingProblem, SettingsError
from settings.load import MlSettings, Settings, load_settings
from settings.reload import SettingsFiles

__all__ = [
    "MlSettings", "SettingProblem", "Settings", "SettingsError", "SettingsFiles", "account_ids",
    "load_settings", "state_name_of",
]  # fmt: skip
