"""`config/accounts.json` and `config/terminals.json`: whose account, through which bridge."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from settings.errors import SettingProblem

ACCOUNTS = "config/accounts.json"
TERMINALS = "config/terminals.json"

_FILE_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,60}$"
_OF_A_TERMINAL = ("dialect", "server_timezone", "login", "server", "account_kind")


class AccountEntry(BaseModel):
    """One account. What it sets replaces the same setting of `config.json`.

    `account_type` and `currency_multiplier` (value of one account unit in its base currency: 0.01
    on a cent account) are checked against what the bridge says. `state_file` without `.json` names
    the state folder. `strategy_id`: marks this entry's orders; needed where entries share a
    terminal. `symbol`: what it trades, where that is not `config.json`'s.

    `bridge_*` come from its terminal in `terminals.json`: `url`, and, where that bridge has its
    own, `dialect` and `server_timezone`; `login`, `server` and `account_kind` say who must be
    logged in there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    account_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")
    broker_id: str
    terminal_key: str
    account_type: str = Field(pattern="^(standard|cent)$")
    currency_multiplier: float = Field(gt=0)
    risk_pct: float = Field(gt=0, le=100)
    max_lot: float = Field(gt=0)
    state_file: str = Field(pattern=_FILE_NAME)
    strategy_id: int | None = None
    symbol: str | None = None
    bridge_url: str
    bridge_dialect: str | None = None
    bridge_server_timezone: str | None = None
    bridge_login: int | None = None
    bridge_server: str | None = None
    bridge_account_kind: str | None = None

    @property
    def state_name(self) -> str:
        """The name of the state folder."""
        return self.state_file.removesuffix(".json")

    def apply_to(self, config: dict[str, Any]) -> None:
        """Writes this account's risk, lot, mark, symbol and bridge over a `config.json` tree."""
        config["risk_percent"] = self.risk_pct
        config["max_lot"] = self.max_lot
        if self.strategy_id is not None:
            config.setdefault("daemon", {})["strategy_id"] = self.strategy_id
        if self.symbol is not None:
            config["symbol"] = self.symbol
        bridge = {
            "api_base_url": self.bridge_url, "dialect": self.bridge_dialect,
            "server_timezone": self.bridge_server_timezone,
        }  # fmt: skip
        section = config.setdefault("bridge", {})
        section.update({k: v for k, v in bridge.items() if v is not None})
        # Those of `config.json` are another account's.
        section.update(
            login=self.bridge_login, server=self.bridge_server,
            account_kind=self.bridge_account_kind,
        )  # fmt: skip


def account_ids(root: Path = Path()) -> tuple[str, ...]:
    """The entries of `config/accounts.json`; none where there is no such file, or no good one."""
    return tuple(_section(root / ACCOUNTS, "accounts", []) or {})


def state_name_of(account_id: str, root: Path = Path()) -> str:
    """The name of an account's state folder; `live-ID` where no entry names one."""
    entry = (_section(root / ACCOUNTS, "accounts", []) or {}).get(account_id, {})
    return _folder_of(entry) if "state_file" in entry else f"live-{account_id}"


def terminal_key_of(account_id: str, root: Path = Path()) -> str:
    """The entry's terminal; empty where there is no such entry."""
    entry = (_section(root / ACCOUNTS, "accounts", []) or {}).get(account_id, {})
    return str(entry.get("terminal_key", ""))


def read_account(
    root: Path, account_id: str, problems: list[SettingProblem]
) -> AccountEntry | None:
    """The entry `account_id`; what is wrong is added to `problems` and None comes back."""
    accounts = _section(root / ACCOUNTS, "accounts", problems)
    terminals = _section(root / TERMINALS, "terminals", problems)
    if accounts is None or terminals is None:
        return None
    if account_id not in accounts:
        known = ", ".join(accounts) or "none yet"
        problems.append(
            SettingProblem("--account", account_id, f"{ACCOUNTS} has: {known}", account_id)
        )
        return None
    entry = accounts[account_id]
    terminal = terminals.get(entry.get("terminal_key"))
    if not isinstance(terminal, dict) or "url" not in terminal:
        problems.append(
            SettingProblem(
                ACCOUNTS,
                f"{account_id}.terminal_key",
                f"a terminal with a url in {TERMINALS}: {', '.join(terminals)}",
                repr(entry.get("terminal_key")),
            )
        )
        return None
    _refuse_shared(account_id, accounts, problems)
    try:
        return AccountEntry.model_validate(entry | {
            "account_id": account_id, "bridge_url": terminal["url"],
            **{f"bridge_{key}": terminal.get(key) for key in _OF_A_TERMINAL},
        })  # fmt: skip
    except ValidationError as error:
        for each in error.errors():
            path = ".".join([account_id, *(str(part) for part in each["loc"])])
            problems.append(SettingProblem(ACCOUNTS, path, each["msg"], repr(each["input"])))
        return None


def _refuse_shared(
    account_id: str, accounts: Mapping[str, Any], problems: list[SettingProblem]
) -> None:
    """Entries may share a terminal, but then each marks its own orders; a state folder has one."""
    own = accounts[account_id]
    for name, other in accounts.items():
        if name == account_id or not isinstance(other, dict):
            continue
        if _folder_of(other) == _folder_of(own):
            problems.append(SettingProblem(
                ACCOUNTS, f"{account_id}.state_file", f"a name of its own, {name} has it, too",
                repr(own.get("state_file")),
            ))  # fmt: skip
        shares_terminal = other.get("terminal_key") == own.get("terminal_key")
        if shares_terminal and other.get("strategy_id") == own.get("strategy_id"):
            problems.append(SettingProblem(
                ACCOUNTS, f"{account_id}.strategy_id",
                f"a number that {name} does not have: both trade through {own['terminal_key']}",
                repr(own.get("strategy_id")),
            ))  # fmt: skip


def _folder_of(entry: Mapping[str, Any]) -> str:
    return str(entry.get("state_file")).removesuffix(".json")


def _section(path: Path, key: str, problems: list[SettingProblem]) -> dict[str, Any] | None:
    name = f"config/{path.name}"
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        problems.append(SettingProblem(name, "(file)", "the file must exist for --account", "none"))
        return None
    except ValueError as error:
        problems.append(SettingProblem(name, "(file)", "valid JSON", str(error)))
        return None
    if not isinstance(tree, dict) or not isinstance(tree.get(key), dict):
        problems.append(SettingProblem(name, key, "an object is allowed", repr(tree)[:80]))
        return None
    section: dict[str, Any] = tree[key]
    bad = [each for each, entry in section.items() if not isinstance(entry, dict)]
    for each in bad:
        problems.append(
            SettingProblem(name, f"{key}.{each}", "an object", repr(section[each])[:80])
        )
    return None if bad else section
