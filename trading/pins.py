"""What a person confirmed, kept in the journal: the account, and each symbol's terms.

The first start pins what it finds. Afterwards only a person changes a pin.
"""

from dataclasses import dataclass

from broker.contract.constants import MarginMode
from broker.contract.messages import Account, SymbolSpec
from trading.decision.settings import DecisionSettings
from trading.errors import DaemonError, JournalError
from trading.health import Pins, describe_account
from trading.journal import Journal

_ACCOUNT, ACCOUNT_TRADE_MODE = "account", "account_trade_mode"


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a person confirms with this start."""

    account: bool = False
    spec: bool = False


def pin(
    journal: Journal, account: Account, spec: SymbolSpec, accepted: Accepted, *, now_ms: int
) -> Pins:
    """The pins that hold from now on.

    Raises `JournalError` where the journal belongs to another account: its trades are not this
    one's. Changed terms of a symbol do not stop the start, they halt entries.
    """
    _pin_account(journal, account, accepted, now_ms)
    key = f"spec {spec.symbol}"
    known = journal.meta(key)
    if known is None or (accepted.spec and known != spec.spec_hash):
        journal.set_meta(**{key: spec.spec_hash})
        journal.record("spec_pinned", now_ms, symbol=spec.symbol, before=known, now=spec.spec_hash)
        known = spec.spec_hash
    return Pins(account.login, account.server, account.trade_mode, known)


def require_room(account: Account, decision: DecisionSettings) -> None:
    """Where positions net, a symbol has one. Raises `DaemonError` if settings want more."""
    if account.margin_mode == MarginMode.HEDGING:
        return
    where = f"is allowed on the netting account {account.login}"
    if decision.max_open_positions > 1:
        raise DaemonError(f"max_open_positions: 1 {where}, {decision.max_open_positions} came")
    if decision.ml_active_management.add.enabled:
        raise DaemonError(
            f"ml_active_management.add.enabled: false {where}, true came: an addition would change "
            "the one position, its stop and its price"
        )


def _pin_account(journal: Journal, account: Account, accepted: Accepted, now_ms: int) -> None:
    here = f"{account.login} on {account.server}"
    known, mode = journal.meta(_ACCOUNT), journal.meta(ACCOUNT_TRADE_MODE)
    if known is None:
        journal.set_meta(initial_balance=repr(account.balance), started_ms=str(now_ms))
    elif (known, mode or str(account.trade_mode)) == (here, str(account.trade_mode)):
        pass
    elif accepted.account:
        journal.record("account_accepted", now_ms, before=f"{known} ({mode})", now=here)
    else:
        seen = describe_account(account.login, account.server, account.trade_mode)
        raise JournalError(
            f"the journal belongs to account {known}{_kind(mode)}, but the bridge is logged in to "
            f"{seen}; log in to that account, use another --account, or confirm the change with "
            "--accept-account"
        )
    mode = str(account.trade_mode)
    journal.set_meta(
        **{_ACCOUNT: here, ACCOUNT_TRADE_MODE: mode, "account_currency": account.currency}
    )


def _kind(trade_mode: str | None) -> str:
    return "" if trade_mode is None else f" (trade mode {trade_mode})"
