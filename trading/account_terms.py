"""Whether the bridge's account is what its entry in `config/accounts.json` says, and ours alone."""

import math
import re
from pathlib import Path
from typing import Protocol

from broker.client.settings import BridgeSettings
from broker.contract.constants import AccountTradeMode
from broker.contract.messages import Account
from trading.errors import AlreadyRunning, DaemonError
from trading.health import describe_account
from trading.state_folder import StateFolder

_CENT = 0.01

# Trade modes by the word of `bridge.account_kind`.
KIND_MODES: dict[str, tuple[AccountTradeMode, ...]] = {
    "demo": (AccountTradeMode.DEMO, AccountTradeMode.CONTEST), "real": (AccountTradeMode.REAL,),
}  # fmt: skip


class Entry(Protocol):
    """`settings.accounts.AccountEntry` is one."""

    @property
    def account_id(self) -> str: ...

    @property
    def account_type(self) -> str: ...

    @property
    def currency_multiplier(self) -> float: ...


def require_kind(account: Account, entry: Entry | None) -> None:
    """Raises `DaemonError` where type or currency of the account is not the entry's: lots would
    come out a hundred times too large or too small. None: nothing was said."""
    if entry is None:
        return
    unit, where = account.unit_to_base, f"config/accounts.json: {entry.account_id}"
    is_cent = math.isclose(unit, _CENT)
    seen = f"account {account.login} is kept in {account.currency}"
    if is_cent != (entry.account_type == "cent"):
        allowed = "cent" if is_cent else "standard"
        raise DaemonError(
            f"{where}.account_type: {allowed} is allowed, {seen}, but {entry.account_type} came"
        )
    if not math.isclose(unit, entry.currency_multiplier):
        raise DaemonError(
            f"{where}.currency_multiplier: {unit:g} is allowed, {seen} (1 {account.currency} is "
            f"{unit:g} {account.base_currency}), but {entry.currency_multiplier:g} came"
        )


def require_account(account: Account, wanted: BridgeSettings) -> None:
    """Raises `DaemonError` where another account is logged in than `bridge` names."""
    kind = wanted.account_kind
    rules = (
        ("login", wanted.login, wanted.login == account.login),
        ("server", wanted.server, wanted.server == account.server),
        ("account_kind", kind, kind is not None and account.trade_mode in KIND_MODES[kind]),
    )
    for key, allowed, is_met in rules:
        if allowed is not None and not is_met:
            seen = describe_account(account.login, account.server, account.trade_mode)
            raise DaemonError(
                f"bridge.{key}: {allowed} is allowed, the terminal is logged in to {seen}; log it "
                f"in to the right account, or correct bridge.{key}"
            )


class AccountLock:
    """Held while one daemon trades one symbol of one account with one mark (a context manager).

    Two state folders, hence two journals, could otherwise own the same positions. It lies beside
    the state folders, so it holds for one machine.
    """

    def __init__(self, state: Path, account: Account, strategy_id: int, symbol: str) -> None:
        name = f"{account.login}-{account.server}-{strategy_id}-{symbol}"
        self._name = name
        self._folder = StateFolder(state / "locks" / re.sub(r"[^A-Za-z0-9_.-]", "_", name))

    def __enter__(self) -> "AccountLock":
        """Raises `AlreadyRunning` that names the other process."""
        try:
            self._folder.__enter__()
        except AlreadyRunning as error:
            process = re.search(r"process (\w+)", str(error))
            raise AlreadyRunning(
                f"{self._name}: another daemon (process {process[1] if process else 'unknown'}) "
                "trades this symbol of this account with the same strategy_id; stop it, or give "
                "one of them another strategy_id"
            ) from None
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.__exit__(None, None, None)
