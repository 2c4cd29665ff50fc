"""`scripts/check_broker_limits.py`: a broker's figures beside those that backtest and paper use."""

import importlib.util
import json
from collections.abc import Callable
from typing import Any

import pytest

from broker.client.connect import connect
from broker.client.settings import BridgeSettings
from broker.contract.constants import Filling, OrderType
from broker.contract.marks import comment_of, magic_of
from broker.contract.messages import OrderRequest
from tests.doctor.ward import NOW_MS, ROOT, TOKEN, Ward

_SCRIPT = ROOT / "scripts" / "check_broker_limits.py"


@pytest.fixture(scope="module")
def script() -> Any:
    spec = importlib.util.spec_from_file_location("check_broker_limits", _SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def audited(
    script: Any, capsys: pytest.CaptureFixture[str]
) -> Callable[[Ward], tuple[int, dict[str, dict[str, str]]]]:
    def run(ward: Ward) -> tuple[int, dict[str, dict[str, str]]]:
        code = script.main(["--json", "--override", f"bridge.api_base_url={ward.url}", *ward.flags])
        told = json.loads(capsys.readouterr().out)
        return code, {row["name"]: row for row in told["audit"]}

    return run


Audited = Callable[[Ward], tuple[int, dict[str, dict[str, str]]]]


def test_broker_like_our_instrument_has_nothing_that_matters(ward: Ward, audited: Audited) -> None:
    code, rows = audited(ward)
    assert code == 0
    assert not [name for name, row in rows.items() if row["verdict"] == "matters"]
    assert rows["contract size"] == {
        "name": "contract size", "reference": "1.0", "here": "1.0", "verdict": "same",
    }  # fmt: skip
    assert rows["session hours"]["here"] == "always"
    assert rows.keys() >= {
        "spread now", "spread of a week", "stops level", "freeze level", "smallest lot", "lot step",
        "largest lot", "tick value", "margin of a lot", "swap long", "swap short", "filling",
        "commission",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"trade_stops_level": 500}, "stops level"),
        ({"trade_freeze_level": 200}, "freeze level"),
        ({"trade_contract_size": 10.0}, "contract size"),
        ({"volume_min": 0.1}, "smallest lot"),
        ({"volume_step": 0.1}, "lot step"),
        ({"digits": 3}, "digits"),
        ({"filling_mode": 0}, "filling"),
        ({"trade_mode": 3}, "trade mode"),
        ({"trade_tick_value": 1.0}, "tick value"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_difference_that_matters_is_marked(
    ward: Ward, audited: Audited, params: dict[str, Any], name: str
) -> None:
    ward.fault("spec_change", **params)
    code, rows = audited(ward)
    assert (code, rows[name]["verdict"]) == (1, "matters")


@pytest.mark.parametrize(
    ("params", "name", "here"),
    [
        ({"swap_long": -40.0}, "swap long", "-40"),
        ({"swap_rollover3days": 3}, "triple swap", "Wed"),
        ({"volume_max": 20.0}, "largest lot", "20"),
        ({"filling_mode": 1}, "filling", "FOK"),
    ],
    ids=["swap", "triple day", "largest lot", "filling"],
)
def test_difference_that_costs_or_limits_little_is_shown_alone(
    ward: Ward, audited: Audited, params: dict[str, Any], name: str, here: str
) -> None:
    ward.fault("spec_change", **params)
    code, rows = audited(ward)
    assert (code, rows[name]["verdict"], rows[name]["here"]) == (0, "differs", here)


def test_wide_spread_matters(ward: Ward, audited: Audited) -> None:
    ward.fault("spread_times", times=5.0)
    ward.terminal.advance(NOW_MS + 900_000)
    code, rows = audited(ward)
    assert (code, rows["spread now"]["verdict"]) == (1, "matters")


@pytest.mark.parametrize(
    ("commission", "said", "verdict"),
    [(0.0, "0.00 USD a lot and side, 1 deals", "same"), (7.0, "7.00 USD a lot", "matters")],
    ids=["as reckoned with", "dearer"],
)
def test_commission_comes_from_own_deals(
    admit: Callable[..., Ward], audited: Audited, commission: float, said: str, verdict: str
) -> None:
    ward = admit(commission_per_lot=commission)
    request = OrderRequest(
        symbol="BTCUSD", type=OrderType.BUY, volume=0.1, client_id="one", comment=comment_of("one"),
        magic=magic_of(7719, "one"), type_filling=Filling.IOC,
    )  # fmt: skip
    broker = connect(BridgeSettings(api_base_url=ward.url), TOKEN)
    assert broker.send(request).outcome == "filled"
    broker.close()
    _, rows = audited(ward)
    assert said in rows["commission"]["here"]
    assert rows["commission"]["verdict"] == verdict


def test_cent_account_is_compared_in_its_own_unit(
    admit: Callable[..., Ward], audited: Audited
) -> None:
    code, rows = audited(admit(currency="USC", units_per_base=100, balance=1e6))
    assert code == 0
    assert rows["tick value"]["here"] == "1 USC"


def test_table_is_for_people(
    ward: Ward, script: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    ward.fault("spec_change", trade_stops_level=500)
    assert script.main(["--override", f"bridge.api_base_url={ward.url}"]) == 1
    said = capsys.readouterr().out
    assert "MATTERS" in said
    assert "BTCUSD, 1000001 on NOVOSKY-Paper" in said


def test_bridge_that_is_down_is_exit_code_3(
    ward: Ward, script: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main(["--override", "bridge.api_base_url=http://127.0.0.1:9"]) == 3
    assert "no bridge at" in capsys.readouterr().err
