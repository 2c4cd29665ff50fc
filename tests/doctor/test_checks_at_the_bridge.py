"""What else can be wrong with bridge, account and symbol."""

from collections.abc import Callable

import pytest

from broker.contract.constants import MarginMode
from mt5api.tokens import Tokens
from tests.doctor.ward import TOKEN, Ward
from trading.doctor.symbol import like
from trading.journal import Journal


@pytest.mark.parametrize(
    ("fault", "params", "name"),
    [
        ("disconnected", {}, "connection"),
        ("terminal_restart", {}, "bridge"),
        ("bridge_down", {}, "bridge"),
        ("http_503", {}, "bridge"),
        ("unauthorized", {"html": True}, "token"),
        ("tick_value_times", {"times": 10.0}, "tick value"),
        ("cold_symbol", {}, "quote"),
        ("short_rates", {"rows": 0}, "history"),
        ("spec_change", {"volume_min": 5000.0}, "order check"),
        ("spec_change", {"volume_min": 2.0}, "lots"),
        ("spec_change", {"currency_profit": "EUR"}, "symbol"),
        ("foreign_position", {"magic": 7719 << 32}, "positions"),
    ],
)  # fmt: skip
def test_each_ailment_fails_its_check(
    ward: Ward, fault: str, params: dict[str, float], name: str
) -> None:
    ward.fault(fault, **params)
    if fault == "foreign_position":
        ward.terminal.advance(ward.terminal.now_ms + 1)
    failing = ward.failing()
    assert name in failing
    assert failing[name]


def test_token_that_may_only_ask_is_told_from_the_trade_token(admit: Callable[..., Ward]) -> None:
    ward = admit(tokens=Tokens(read=TOKEN, trade="another-token-of-the-test"))
    assert "trade token" in ward.failing()["token"]


def test_pins_of_the_journal_are_compared(ward: Ward) -> None:
    journal = Journal(ward.state / "journal.sqlite")
    journal.set_meta(account="5 on Elsewhere", account_trade_mode="0", **{"spec BTCUSD": "other"})
    journal.close()
    failing = ward.failing()
    assert failing.keys() == {"login", "server", "terms"}
    assert "--accept-account" in failing["login"]
    assert "--accept-spec" in failing["terms"]


def test_settings_come_before_the_pins(ward: Ward) -> None:
    journal = Journal(ward.state / "journal.sqlite")
    journal.set_meta(account="5 on Elsewhere", account_trade_mode="2")
    journal.close()
    ward.override(
        bridge__login=1_000_001, bridge__server="NOVOSKY-Paper", bridge__account_kind="demo"
    )
    assert ward.failing() == {}


def test_history_that_begins_too_late_is_cut(ward: Ward) -> None:
    ward.override(prediction__quantile__lookback_days=60)
    assert "max bars in chart" in ward.failing()["history"]


def test_cent_account_is_told_and_sized_right(admit: Callable[..., Ward]) -> None:
    ward = admit(currency="USC", units_per_base=100, balance=1_000_000.0)
    assert ward.failing() == {}


def test_netting_account_with_additions_is_refused(admit: Callable[..., Ward]) -> None:
    ward = admit(margin_mode=MarginMode.NETTING)
    assert ward.look()["position mode"]["status"] == "note"
    ward.override(ml_active_management__add__enabled=True)
    assert "ml_active_management.add.enabled" in ward.failing()["position mode"]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("EURUSD", "BTCUSD.r", "BTCUSDm"), ("BTCUSDm", "BTCUSD.r")),
        (("xBTCUSD", "BTCUSD-pro"), ("BTCUSD-pro", "xBTCUSD")),
        (("BTCUSDT", "BTCUSD!"), ("BTCUSD!", "BTCUSDT")),
        (("BTC/USD",), ("BTC/USD",)),
        (("EURUSD", "XAUUSD"), ()),
    ],
)
def test_likeliest_name_comes_first(names: tuple[str, ...], found: tuple[str, ...]) -> None:
    assert like("BTCUSD", names) == found
