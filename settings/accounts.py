"""`config/accounts.json` and `config/terminals.json`: whose account, through which bridge."""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from settings.errors import SettingProblem


class AccountEntry(BaseModel):
    """One account. What it sets replaces the same setting of `config.json`.

    `bridge_*` come from its terminal in `terminals.json`: `url`, and, where that bridge has its
    own, `dialect` and `server_timezone`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    account_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")
    broker_id: str
    terminal_key: str
    account_type: str = Field(pattern="^(standard|cent)$")
    currency_multiplier: float = Field(gt=0)
    risk_pct: float = Field(gt=0, le=100)
    max_lot: float = Field(gt=0)
    state_file: str
    bridge_url: str
    bridge_dialect: str | None = None
    bridge_server_timezone: str | None = None

    def apply_to(self, config: dict[str, Any]) -> None:
        """Writes this account's risk, lot and bridge over a `config.json` tree."""
        config["risk_percent"] = self.risk_pct
        config["max_lot"] = self.max_lot
        bridge = {
            "api_base_url": self.bridge_url, "dialect": self.bridge_dialect,
            "server_timezone": self.bridge_server_timezone,
        }  # fmt: skip
        config.setdefault("bridge", {}).update({k: v for k, v in bridge.items() if v is not None})


def read_account(
    root: Path, account_id: str, problems: list[SettingProblem]
) -> AccountEntry | None:
    """The entry `account_id`; what is wrong is added to `problems` and None comes back."""
    accounts = _section(root / "config" / "accounts.json", "accounts", problems)
    terminals = _section(root / "config" / "terminals.json", "terminals", problems)
    if accounts is None or terminals is None:
        return None
    if account_id not in accounts:
        known = ", ".join(accounts) or "none yet"
        problems.append(
            SettingProblem(
                "--account", account_id, f"config/accounts.json has: {known}", account_id
            )
        )
        return None
    entry = accounts[account_id]
    terminal = terminals.get(entry.get("terminal_key"))
    if not isinstance(terminal, dict) or "url" not in terminal:
        problems.append(
            SettingProblem(
                "config/accounts.json",
                f"{account_id}.terminal_key",
                f"a terminal with a url in config/terminals.json: {', '.join(terminals)}",
                repr(entry.get("terminal_key")),
            )
        )
        return None
    try:
        return AccountEntry.model_validate(entry | {
            "account_id": account_id, "bridge_url": terminal["url"],
            "bridge_dialect": terminal.get("dialect"),
            "bridge_server_timezone": terminal.get("server_timezone"),
        })  # fmt: skip
    except ValidationError as error:
        for each in error.errors():
            path = ".".join([account_id, *(str(part) for part in each["loc"])])
            problems.append(
                SettingProblem("config/accounts.json", path, each["msg"], repr(each["input"]))
            )
        return None


def _section(path: Path, key: str, problems: list[SettingProblem]) -> dict[str, Any] | None:
    name = f"config/{path.name}"
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        problems.append(SettingProblem(name, "(file)", "the file must exist for --account", "none"))
        return None
    except json.JSONDecodeError as error:
        problems.append(SettingProblem(name, f"line {error.lineno}", "valid JSON", error.msg))
        return None
    if not isinstance(tree, dict) or not isinstance(tree.get(key), dict):
        problems.append(SettingProblem(name, key, "an object is allowed", repr(tree)[:80]))
        return None
    section: dict[str, Any] = tree[key]
    return section
