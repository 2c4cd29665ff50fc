"""What stands in deploy/ fits together. Windows itself is not here: docs/operators-guide.md says
what that leaves unproved."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mt5api.__main__ import _arguments

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
PINNED = re.compile(r"^([A-Za-z0-9_.-]+)==(\S+)", re.MULTILINE)


def text(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")


def pins(lock: str) -> dict[str, str]:
    return {name.lower().replace("_", "-"): version for name, version in PINNED.findall(lock)}


@pytest.fixture(scope="module")
def locked() -> dict[str, str]:
    return pins(text("requirements-bridge.txt"))


def test_guest_is_pinned_and_reached_over_loopback_only() -> None:
    (guest,) = yaml.safe_load(text("windows/compose.yaml"))["services"].values()
    assert re.search(r"dockurr/windows:\d+\.\d+", guest["image"])
    assert guest["ports"] == ["127.0.0.1:8006:8006", "127.0.0.1:6542:6542"]
    assert all("PASSWORD" not in key or "${" in str(value)
               for key, value in guest["environment"].items())  # fmt: skip


def test_every_locked_package_has_its_hashes() -> None:
    blocks = re.split(r"\n(?=[a-z])", text("requirements-bridge.txt").split("\n", 2)[2])
    assert len(blocks) > 10
    assert [block for block in blocks if "--hash=sha256:" not in block] == []


def test_bridge_runs_the_versions_that_are_tested_here(locked: dict[str, str]) -> None:
    ours = pins((ROOT / "requirements.txt").read_text(encoding="utf-8"))
    differing = {name for name in set(ours) & set(locked) if ours[name] != locked[name]}
    assert differing == {"numpy"}  # below 2 on purpose; tests/mt5api passes with both
    assert locked["metatrader5"] == "5.0.6231"


def test_everything_a_live_bridge_imports_is_locked(locked: dict[str, str]) -> None:
    code = (
        "import sys, json, mt5api.__main__, mt5api.app, mt5api.serve, mt5api.live.bridge\n"
        "from importlib.metadata import packages_distributions\n"
        "known = packages_distributions()\n"
        "tops = {name.split('.')[0] for name in sys.modules} - {'_distutils_hack'}\n"
        "print(json.dumps(sorted({known[top][0] for top in tops if top in known})))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    used = {name.lower().replace("_", "-") for name in json.loads(done.stdout)}
    assert used - set(locked) - {"novosky"} == set()


def test_install_script_uses_files_that_exist() -> None:
    script = text("windows/oem/install.ps1")
    named = re.findall(r"\$Code\\(deploy\\[\w.\\-]+)", script)
    assert len(named) >= 4
    for name in named:
        assert (ROOT / name.replace("\\", "/")).is_file(), name
    for name in ("settings.psd1.example", "install.bat"):
        assert (DEPLOY / "windows" / "oem" / name).is_file()
    asked = set(re.findall(r"\$Settings\.(\w+)\b(?!\()", script, re.IGNORECASE))
    example = text("windows/oem/settings.psd1.example")
    assert {name for name in asked if f"{name} " not in example} == set()


def test_scheduled_bridge_has_arguments_that_the_door_takes() -> None:
    script = text("windows/run-bridge.ps1")
    names = re.findall(r"'(--[a-z-]+)'", script)
    values = {"--login": "7", "--port": "6542"}
    bare = ("--live", "--allow-remote")
    given = [word for name in names
             for word in ([name] if name in bare else [name, values.get(name, "x")])]  # fmt: skip
    parsed = _arguments(given)
    assert parsed.live
    assert parsed.allow_remote
    assert len(names) == 12


def test_lock_is_made_by_the_command_that_makes_all_locks() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "deploy/requirements-bridge.in -o deploy/requirements-bridge.txt" in makefile
    assert "--python-platform windows" in makefile
