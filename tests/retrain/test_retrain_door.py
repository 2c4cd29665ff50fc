"""`scripts/retrain.py`: the short form of the weekly pipeline."""

from pathlib import Path

import pytest

import retrain.command
from retrain.options import SKIPPABLE
from scripts.retrain import main
from tests.retrain.short_runs import short_project


def test_short_form_searches_nothing_and_serves_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = short_project(tmp_path / "project")
    given = ["--dry-run", "--data", str(root / "bars.parquet"), "--models", str(root / "models"),
             "--override", "weekly.judge_weeks=9"]  # fmt: skip
    assert main(given, root=root) == 0
    said = capsys.readouterr().out
    assert "trained on 2024-12-30 00:00 to 2025-08-14 00:00 UTC, judged until 2025-10-16" in said
    assert "shadow: off" in said
    for name in SKIPPABLE:
        assert f"{name}: skipped" in said
    assert "retrain: train the candidate's models" in said


def test_override_of_the_command_line_comes_last(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(
        retrain.command, "status_of", lambda given, skip, root: seen.append(given.override) or 0
    )
    main(["--override", "weekly.shadow_days=3"])
    assert seen[0][-1] == "weekly.shadow_days=3"
    assert "weekly.shadow_days=0" in seen[0]
