"""A project's folder with serving models, and runs whose earlier phases are over."""

from pathlib import Path

import pytest

from retrain.phase import Run
from tests.retrain.projects import make_project, make_run


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Settings, and models of training 1 as training has left them: plain files."""
    return make_project(tmp_path / "project")


@pytest.fixture
def run(project: Path) -> Run:
    """A run at its phase swap: the candidate, training 2, passed everything; no shadow."""
    return make_run(project)
