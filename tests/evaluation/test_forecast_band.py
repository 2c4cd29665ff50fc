"""The forecast band: who stays inside it, who leaves it, and how often by chance."""

import json
from collections.abc import Sequence

import numpy as np
import pytest

from backtest.band_histories import histories
from backtest.forecast_band import (
    WEEK_MS,
    BackToPaper,
    CutRisk,
    ForecastBand,
    Inside,
    closed_returns,
    forecast_band,
    watch_band,
)
from backtest.gate_settings import BandSettings
from market.bars import Float64s, Int64s
from tests.builders import make_closed_trade
from trading.decision.records import ClosedTrade

BALANCE = 10_000.0
RISK = 0.005
SETTINGS = BandSettings()


def lived(
    rng: np.random.Generator, weeks: int, *, a_week: float = 6.0, win_rate: float = 0.56
) -> tuple[Int64s, Float64s]:
    """When trades closed and what they returned: one risk a trade, wins as large as losses."""
    count = int(rng.poisson(a_week * weeks))
    closed = np.sort(rng.integers(0, weeks * WEEK_MS, count))
    return closed, np.where(rng.random(count) < win_rate, RISK, -RISK)


def as_trades(closed: Int64s, returns: Float64s) -> list[ClosedTrade]:
    balance = BALANCE * np.cumprod(1 + returns)
    net = np.diff(np.r_[BALANCE, balance])
    return [make_closed_trade(int(at), float(won)) for at, won in zip(closed, net, strict=True)]


@pytest.fixture(scope="module")
def band() -> ForecastBand:
    """Of two years with 56 % won at 1:1, about six trades a week."""
    closed, returns = lived(np.random.default_rng(4), 104)
    return forecast_band(
        closed, returns, from_ms=0, to_ms=104 * WEEK_MS, settings=SETTINGS, replicates=1500
    )


def watched(
    band: ForecastBand, trades: Sequence[ClosedTrade], week: float
) -> Inside | CutRisk | BackToPaper:
    return watch_band(band, trades, since_ms=0, now_ms=int(week * WEEK_MS), balance=BALANCE)


def test_band_is_published_for_each_week_and_the_second_limits_are_wider(
    band: ForecastBand,
) -> None:
    assert [row.week for row in band.cut] == list(range(4, 27))
    for cut, paper in zip(band.cut, band.paper, strict=True):
        assert paper.trades_low <= cut.trades_low <= cut.trades_high <= paper.trades_high
        assert paper.win_rate_low <= cut.win_rate_low
        assert paper.drawdown_high >= cut.drawdown_high
    low, mid, high = band.trades_per_week
    assert low < 6.0 < high
    assert low < mid < high
    assert band.win_rate[0] < 0.56 < band.win_rate[2]
    assert list(band.drawdown) == sorted(band.drawdown)


def test_band_survives_json(band: ForecastBand) -> None:
    assert ForecastBand.from_dict(json.loads(json.dumps(band.as_dict()))) == band


def test_same_seed_gives_the_same_band() -> None:
    closed, returns = lived(np.random.default_rng(1), 30)
    span = {"from_ms": 0, "to_ms": 30 * WEEK_MS, "settings": SETTINGS, "replicates": 100}
    first = forecast_band(closed, returns, seed=3, **span)  # type: ignore[arg-type]
    assert forecast_band(closed, returns, seed=3, **span) == first  # type: ignore[arg-type]
    assert forecast_band(closed, returns, seed=4, **span) != first  # type: ignore[arg-type]


def test_system_that_did_not_change_is_inside_after_each_of_26_weeks(band: ForecastBand) -> None:
    trades = as_trades(*lived(np.random.default_rng(11), 26))
    assert all(watched(band, trades, week) == Inside() for week in range(27))


def test_unchanged_systems_leave_the_band_about_as_often_as_was_promised() -> None:
    """5 % and 1 % are asked for; 600 histories gave 7 % and 2 %."""
    rng, cut, paper = np.random.default_rng(7), 0, 0
    for seed in range(20):
        made = forecast_band(
            *lived(rng, 104), from_ms=0, to_ms=104 * WEEK_MS, settings=SETTINGS, seed=seed
        )
        for _ in range(6):
            trades = as_trades(*lived(rng, 26))
            said = [watched(made, trades, week) for week in range(1, 27)]
            cut += any(not isinstance(each, Inside) for each in said)
            paper += any(isinstance(each, BackToPaper) for each in said)
    assert 1 <= cut <= 14
    assert paper <= 6


@pytest.mark.parametrize(
    ("change", "word"),
    [({"win_rate": 0.35}, "win rate"), ({"a_week": 1.0}, "trades in"),
     ({"a_week": 20.0}, "trades in"), ({"win_rate": 0.30, "a_week": 6.0}, "drawdown")],
    ids=["wins-35", "too-few-trades", "too-many-trades", "drawdown"],
)  # fmt: skip
def test_changed_system_first_cuts_the_risk_and_then_goes_back_to_paper(
    band: ForecastBand, change: dict[str, float], word: str
) -> None:
    trades = as_trades(*lived(np.random.default_rng(2), 26, **change))
    said = [watched(band, trades, day / 7) for day in range(26 * 7)]
    first = next(row for row, each in enumerate(said) if not isinstance(each, Inside))
    assert any(isinstance(each, BackToPaper) for each in said[first:])
    reasons = [text for each in said if not isinstance(each, Inside) for text in each.reasons]
    assert any(word in text and "forecast" in text for text in reasons)


def test_drawdown_counts_at_once_and_the_cut_says_how_much_risk_is_left(
    band: ForecastBand,
) -> None:
    deep = band.cut[0].drawdown_high
    assert deep < band.paper[0].drawdown_high
    between = (deep + band.paper[0].drawdown_high) / 2
    lost = make_closed_trade(5, -between * BALANCE)
    answer = watched(band, [lost], 0.5)
    assert isinstance(answer, CutRisk)
    assert answer.risk_share == 0.5
    assert answer.reasons == (f"drawdown {between:.1%}; at most {deep:.1%} was forecast",)
    worse = make_closed_trade(5, -BALANCE / 2)
    assert isinstance(watched(band, [worse], 0.5), BackToPaper)


def test_after_the_last_week_only_the_latest_weeks_are_judged(band: ForecastBand) -> None:
    old = make_closed_trade(WEEK_MS, -BALANCE / 2)
    closed, returns = lived(np.random.default_rng(12), 26)
    recent = as_trades(closed + 30 * WEEK_MS, returns)
    assert isinstance(watched(band, [old], 3), BackToPaper)
    half = [make_closed_trade(t.closed_ms, t.net_profit / 2) for t in recent]
    assert watched(band, [old, *half], 56) == Inside()
    deep = 1.5 * band.paper[-1].drawdown_high * BALANCE / 2  # of what the old loss has left
    sunk = watched(band, [old, make_closed_trade(40 * WEEK_MS, -deep)], 56)
    assert isinstance(sunk, BackToPaper)
    assert any(text.startswith("drawdown") for text in sunk.reasons)


def test_weeks_that_are_not_whole_are_judged_by_their_drawdown_alone(band: ForecastBand) -> None:
    assert watched(band, [], 4.9 - 1) == Inside()
    assert not isinstance(watched(band, [], 26), Inside)


def test_too_short_a_backtest_has_no_band() -> None:
    with pytest.raises(ValueError, match="8 weeks are needed, 7 came"):
        forecast_band(
            np.array([5]), np.array([0.01]), from_ms=0, to_ms=8 * WEEK_MS - 1, settings=SETTINGS
        )


def test_returns_are_on_the_balance_before_each_trade_in_order_of_closing() -> None:
    trades = [make_closed_trade(20, -110.0), make_closed_trade(10, 1000.0)]
    closed, returns = closed_returns(trades, BALANCE)
    assert closed.tolist() == [10, 20]
    assert returns.tolist() == pytest.approx([0.1, -0.01])


def test_histories_spread_as_two_samples_of_one_truth_do() -> None:
    """A total over m weeks, forecast from n others: variance m · σ² · (1 + m/n)."""
    rng = np.random.default_rng(6)
    per_week, returns = rng.poisson(6, 40), rng.normal(0, RISK, 240)
    drawn = histories(per_week, returns, weeks=26, replicates=4000, seed=1)
    expected = 26 * per_week.var() * (1 + 26 / 40)
    assert drawn.trades[:, -1].var() == pytest.approx(expected, rel=0.1)
    assert drawn.trades[:, -1].mean() == pytest.approx(26 * per_week.mean(), rel=0.01)
