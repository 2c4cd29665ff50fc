"""A case with tiny models, and a bridge whose market is the case's."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtest.forecast_band import WEEK_MS, ForecastBand, forecast_band
from backtest.gate_settings import BandSettings
from tests.shadow.stand import Stand, bridge_of
from tests.trading.paper_runs import Case, make_case, settings_of

BARS = 40
RULES: dict[str, Any] = {
    "ml_active_management": {"enabled": True},
    "position_optimization": {"min_bars_held": 1, "exit_threshold": 0.4, "min_prob_diff": 0.0},
    "risk_model": {"enabled": True},
    "dynamic_sltp": {"use_model": True},
}


@pytest.fixture(scope="session")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Models that manage their trades, M1 bars, and 40 bars to decide."""
    return make_case(tmp_path_factory.mktemp("case"), settings_of(**RULES), bars=BARS)


@pytest.fixture
def stand(case: Case, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stand]:
    with bridge_of(case, getattr(request, "param", "native"), tmp_path / "models") as made:
        yield made


@pytest.fixture(scope="session")
def band() -> ForecastBand:
    closed = np.arange(0, 40 * WEEK_MS, WEEK_MS // 8)
    returns = np.where(np.arange(len(closed)) % 9 < 5, 0.004, -0.004)
    return forecast_band(
        closed, returns, from_ms=0, to_ms=40 * WEEK_MS, settings=BandSettings(), replicates=100
    )
