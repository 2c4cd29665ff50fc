"""What features and rules read beside bars: from which file, and the same live as in batch."""

from pathlib import Path

import numpy as np
import pytest

from backtest.forecasts import history_forecasts
from market.bars import Bars
from market.calendar import EconomicCalendar
from market.instruments import instrument
from market.onchain import OnChain, Published
from market.sources.errors import SourceError
from ml.features.catalogue import LOOKBACK_MS, names
from ml.features.settings import FeatureSettings
from tests.trading.doubles import TinyPredictor
from trading.decision.settings import QuantileGate
from trading.forecaster import Forecaster
from trading.outside import Outside, read_outside
from trading.releases import GivenCalendar

BTC = instrument("BTCUSD")
GROUPS = ("base", "regime", "onchain")
BAR_MS = 900_000
DAY_MS = 86_400_000


def write(path: Path, *titles: str) -> Path:
    rows = [f"2025-06-0{day}T12:30:00Z,USD,HIGH,{title}" for day, title in enumerate(titles, 1)]
    path.write_text("\n".join(["time,currency,impact,event", *rows]) + "\n")
    return path


def events(outside: Outside) -> tuple[int, int]:
    """(of the rules, of the features)."""
    return len(outside.news.at(0).events), len(outside.calendar.at(0).events)


def test_rules_look_at_the_calendar_and_features_only_where_the_model_has_learned_from_one(
    tmp_path: Path,
) -> None:
    file = write(tmp_path / "calendar.csv", "CPI", "NFP")
    assert events(read_outside(FeatureSettings(), BTC)) == (0, 0)
    assert events(read_outside(FeatureSettings(), BTC, calendar=file)) == (2, 0)
    learned = read_outside(FeatureSettings(), BTC, calendar=file, learned_calendar=True)
    assert events(learned) == (2, 2)
    assert list(learned.files) == ["calendar.csv"]
    assert learned.warnings == ()


def test_given_calendar_goes_before_that_of_the_settings(tmp_path: Path) -> None:
    settings = FeatureSettings(calendar=write(tmp_path / "one.csv", "CPI"))
    assert events(read_outside(settings, BTC, learned_calendar=True)) == (1, 1)
    other = write(tmp_path / "three.csv", "CPI", "NFP", "FOMC")
    given = read_outside(settings, BTC, calendar=other, learned_calendar=True)
    assert events(given) == (3, 3)


def test_a_model_that_learned_from_a_calendar_warns_without_one() -> None:
    (warning,) = read_outside(FeatureSettings(), BTC, learned_calendar=True).warnings
    assert "none is given" in warning
    assert "features.calendar" in warning


def test_onchain_group_without_its_folder_is_refused_by_name() -> None:
    with pytest.raises(SourceError, match=r"features\.onchain: the folder with funding"):
        read_outside(FeatureSettings(groups=GROUPS), BTC)


def series(bars: Bars, every: int, seed: int) -> Published:
    known_ms = bars.open_ms[::every] + 60_000
    value = np.random.default_rng(seed).normal(0, 0.001, len(known_ms))
    return Published(known_ms, value, 3 * DAY_MS)


def test_live_rows_have_the_bits_of_the_batch_with_calendar_and_onchain(market: Bars) -> None:
    onchain = OnChain(*(series(market, 32, seed) for seed in range(3)))
    times = market.close_ms[::37] + 5 * 60_000
    calendar = EconomicCalendar.of(
        times, np.full(len(times), 3, dtype=np.int8), np.full(len(times), "USD")
    )
    outside = Outside(calendar=GivenCalendar(calendar), onchain=onchain)
    first = len(market) - 12
    batch = history_forecasts(
        market, TinyPredictor(), from_row=first, groups=GROUPS,  # type: ignore[arg-type]
        round_step=BTC.round_step, cache=None, outside=outside,
    ).features  # fmt: skip
    forecaster = Forecaster(
        TinyPredictor(), groups=GROUPS, quantile=QuantileGate(lookback_days=1),
        round_step=BTC.round_step, calendar=outside.calendar, onchain=outside.onchain,
    )  # fmt: skip
    keep = LOOKBACK_MS // BAR_MS + 8 * 96
    assert batch is not None
    for row in range(first, len(market)):
        live = forecaster.forecast(market.rows(row + 1 - keep, row + 1)).features
        assert live.tobytes() == batch[row - first].tobytes()
    told = batch[:, names(GROUPS).index("funding_rate_norm")]
    assert np.isfinite(batch).all()
    assert len(set(told.tolist())) > 1 or told[0] != 0
