"""A project's folder with the shipped settings, and the wizard as a module."""

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Secrets of this machine's environment stay out."""
    for name in ("BRIDGE_TOKEN", "TELEGRAM_TOKEN", "TELEGRAM_CHAT", "SUPABASE_URL", "SUPABASE_KEY"):
        monkeypatch.delenv(f"NOVOSKY_{name}", raising=False)
    folder = tmp_path / "project"
    folder.mkdir()
    for name in ("config.json", "ml_config.json"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "config", folder / "config")
    return folder


@pytest.fixture(scope="session")
def wizard() -> Any:
    spec = importlib.util.spec_from_file_location("wizard", ROOT / "scripts" / "onboarding.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
