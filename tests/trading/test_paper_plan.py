"""What a paper run needs of its market, said before anything starts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from broker.simulator.settings import PaperSettings
from market.bars import Bars, BarsError
from market.instruments import instrument
from market.sources.errors import SourceError
from ml.features.catalogue import LOOKBACK_MS
from tests.builders import MONDAY_MS, make_bars, write_market
from trading.assemble import Trade, known_instrument
from trading.decision.settings import DecisionSettings
from trading.errors import DaemonError, PaperError
from trading.paper import DAY_MS, PaperOptions, plan_run
from trading.settings import DaemonSettings

PAPER = PaperSettings()
FIXED = DecisionSettings.model_validate({"prediction": {"gate": "fixed"}})
FEATURE_DAYS = LOOKBACK_MS // DAY_MS


def make_trade(decision: DecisionSettings = FIXED) -> Trade:
    return Trade(instrument("BTCUSD"), decision, DaemonSettings(), ("base", "regime"))


def make_options(market: Path | None, **words: Any) -> PaperOptions:
    defaults = {"from_ms": None, "to_ms": None, "bars": None, "speed": "max"}
    return PaperOptions(market, **(defaults | words))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """130 days of bars from Monday on."""
    bars = make_bars([(100.0, 101.0, 99.0, 100.0)] * (130 * 96), spread_points=10)
    return write_market(tmp_path_factory.mktemp("market") / "bars.parquet", bars)


def test_run_starts_by_default_where_the_warm_up_ends(file: Path) -> None:
    plan = plan_run(make_options(file), make_trade(), PAPER)
    assert plan.limits.from_ms == MONDAY_MS + LOOKBACK_MS
    assert len(plan.bars) == 130 * 96


def test_too_little_warm_up_says_how_much_is_needed_and_from_when(file: Path) -> None:
    options = make_options(file, from_ms=MONDAY_MS + 100 * DAY_MS)
    with pytest.raises(PaperError) as refused:
        plan_run(options, make_trade(), PAPER)
    text = str(refused.value)
    assert f"{FEATURE_DAYS:g} days are needed" in text
    assert "100.0 are there" in text
    assert "start at 2025-04-" in text


@pytest.mark.parametrize("start_ms", [None, MONDAY_MS + 20 * DAY_MS, MONDAY_MS + 500 * DAY_MS])
def test_file_shorter_than_its_own_warm_up_is_too_short_wherever_a_run_starts(
    tmp_path: Path, start_ms: int | None
) -> None:
    bars = make_bars([(100.0, 101.0, 99.0, 100.0)] * (30 * 96), spread_points=10)
    path = write_market(tmp_path / "short.parquet", bars)
    with pytest.raises(PaperError, match=r"too short: its 30\.0 days .* days are needed"):
        plan_run(make_options(path, from_ms=start_ms), make_trade(), PAPER)


def test_quantile_gate_needs_its_look_back_too(file: Path) -> None:
    options = make_options(file, from_ms=MONDAY_MS + 125 * DAY_MS)
    with pytest.raises(PaperError, match="90 for the gate's look-back"):
        plan_run(options, make_trade(DecisionSettings()), PAPER)
    assert plan_run(options, make_trade(), PAPER).limits.from_ms == options.from_ms


def test_start_off_the_grid_begins_with_the_next_bar(file: Path) -> None:
    options = make_options(file, from_ms=MONDAY_MS + 125 * DAY_MS + 1)
    plan = plan_run(options, make_trade(), PAPER)
    assert plan.limits.from_ms == MONDAY_MS + 125 * DAY_MS + 900_000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"from_ms": MONDAY_MS + 200 * DAY_MS}, "end at 2025-05-09 00:00"),
        (
            {"from_ms": MONDAY_MS + 125 * DAY_MS, "to_ms": MONDAY_MS + 125 * DAY_MS},
            "an instant after the start",
        ),
    ],
)
def test_span_outside_the_market_is_refused(file: Path, words: Any, said: str) -> None:
    with pytest.raises(PaperError, match=said):
        plan_run(make_options(file, **words), make_trade(), PAPER)


def test_market_with_a_hole_is_refused(tmp_path: Path) -> None:
    bars = make_bars([(100.0, 101.0, 99.0, 100.0)] * (130 * 96), spread_points=10)
    holed = bars.rows(0, 121 * 96).followed_by(bars.rows(123 * 96, len(bars)))
    with pytest.raises(BarsError, match=r"gap|missing"):
        plan_run(make_options(write_market(tmp_path / "holed.parquet", holed)), make_trade(), PAPER)


def test_market_with_an_impossible_bar_is_refused(tmp_path: Path) -> None:
    bars = make_bars([(100.0, 101.0, 99.0, 100.0)] * 96, spread_points=10)
    high = bars.high.copy()
    high[7] = 50.0
    wrong = Bars(
        bars.symbol, bars.timeframe, bars.open_ms, bars.open, high, bars.low, bars.close,
        bars.tick_volume, bars.spread_points,
    )  # fmt: skip
    with pytest.raises((BarsError, SourceError), match="high"):
        plan_run(make_options(write_market(tmp_path / "wrong.parquet", wrong)), make_trade(), PAPER)


def test_other_timeframes_are_refused(tmp_path: Path) -> None:
    rows = [(100.0, 101.0, 99.0, 100.0)] * 200
    hours = make_bars(rows)
    hours = Bars(
        hours.symbol, hours.timeframe, MONDAY_MS + np.arange(200) * 3_600_000, hours.open,
        hours.high, hours.low, hours.close, hours.tick_volume, hours.spread_points,
    )  # fmt: skip
    with pytest.raises(PaperError, match="M15 bars are needed, H1 came"):
        plan_run(make_options(write_market(tmp_path / "h1.parquet", hours)), make_trade(), PAPER)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises((SourceError, OSError), match="absent"):
        plan_run(make_options(tmp_path / "absent.parquet"), make_trade(), PAPER)


def test_unknown_symbol_lists_the_known_ones() -> None:
    with pytest.raises(DaemonError, match="BTCUSD, XAUUSD, EURUSD is allowed, DOGE came"):
        known_instrument("DOGE")


def test_generated_market_has_its_own_warm_up() -> None:
    plan = plan_run(make_options(None), make_trade(DecisionSettings()), PAPER)
    before_ms = plan.limits.from_ms - int(plan.bars.open_ms[0])
    assert before_ms >= LOOKBACK_MS + 90 * DAY_MS


def test_runs_with_other_rules_markets_or_models_are_other_runs(file: Path) -> None:
    plan = plan_run(make_options(file), make_trade(), PAPER)
    later = plan_run(make_options(file, from_ms=MONDAY_MS + 125 * DAY_MS), make_trade(), PAPER)
    seeded = PAPER.model_copy(update={"seed": 8})
    prints = [
        plan.fingerprint(make_trade(), PAPER, ["model"], dry=False),
        plan.fingerprint(make_trade(), PAPER, ["model"], dry=True),
        plan.fingerprint(make_trade(), PAPER, ["another"], dry=False),
        plan.fingerprint(make_trade(), seeded, ["model"], dry=False),
        plan.fingerprint(make_trade(DecisionSettings()), PAPER, ["model"], dry=False),
        later.fingerprint(make_trade(), PAPER, ["model"], dry=False),
    ]
    assert len(set(prints)) == len(prints)
    limited = plan_run(make_options(file, bars=5), make_trade(), PAPER)
    assert limited.fingerprint(make_trade(), PAPER, ["model"], dry=False) == prints[0]
