"""What the doctor finds at the account, the daemon refuses at its start."""

from typing import Any

import pytest

from broker.client.settings import BridgeSettings
from broker.contract.constants import AccountTradeMode, MarginMode
from broker.contract.messages import Account
from broker.simulator.settings import AccountTerms
from tests.trading.test_account_kinds import make_terminal
from trading.account_terms import require_account
from trading.decision.settings import DecisionSettings
from trading.errors import DaemonError
from trading.pins import require_room


def account(**terms: Any) -> Account:
    from broker.native import NativeBroker
    from broker.simulator.native import NativeTerminal
    from market.server_clock import ServerClock

    terminal = make_terminal(AccountTerms(balance=1e4, **terms))
    return NativeBroker(
        NativeTerminal(terminal), ServerClock("UTC"), now_ms=lambda: terminal.now_ms, mode="paper"
    ).account()


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"login": 5}, r"bridge\.login: 5 is allowed"),
        ({"server": "Elsewhere"}, r"bridge\.server: Elsewhere is allowed"),
        ({"account_kind": "real"}, r"bridge\.account_kind: real is allowed"),
    ],
    ids=["login", "server", "kind"],
)
def test_another_account_than_the_settings_name_is_refused(
    wanted: dict[str, Any], why: str
) -> None:
    with pytest.raises(DaemonError, match=why):
        require_account(account(), BridgeSettings(**wanted))


def test_account_that_the_settings_name_is_taken() -> None:
    require_account(account(), BridgeSettings())
    named = BridgeSettings(login=1_000_001, server="NOVOSKY-Paper", account_kind="demo")
    require_account(account(), named)
    real = account(trade_mode=AccountTradeMode.REAL)
    require_account(real, BridgeSettings(account_kind="real"))


def test_additions_on_a_netting_account_are_refused() -> None:
    adds = DecisionSettings.model_validate({"ml_active_management": {"add": {"enabled": True}}})
    require_room(account(), adds)
    netting = account(margin_mode=MarginMode.NETTING)
    require_room(netting, DecisionSettings())
    with pytest.raises(DaemonError, match=r"add\.enabled: false is allowed on the netting account"):
        require_room(netting, adds)
