"""A healthy set-up per test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.doctor.ward import Ward, bridge, clock_of, make_project
from tests.tiny_models import write_models


@pytest.fixture
def admit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Ward]]:
    """Makes the set-up; what is given goes to the bridge and its account."""
    with ExitStack() as held:

        def make(**given: Any) -> Ward:
            url, terminal, plan = held.enter_context(bridge(**given))
            project = make_project(tmp_path / "project")
            write_models(tmp_path / "models")
            monkeypatch.chdir(project)
            monkeypatch.delenv("NOVOSKY_BRIDGE_TOKEN", raising=False)
            clock_of(terminal, monkeypatch)
            return Ward(project, tmp_path / "models", terminal, plan, url, capsys)

        yield make


@pytest.fixture
def ward(admit: Callable[..., Ward]) -> Ward:
    return admit()
