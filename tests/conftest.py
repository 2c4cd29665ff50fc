"""Fixtures that many rooms share."""

from pathlib import Path

import pytest

_SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real market data; the test skips where it is not there."""
    if not _SHARED_DATA.is_dir():
        pytest.skip("real market data (../shared/data) is not on this machine")
    return _SHARED_DATA
