"""Composes `config.json` and `ml_config.json` from the sections that live with their rooms.

Only doors (and their tests) import it.
"""

from settings.errors import SettingProblem, SettingsError
from settings.load import MlSettings, Settings, load_settings

__all__ = ["MlSettings", "SettingProblem", "Settings", "SettingsError", "load_settings"]
