"""`config/prop_rules.json`: the profile that `prop.profile` names."""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from settings.errors import SettingProblem, SettingsError
from trading.decision.prop_rules import PropProfile, PropRules

FILE = "config/prop_rules.json"


def read_prop_profile(
    root: Path, config: dict[str, Any], problems: list[SettingProblem]
) -> PropProfile | None:
    """The profile of a `config.json` tree; None where it names none.

    What is wrong is added to `problems`, and the name is taken out of the tree, so that the rest
    of it can still be judged.
    """
    prop = config.get("prop")
    name = prop.get("profile") if isinstance(prop, dict) else None
    if not isinstance(prop, dict) or not name:
        return None
    rules = _read(root / FILE, problems)
    if rules is not None and name in rules.profiles:
        return rules.profiles[name]
    if rules is not None:
        known = " or ".join(rules.profiles)
        problems.append(
            SettingProblem("config.json", "prop.profile", f"{known} is allowed", repr(name))
        )
    config["prop"] = {key: value for key, value in prop.items() if key != "profile"}
    return None


def read_prop_rules(root: Path) -> PropRules:
    """`config/prop_rules.json` under `root`. Raises `SettingsError` with every problem."""
    problems: list[SettingProblem] = []
    rules = _read(root / FILE, problems)
    if rules is None:
        raise SettingsError(problems)
    return rules


def _read(path: Path, problems: list[SettingProblem]) -> PropRules | None:
    try:
        return PropRules.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        said = [("(file)", "the file must exist for prop.profile", "none")]
    except json.JSONDecodeError as error:
        said = [(f"line {error.lineno}", "valid JSON", error.msg)]
    except ValidationError as error:
        said = [
            (".".join(map(str, each["loc"])), each["msg"], repr(each["input"])[:80])
            for each in error.errors()
        ]
    problems.extend(SettingProblem(FILE, *each) for each in said)
    return None
