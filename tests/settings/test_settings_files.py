"""Reading `config.json` and `ml_config.json`: everything wrong is said at once."""

import json
import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError

from settings import Settings, SettingsError, SettingsFiles, load_settings
from settings.editing import Edit, change
from settings.strategy_params import write_strategy_params

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the shipped settings."""
    for name in ("config.json", "ml_config.json"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def _edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _problems(folder: Path, **options: object) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(folder, **options)  # type: ignore[arg-type]
    return [str(problem) for problem in caught.value.problems]


def test_shipped_settings_load_with_the_documented_defaults(folder: Path) -> None:
    settings = load_settings(folder)
    assert settings.symbol == "BTCUSD"
    assert settings.decision.risk_percent == 2.0
    assert settings.decision.prediction.gate == "quantile"
    assert settings.decision.prediction.quantile.top_share == 0.05
    assert settings.decision.circuit_breaker.max_consecutive_losses == 7
    assert settings.ml.labeling.lookahead_candles == 48


def test_settings_cannot_be_changed_after_loading(folder: Path) -> None:
    settings: Settings = load_settings(folder)
    with pytest.raises(ValidationError, match="frozen"):
        settings.decision.risk_percent = 9.0  # type: ignore[misc]


def test_problems_of_both_files_are_reported_together_with_path_and_value(folder: Path) -> None:
    _edit(folder / "config.json", risk_percnt=3, max_lot=-1, timezone="Mars/Base")
    _edit(folder / "ml_config.json", prediction={"gate": "oracle"}, colour="blue")
    problems = _problems(folder)
    assert len(problems) == 5
    text = "\n".join(problems)
    assert "config.json: risk_percnt: unknown key, did you mean risk_percent?; received 3" in text
    assert "config.json: max_lot:" in text
    assert "received -1" in text
    assert "config.json: timezone:" in text
    assert "Mars/Base" in text
    assert "ml_config.json: prediction.gate:" in text
    assert "ml_config.json: colour: unknown key" in text


def test_wrong_type_is_named_with_its_path(folder: Path) -> None:
    _edit(folder / "config.json", dynamic_sltp={"sl_atr_multiplier": "wide"})
    (problem,) = _problems(folder)
    assert problem.startswith("config.json: dynamic_sltp.sl_atr_multiplier:")
    assert problem.endswith('received "wide"')


def test_missing_file_and_broken_json_say_where(folder: Path) -> None:
    (folder / "config.json").write_text('{"symbol": "BTCUSD",,}')
    (problem,) = _problems(folder)
    assert "config.json" in problem
    assert "line 1" in problem
    (folder / "config.json").unlink()
    (problem,) = _problems(folder)
    assert "the file must exist" in problem


def test_override_reaches_either_file_and_keeps_the_rest(folder: Path) -> None:
    settings = load_settings(
        folder, overrides=["prediction.gate=fixed", "dynamic_sltp.tp_atr_multiplier=2"]
    )
    assert settings.decision.prediction.gate == "fixed"
    assert settings.decision.prediction.confidence_threshold == 0.65
    assert settings.decision.dynamic_sltp.tp_atr_multiplier == 2.0
    assert settings.decision.dynamic_sltp.sl_atr_multiplier == 1.0


def test_symbol_of_the_command_line_replaces_the_configured_one(folder: Path) -> None:
    assert load_settings(folder, symbol="XAUUSD").symbol == "XAUUSD"


@pytest.mark.parametrize("text", ["no_sign", "=3", "a..b=1", "symbol.deep=1"])
def test_malformed_override_is_refused(folder: Path, text: str) -> None:
    assert any("--override" in problem for problem in _problems(folder, overrides=[text]))


def test_unknown_override_key_is_refused_like_any_other(folder: Path) -> None:
    (problem,) = _problems(folder, overrides=["risk_procent=3"])
    assert "did you mean risk_percent?" in problem


def _write_accounts(folder: Path, **changes: object) -> None:
    entry = {
        "broker_id": "roboforex", "terminal_key": "terminal-one", "account_type": "cent",
        "currency_multiplier": 0.01, "risk_pct": 3.0, "max_lot": 5.0, "state_file": "state_a.json",
    } | changes  # fmt: skip
    (folder / "config").mkdir(exist_ok=True)
    (folder / "config" / "accounts.json").write_text(json.dumps({"accounts": {"main": entry}}))
    (folder / "config" / "terminals.json").write_text(
        json.dumps({"terminals": {"terminal-one": {"url": "http://127.0.0.1:7777"}}})
    )


def test_account_replaces_risk_lot_and_bridge(folder: Path) -> None:
    _write_accounts(folder)
    settings = load_settings(folder, account="main")
    assert settings.account is not None
    assert settings.account.account_id == "main"
    assert settings.decision.risk_percent == 3.0
    assert settings.decision.max_lot == 5.0
    assert settings.bridge.api_base_url == "http://127.0.0.1:7777"


def test_account_brings_its_bridges_dialect_and_server_clock(folder: Path) -> None:
    _write_accounts(folder)
    terminal = {"url": "http://h:8888/a/b", "dialect": "mt5-httpapi", "server_timezone": "Mars"}
    path = folder / "config" / "terminals.json"
    path.write_text(json.dumps({"terminals": {"terminal-one": terminal}}))
    assert "bridge.server_timezone" in _problems(folder, account="main")[0]
    terminal["server_timezone"] = "Europe/Athens"
    path.write_text(json.dumps({"terminals": {"terminal-one": terminal}}))
    bridge = load_settings(folder, account="main").bridge
    assert (bridge.dialect, bridge.server_timezone) == ("mt5-httpapi", "Europe/Athens")


def test_unknown_account_lists_the_known_ones(folder: Path) -> None:
    _write_accounts(folder)
    (problem,) = _problems(folder, account="mian")
    assert "config/accounts.json has: main" in problem


def test_account_with_unknown_terminal_or_bad_value_is_refused(folder: Path) -> None:
    _write_accounts(folder, terminal_key="terminal-nine")
    assert "terminal-one" in _problems(folder, account="main")[0]
    _write_accounts(folder, risk_pct=-1)
    assert "main.risk_pct" in _problems(folder, account="main")[0]


PROP = ("prop.profile=ftmo_2step", "prop.initial_balance=100000")


def _with_prop_rules(folder: Path) -> Path:
    (folder / "config").mkdir(exist_ok=True)
    return Path(shutil.copy(ROOT / "config" / "prop_rules.json", folder / "config"))


def test_prop_profile_brings_its_rules(folder: Path) -> None:
    _with_prop_rules(folder)
    decision = load_settings(folder, overrides=PROP).decision
    assert decision.prop_rules is not None
    assert decision.prop_rules.product == "FTMO 2-Step"
    assert load_settings(folder).decision.prop_rules is None


def test_unknown_prop_profile_lists_the_known_ones_beside_other_problems(folder: Path) -> None:
    _with_prop_rules(folder)
    problems = _problems(folder, overrides=["prop.profile=ftmo", "risk_percent=-1"])
    assert len(problems) == 2
    assert "config.json: prop.profile: ftmo_2step or ftmo_1step or" in problems[0]
    assert "'ftmo'" in problems[0]


def test_prop_rules_that_are_missing_or_wrong_are_named_by_their_file(folder: Path) -> None:
    assert _problems(folder, overrides=PROP) == [
        "config/prop_rules.json: (file): the file must exist for prop.profile; received none"
    ]
    path = _with_prop_rules(folder)
    path.write_text(path.read_text().replace('"Europe/Prague"', '"Mars/Base"', 1))
    (problem,) = _problems(folder, overrides=PROP)
    assert problem.startswith("config/prop_rules.json: profiles.ftmo_2step.zone:")
    path.write_text("{")
    (problem,) = _problems(folder, overrides=PROP)
    assert "config/prop_rules.json: line 1: valid JSON" in problem


def test_phase_that_a_firm_does_not_have_is_refused(folder: Path) -> None:
    _with_prop_rules(folder)
    overrides = [*PROP, "prop.profile=ftmo_1step", "prop.phase=verification"]
    (problem,) = _problems(folder, overrides=overrides)
    assert "challenge or funded is allowed for FTMO 1-Step" in problem


def test_prop_rules_are_no_key_of_config(folder: Path) -> None:
    (problem,) = _problems(folder, overrides=["prop_rules=null"])
    assert "prop_rules: unknown key" in problem


def test_pair_that_does_not_go_together_says_why(folder: Path) -> None:
    (problem,) = _problems(
        folder,
        overrides=[
            "ml_active_management.ml_sltp.enabled=true",
            "ml_active_management.position_as_primary_exit.enabled=true",
        ],
    )
    assert problem.startswith("config.json: ml_active_management: ml_sltp or position_as_primary")
    assert "each sets the stops of an entry; switch one off" in problem


def _strategy_params(folder: Path, **overrides: object) -> None:
    """Switched on, and written where a sweep writes them."""
    _edit(folder / "config.json", strategy_params={"enabled": True})
    write_strategy_params(folder / "models", overrides, {})


def test_edit_is_checked_with_the_strategy_params_that_are_in_force(folder: Path) -> None:
    _strategy_params(folder, risk_percent=0.5)
    shutil.copytree(ROOT / "config", folder / "config")
    done = change(folder, [Edit.of("config.json", "max_lot", 0.5)])
    assert [str(each) for each in done] == ["config.json: max_lot = 0.5"]
    assert load_settings(folder).decision.risk_percent == 0.5


def test_strategy_params_that_a_swap_of_models_brings_are_an_edit(folder: Path) -> None:
    _strategy_params(folder, risk_percent=0.5)
    files = SettingsFiles.like(folder)
    assert files.poll() is None
    write_strategy_params(folder / "models", {"risk_percent": 0.25}, {})
    edited = files.poll()
    assert edited is not None
    assert edited.decision.risk_percent == 0.25
