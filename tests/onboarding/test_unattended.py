"""The wizard with flags: what it writes, what it refuses, and that a second run changes nothing."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from settings import load_settings
from settings.risk_profiles import read_risk_profiles
from tests.onboarding.conftest import ROOT

TOKEN = "a-trade-token-of-the-test"
BOT = "123456:a-bot-token-of-the-test-0123"
KEY = "a-service-key-of-the-test"
ALL = [
    "--bridge-url", "http://127.0.0.1:7777", "--token", TOKEN, "--account-kind", "demo",
    "--login", "1000001", "--server", "NOVOSKY-Paper", "--risk", "conservative",
    "--telegram-token", BOT, "--telegram-chat", "-77",
    "--supabase-url", "https://project.supabase.co", "--supabase-key", KEY,
    "--hub", "s3", "--hub-place", "models", "--hub-endpoint", "https://r2.example",
    "--hub-key-id", "an-access-key-id", "--hub-key", "a/secret+access/key=",
]  # fmt: skip


def unattended(wizard: Any, project: Path, *flags: str) -> int:
    command = ["--yes", "--no-doctor", "--project", str(project), *flags]
    code: int = wizard.main(command)
    return code


def contents(project: Path) -> dict[str, bytes]:
    return {str(p.relative_to(project)): p.read_bytes() for p in project.rglob("*") if p.is_file()}


def test_everything_that_was_given_is_in_the_settings(wizard: Any, project: Path) -> None:
    assert unattended(wizard, project, *ALL) == 0
    settings = load_settings(project)
    bridge = settings.bridge
    assert (bridge.api_base_url, bridge.login, bridge.server, bridge.account_kind) == (
        "http://127.0.0.1:7777", 1_000_001, "NOVOSKY-Paper", "demo",
    )  # fmt: skip
    assert settings.decision.risk_percent == 0.5
    assert settings.telegram.enabled
    assert settings.supabase.enabled
    assert (settings.ml.hub.store, settings.ml.hub.bucket) == ("s3", "models")


def test_secrets_are_in_env_for_their_owner_alone_and_nowhere_else(
    wizard: Any, project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert unattended(wizard, project, *ALL) == 0
    path = project / ".env"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().splitlines() == [
        f"NOVOSKY_BRIDGE_TOKEN={TOKEN}", f"NOVOSKY_TELEGRAM_TOKEN={BOT}",
        "NOVOSKY_TELEGRAM_CHAT=-77", "NOVOSKY_SUPABASE_URL=https://project.supabase.co",
        f"NOVOSKY_SUPABASE_KEY={KEY}", "NOVOSKY_S3_ACCESS_KEY_ID=an-access-key-id",
        "NOVOSKY_S3_SECRET_ACCESS_KEY=a/secret+access/key=",
    ]  # fmt: skip
    said = "".join(capfd.readouterr())
    for secret in (TOKEN, BOT, KEY, "an-access-key-id", "a/secret+access/key="):
        assert secret not in said
        elsewhere = [n for n, held in contents(project).items() if secret.encode() in held]
        assert elsewhere == [".env"]


def test_second_run_changes_nothing(wizard: Any, project: Path) -> None:
    assert unattended(wizard, project, *ALL) == 0
    first = contents(project)
    times = {name: (project / name).stat().st_mtime_ns for name in first}
    assert unattended(wizard, project, *ALL) == 0
    assert contents(project) == first
    assert {name: (project / name).stat().st_mtime_ns for name in first} == times


def test_run_without_answers_leaves_everything_as_it_is(wizard: Any, project: Path) -> None:
    before = contents(project)
    assert unattended(wizard, project) == 0
    assert contents(project) == before


def test_env_keeps_its_other_lines_and_its_values(
    wizard: Any, project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = project / ".env"
    path.write_text("# mine\nexport OTHER='x y'\nNOVOSKY_BRIDGE_TOKEN=the-token-of-before\n")
    assert unattended(wizard, project, "--token", TOKEN) == 0
    assert "NOVOSKY_BRIDGE_TOKEN=the-token-of-before" in path.read_text()
    assert "--overwrite replaces it" in "".join(capfd.readouterr())
    assert unattended(wizard, project, "--token", TOKEN, "--overwrite") == 0
    assert path.read_text() == f"# mine\nexport OTHER='x y'\nNOVOSKY_BRIDGE_TOKEN={TOKEN}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_secrets_may_come_from_the_environment(
    wizard: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOVOSKY_BRIDGE_TOKEN", TOKEN)
    assert unattended(wizard, project, "--account-kind", "demo") == 0
    assert TOKEN in (project / ".env").read_text()


def test_prop_account_gets_the_firms_rules_and_a_later_demo_takes_them_off(
    wizard: Any, project: Path
) -> None:
    flags = ["--account-kind", "prop", "--prop", "ftmo_2step", "--prop-balance", "100000"]
    assert unattended(wizard, project, *flags, "--prop-phase", "verification") == 0
    decision = load_settings(project).decision
    assert decision.prop_rules is not None
    assert (decision.prop.initial_balance, decision.prop.phase) == (100_000.0, "verification")
    assert unattended(wizard, project, "--account-kind", "demo") == 0
    assert load_settings(project).decision.prop_rules is None


def test_entry_of_its_own_gets_risk_and_bridge_and_leaves_the_others_alone(
    wizard: Any, project: Path
) -> None:
    flags = ["--account", "mine", "--bridge-url", "http://127.0.0.1:7778", "--risk", "growth"]
    shared = (project / "config.json").read_bytes()
    assert unattended(wizard, project, *flags, "--account-kind", "real", "--login", "5") == 0
    mine, other = (
        load_settings(project, account="mine"),
        load_settings(project, account="icmarkets_main"),
    )
    assert (mine.decision.risk_percent, mine.bridge.api_base_url) == (3.0, "http://127.0.0.1:7778")
    assert (mine.bridge.login, mine.bridge.account_kind) == (5, "real")
    assert (other.decision.risk_percent, other.bridge.login) == (2.0, None)
    assert (project / "config.json").read_bytes() == shared


def test_existing_entry_is_changed_at_its_own_terminal(wizard: Any, project: Path) -> None:
    flags = ["--account", "exness_main", "--bridge-url", "http://127.0.0.1:7779"]
    assert unattended(wizard, project, *flags) == 0
    settings = load_settings(project, account="exness_main")
    assert settings.bridge.api_base_url == "http://127.0.0.1:7779"
    assert (settings.decision.risk_percent, settings.decision.max_lot) == (3.0, 5.0)


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (["--bridge-url", "127.0.0.1:6542"], "bridge.api_base_url: http://host:port"),
        (["--server-timezone", "Atlantis/Athens"], "bridge.server_timezone"),
        (["--token", "short"], "token: 16 characters or more are allowed, 5 came"),
        (["--token", "a token with spaces in it"], "NOVOSKY_BRIDGE_TOKEN: letters, digits"),
        (["--token", "a-token-with-$(rm)-in-it"], "NOVOSKY_BRIDGE_TOKEN: letters, digits"),
        (["--risk", "reckless"], "conservative or balanced or growth is allowed, 'reckless'"),
        (["--account-kind", "prop"], "prop: ftmo_2step or"),
        (["--account-kind", "prop", "--prop", "ftmo_2step"], "initial balance is needed"),
        (["--account-kind", "demo", "--prop", "ftmo_2step"], "account kind prop is needed"),
        (
            ["--account-kind", "prop", "--prop", "ftmo_1step", "--prop-phase", "verification",
             "--prop-balance", "1"],
            "prop phase: challenge or funded is allowed",
        ),
        (["--telegram-token", BOT], "Telegram: token and chat are needed"),
        (["--telegram-token", "nonsense", "--telegram-chat", "1"], "looks like 123456:ABC"),
        (["--telegram-token", BOT, "--telegram-chat", "me"], "a chat is a whole number"),
        (["--supabase-url", "project.supabase.co", "--supabase-key", KEY], "begins with https"),
        (["--hub", "s3"], "hub: the bucket is needed"),
        (["--hub", "huggingface", "--hub-place", "no repo"], "hub.repo"),
        (["--account", "a/b"], "account: letters, digits"),
        (["--login", "0"], "login: the account's number"),
        (["--symbol", ""], ""),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_answer_that_cannot_be_is_refused_and_nothing_is_written(
    wizard: Any, project: Path, capfd: pytest.CaptureFixture[str], flags: list[str], why: str
) -> None:
    before = contents(project)
    code = unattended(wizard, project, *flags)
    said = "".join(capfd.readouterr())
    assert (code, why in said) == (2 if why else 0, True)
    assert contents(project) == before
    for secret in (BOT, KEY, "a token with spaces", "nonsense", "$(rm)"):
        assert secret not in said


def test_settings_that_were_broken_before_are_left_as_they_are(
    wizard: Any, project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (project / "config.json").write_text('{"symbol": "BTCUSD", "risk_percnt": 1}')
    before = contents(project)
    assert unattended(wizard, project, "--risk", "growth", "--token", TOKEN) == 2
    assert "did you mean risk_percent" in capfd.readouterr().err
    assert contents(project) == before


def test_doctor_runs_at_the_end_and_tells_by_the_exit_code(
    wizard: Any, project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = wizard.main(["--yes", "--project", str(project), "--bridge-url", "http://127.0.0.1:9"])
    said = capfd.readouterr().out
    assert code == 1
    assert "doctor" in said
    assert "Paper first: python trading.py --paper" in said


def test_every_profile_sets_the_same_keys_and_balanced_is_what_is_shipped(
    wizard: Any, project: Path
) -> None:
    profiles = read_risk_profiles(ROOT)
    assert list(profiles) == ["conservative", "balanced", "growth"]
    assert len({tuple(each.sets) for each in profiles.values()}) == 1
    before = load_settings(project)
    assert unattended(wizard, project, "--risk", "balanced") == 0
    assert load_settings(project) == before
    risks = [each.sets["risk_percent"] for each in profiles.values()]
    assert risks == sorted(risks, key=float)  # type: ignore[arg-type]


def test_page_has_every_key_of_a_profile() -> None:
    page = (ROOT / "docs" / "onboarding.md").read_text(encoding="utf-8")
    for profile in read_risk_profiles(ROOT).values():
        assert [key for key in profile.sets if f"`{key}`" not in page] == []


def test_write_that_fails_in_the_middle_leaves_the_file_whole(
    wizard: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    before = json.loads((project / "config.json").read_text())
    monkeypatch.setattr(os, "fsync", full)
    assert unattended(wizard, project, "--risk", "growth") == 2
    assert json.loads((project / "config.json").read_text()) == before
