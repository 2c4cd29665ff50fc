"""Account entries: kind checked against the bridge, own state folder, own mark, one daemon each."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from settings import SettingsError, account_ids, load_settings, state_name_of
from tests.operations.conftest import Operated
from trading.account_terms import AccountLock, require_kind
from trading.errors import AlreadyRunning, DaemonError
from trading.live_command import state_name


def entry(root: Path, name: str, **changes: Any) -> None:
    path = root / "config" / "accounts.json"
    tree = json.loads(path.read_text())
    tree["accounts"].setdefault(name, dict(tree["accounts"]["icmarkets_main"])).update(changes)
    path.write_text(json.dumps(tree))


def test_shipped_entries_are_those_of_the_schema_and_load(root: Path) -> None:
    assert account_ids(root) == ("exness_main", "icmarkets_main")
    cent = load_settings(root, account="exness_main")
    assert (cent.decision.risk_percent, cent.decision.max_lot) == (3.0, 5.0)
    assert cent.bridge.api_base_url == "http://127.0.0.1:6542"
    other = load_settings(root, account="icmarkets_main")
    assert other.bridge.api_base_url == "http://127.0.0.1:6543"


def test_state_file_names_the_state_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert state_name_of("exness_main", root) == "state_exness_main"
    monkeypatch.chdir(root)
    given: Any = SimpleNamespace(account="exness_main", dry=True)
    assert state_name(given) == "state_exness_main-dry"
    given = SimpleNamespace(account=None, dry=False)
    assert state_name(given) == "live-default"


@pytest.mark.parametrize("name", ["../up.json", "a/b.json", ".hidden", ""])
def test_state_file_that_leads_elsewhere_is_refused(root: Path, name: str) -> None:
    entry(root, "exness_main", state_file=name)
    with pytest.raises(SettingsError, match=r"exness_main\.state_file"):
        load_settings(root, account="exness_main")


def test_two_entries_on_one_terminal_need_marks_of_their_own(root: Path) -> None:
    entry(root, "second", terminal_key="terminal-one", state_file="second.json")
    with pytest.raises(SettingsError, match=r"second\.strategy_id: a number that exness_main does"):
        load_settings(root, account="second")
    entry(root, "second", strategy_id=7720, symbol="XAUUSD")
    settings = load_settings(root, account="second")
    assert (settings.daemon.strategy_id, settings.symbol) == (7720, "XAUUSD")


def test_two_entries_with_one_state_file_are_refused(root: Path) -> None:
    entry(root, "icmarkets_main", state_file="state_exness_main")
    with pytest.raises(SettingsError, match=r"exness_main\.state_file: a name of its own"):
        load_settings(root, account="exness_main")


def test_file_with_an_entry_that_is_no_object_says_so(root: Path) -> None:
    (root / "config" / "accounts.json").write_text('{"accounts": {"a": 3}}')
    with pytest.raises(SettingsError, match=r"accounts\.a: an object"):
        load_settings(root, account="a")
    assert account_ids(root) == ()


def account(unit: float, currency: str) -> Any:
    return SimpleNamespace(
        login=501, server="Broker-Live", currency=currency, base_currency="USD", unit_to_base=unit
    )


def kind(account_type: str, multiplier: float) -> Any:
    return SimpleNamespace(
        account_id="main", account_type=account_type, currency_multiplier=multiplier
    )


def test_account_of_the_kind_that_its_entry_says_is_traded() -> None:
    require_kind(account(0.01, "USC"), kind("cent", 0.01))
    require_kind(account(1.0, "USD"), kind("standard", 1.0))
    require_kind(account(1.0, "USD"), None)


@pytest.mark.parametrize(
    ("unit", "currency", "said", "refusal"),
    [
        (1.0, "USD", kind("cent", 0.01), "main.account_type: standard is allowed"),
        (0.01, "USC", kind("standard", 1.0), "main.account_type: cent is allowed"),
        (0.01, "USC", kind("cent", 1.0), r"main\.currency_multiplier: 0\.01 is allowed"),
    ],
    ids=["standard for cent", "cent for standard", "wrong multiplier"],
)
def test_account_of_another_kind_is_refused(
    unit: float, currency: str, said: Any, refusal: str
) -> None:
    with pytest.raises(DaemonError, match=refusal):
        require_kind(account(unit, currency), said)


def test_second_daemon_of_an_account_is_refused_whatever_its_state_folder(tmp_path: Path) -> None:
    seen = account(1.0, "USD")
    with (
        AccountLock(tmp_path, seen, 7719, "BTCUSD"),
        pytest.raises(AlreadyRunning, match=r"501-Broker-Live-7719-BTCUSD: .* \(process \d+\)"),
        AccountLock(tmp_path, seen, 7719, "BTCUSD"),
    ):
        pass


def test_other_mark_or_symbol_of_the_account_may_be_traded_beside(tmp_path: Path) -> None:
    seen = account(1.0, "USD")
    with (
        AccountLock(tmp_path, seen, 7719, "BTCUSD"),
        AccountLock(tmp_path, seen, 7720, "BTCUSD"),
        AccountLock(tmp_path, seen, 7719, "XAUUSD"),
    ):
        pass


def test_two_daemons_on_one_terminal_leave_each_others_positions_alone(
    operated: Callable[..., Operated], tmp_path: Path
) -> None:
    """The second one looks at positions of the first, opened with another mark."""
    wide = ("dynamic_sltp.sl_atr_multiplier=4", "dynamic_sltp.tp_atr_multiplier=4")
    first = operated(bars=200, overrides=wide)
    first.reporter.on_bar = lambda _: (
        first.stop.request() if first.reporter.bars[-1].input.open_trades else None
    )
    first.run()
    held = first.terminal.positions("BTCUSD")
    assert held
    second = operated(
        bars=30, overrides=(*wide, "daemon.strategy_id=7720"), terminal=first.terminal
    )
    second.run()
    assert len(second.lines) >= 20
    assert {each["position_id"] for each in second.events("foreign_position")} == {
        each.identifier for each in held
    }
    touched = {deal.position_id for deal in second.journal.deals() if deal.magic >> 32 == 7720}
    assert not touched & {each.identifier for each in held}
