"""A healthy set-up has no failure, and what the doctor says has its form."""

import json
from collections.abc import Callable

import pytest

from tests.doctor.ward import TOKEN, Ward
from trading.cli import main
from trading.doctor.catalogue import ALL

# What a set-up without account entry, Telegram, Supabase, news rules, prop firm and journal notes.
_NOTED = {
    "login", "server", "account kind", "terms", "journal", "evidence", "primary exit", "telegram",
    "supabase", "news", "hub", "prop profile",
}  # fmt: skip


def test_healthy_set_up_has_no_failure(ward: Ward) -> None:
    checks = ward.look()
    assert {name for name, each in checks.items() if each["status"] == "fail"} == set()
    assert {name for name, each in checks.items() if each["status"] == "note"} == _NOTED
    assert ward.code == 0


def test_every_check_is_made_once_and_in_the_order_of_the_page(ward: Ward) -> None:
    assert list(ward.look()) == list(ALL)


def test_json_has_name_status_and_fix_and_nothing_else(
    ward: Ward, capsys: pytest.CaptureFixture[str]
) -> None:
    ward.fault("algo_off")
    assert main(ward.command("--json")) == 1
    for each in json.loads(capsys.readouterr().out)["checks"]:
        assert list(each) == ["name", "status", "fix"]
        assert each["status"] in ("pass", "fail", "note")
        assert each["fix"] or each["status"] != "fail"


def test_table_shows_check_what_was_seen_and_the_fix(
    ward: Ward, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "220")
    ward.fault("algo_off")
    assert main(ward.command()) == 1
    said = capsys.readouterr().out
    assert "FAIL" in said
    assert "switch Algo Trading on in the toolbar" in said
    assert "62 features on" in said


def test_settings_that_cannot_be_read_are_a_check_and_exit_code_2(
    ward: Ward, capsys: pytest.CaptureFixture[str]
) -> None:
    (ward.project / "config.json").write_text('{"symbol": "BTCUSD", "risk_percnt": 1}')
    assert main(ward.command("--json")) == 2
    (check,) = json.loads(capsys.readouterr().out)["checks"]
    assert (check["name"], check["status"]) == ("settings", "fail")
    assert "did you mean risk_percent" in check["fix"]
    assert main(ward.command()) == 2
    assert "did you mean risk_percent" in capsys.readouterr().err


def test_json_needs_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--json"])
    assert "--json needs --doctor" in capsys.readouterr().err


def test_other_dialect_is_looked_over_too(admit: Callable[..., Ward]) -> None:
    ward = admit(dialect="mt5-httpapi")
    ward.override(bridge__dialect="mt5-httpapi", bridge__server_timezone="UTC")
    ward.fault("algo_off")
    assert "algo trading" in ward.failing()


def test_bridge_that_is_down_leaves_the_local_checks(ward: Ward) -> None:
    ward.url = "http://127.0.0.1:9"
    (ward.models / "ensemble_btcusd-live.onnx").unlink()
    checks = ward.look()
    assert {n for n, each in checks.items() if each["status"] == "fail"} == {
        "bridge", "signal model",
    }  # fmt: skip
    assert checks["disk"]["status"] == "pass"


def test_several_faults_are_all_found(ward: Ward) -> None:
    ward.fault("algo_off")
    ward.fault("trade_mode", mode=3)
    ward.fault("tick_value_times", times=10.0)
    (ward.models / "model_compat.json").unlink()
    (ward.project / ".env").chmod(0o644)
    assert ward.failing().keys() >= {
        "algo trading",
        "trade mode",
        "tick value",
        "signal model",
        "secrets",
    }


def test_no_secret_is_shown(
    ward: Ward, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    ward.url = "http://somebody:a-password-in-an-address@127.0.0.1:9"
    assert main(ward.command()) == 1
    assert main(ward.command("--json")) == 1
    said = "".join(capsys.readouterr())
    assert "127.0.0.1:9" in said
    assert "a-password-in-an-address" not in said
    assert TOKEN not in said
