"""What a model that stays as it was is expected to do after go-live, and whether it still does.

The band is made of the backtest's own weeks, drawn again and again; it is published with the
evidence, before the first trade. Pure: `now_ms` and the live trades are passed in.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from backtest.band_histories import FIRST_WEEK, LEAST_WEEKS, WEEK_MS, Limits, histories
from backtest.gate_settings import BandSettings
from backtest.statistics import trade_returns
from market.bars import Float64s, Int64s
from trading.decision.records import ClosedTrade

REPLICATES = 4000


@dataclass(frozen=True, slots=True)
class ForecastBand:
    """Limits after 4, 5, … weeks. `cut` is left first, `paper` later.

    For a person: `trades_per_week` and `win_rate` as the 5th, 50th and 95th percentile after all
    the weeks, `drawdown` as the 50th, 75th, 95th and 99th. `cut_risk_share`: what is left of the
    risk outside `cut`.
    """

    cut: tuple[Limits, ...]
    paper: tuple[Limits, ...]
    trades_per_week: tuple[float, float, float]
    win_rate: tuple[float, float, float]
    drawdown: tuple[float, float, float, float]
    cut_risk_share: float

    @property
    def weeks(self) -> int:
        return self.cut[-1].week

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(found: dict[str, Any]) -> "ForecastBand":
        cut, paper = (
            tuple(Limits(**row) for row in found[name]) for name in ("cut", "paper")
        )  # fmt: skip
        low, mid, high = found["trades_per_week"]
        worse, even, better = found["win_rate"]
        half, three, twenty, last = found["drawdown"]
        return ForecastBand(
            cut, paper, (low, mid, high), (worse, even, better), (half, three, twenty, last),
            found["cut_risk_share"],
        )  # fmt: skip


def forecast_band(
    closed_ms: Int64s, returns: Float64s, *, from_ms: int, to_ms: int, settings: BandSettings,
    seed: int = 0, replicates: int = REPLICATES,
) -> ForecastBand:  # fmt: skip
    """The band of a backtest over [from_ms, to_ms).

    `closed_ms`, `returns`: (n,) of its trades, in order of closing; returns as
    `statistics.trade_returns` gives them. Of the histories that they could have made
    (`band_histories`) a share of `cut_false_alarm` leaves `cut`, and `paper_false_alarm` leaves
    `paper`, in any week and by any figure: the limits are those of the smallest rank over all of
    them (P. Westfall, S. Young, Resampling-Based Multiple Testing, 1993). `ValueError` with fewer
    than eight weeks.
    """
    drawn = histories(
        _per_week(closed_ms, from_ms, to_ms), returns, weeks=settings.weeks,
        replicates=replicates, seed=seed,
    )  # fmt: skip
    ranks = drawn.smallest_rank()
    per_week = drawn.trades[:, -1] / settings.weeks
    known = drawn.win_rate[:, -1][~np.isnan(drawn.win_rate[:, -1])]
    return ForecastBand(
        cut=drawn.limits(float(np.quantile(ranks, settings.cut_false_alarm))),
        paper=drawn.limits(float(np.quantile(ranks, settings.paper_false_alarm))),
        trades_per_week=_three(per_week),
        win_rate=_three(known if len(known) else np.zeros(1)),
        drawdown=_four(drawn.drawdown[:, -1]),
        cut_risk_share=settings.cut_risk_share,
    )


def _per_week(closed_ms: Int64s, from_ms: int, to_ms: int) -> Int64s:
    """Trades closed in each whole week that ends at `to_ms`."""
    count = (to_ms - from_ms) // WEEK_MS
    if count < LEAST_WEEKS:
        raise ValueError(f"forecast band: {LEAST_WEEKS} weeks are needed, {count} came")
    edges = to_ms - WEEK_MS * np.arange(count, -1, -1)
    return np.asarray(np.diff(np.searchsorted(closed_ms, edges)))


def _three(values: Float64s) -> tuple[float, float, float]:
    low, mid, high = (float(each) for each in np.quantile(values, (0.05, 0.5, 0.95)))
    return low, mid, high


def _four(values: Float64s) -> tuple[float, float, float, float]:
    a, b, c, d = (float(each) for each in np.quantile(values, (0.5, 0.75, 0.95, 0.99)))
    return a, b, c, d


@dataclass(frozen=True, slots=True)
class Inside:
    """Everything is as forecast."""


@dataclass(frozen=True, slots=True)
class CutRisk:
    """Outside the first limits: risk times `risk_share` until it is inside again."""

    reasons: tuple[str, ...]
    risk_share: float


@dataclass(frozen=True, slots=True)
class BackToPaper:
    """Outside the last limits: no entry with money until there is new evidence."""

    reasons: tuple[str, ...]


def watch_band(
    band: ForecastBand, trades: Sequence[ClosedTrade], *, since_ms: int, now_ms: int, balance: float
) -> Inside | CutRisk | BackToPaper:
    """Where live (or shadow) trades stand since go-live at `since_ms`, with `balance` then.

    `trades`: own closed ones, in order of closing. Counts and win rate are judged after whole
    weeks, from the fourth on; the drawdown of the balance at once. After the band's last week its
    last row judges the most recent weeks.
    """
    elapsed = max(0, now_ms - since_ms) // WEEK_MS
    weeks = min(int(elapsed), band.weeks)
    begin_ms = since_ms + (elapsed - weeks) * WEEK_MS
    earlier = sum(t.net_profit for t in trades if since_ms <= t.closed_ms < begin_ms)
    judged = [trade for trade in trades if begin_ms <= trade.closed_ms < now_ms]
    whole = [trade for trade in judged if trade.closed_ms < begin_ms + weeks * WEEK_MS]
    drawdown = _drawdown_of(judged, balance + earlier)
    if reasons := _left(band.paper, whole, drawdown, weeks):
        return BackToPaper(reasons)
    if reasons := _left(band.cut, whole, drawdown, weeks):
        return CutRisk(reasons, band.cut_risk_share)
    return Inside()


def _left(
    level: Sequence[Limits], trades: Sequence[ClosedTrade], drawdown: float, weeks: int
) -> tuple[str, ...]:
    """In words, which limits are left. `trades`: those of the whole weeks."""
    row = weeks - FIRST_WEEK
    reasons = [] if row < 0 else _left_by_trades(level[row], trades)
    deepest = level[min(max(row + 1, 0), len(level) - 1)].drawdown_high
    if drawdown > deepest:
        reasons.append(f"drawdown {drawdown:.1%}; at most {deepest:.1%} was forecast")
    return tuple(reasons)


def _left_by_trades(limits: Limits, trades: Sequence[ClosedTrade]) -> list[str]:
    reasons, count = [], len(trades)
    won = sum(trade.net_profit > 0 for trade in trades)
    if not limits.trades_low <= count <= limits.trades_high:
        reasons.append(
            f"{count} trades in {limits.week} weeks; {limits.trades_low} … {limits.trades_high} "
            "were forecast"
        )
    if count and won / count < limits.win_rate_low:
        reasons.append(
            f"win rate {won / count:.1%} on {count} trades; at least {limits.win_rate_low:.1%} "
            "was forecast"
        )
    return reasons


def _drawdown_of(trades: Sequence[ClosedTrade], balance: float) -> float:
    after = balance + np.cumsum([trade.net_profit for trade in trades])
    peak = np.maximum.accumulate(np.r_[balance, after])[1:]
    return float(((peak - after) / peak).max(initial=0.0))


def closed_returns(
    trades: Sequence[ClosedTrade], initial_balance: float
) -> tuple[Int64s, Float64s]:
    """When each trade closed, and its return on the balance before it; in order of closing."""
    ordered = sorted(trades, key=lambda trade: trade.closed_ms)
    closed = np.array([trade.closed_ms for trade in ordered], dtype=np.int64)
    net = np.array([trade.net_profit for trade in ordered], dtype=np.float64)
    return closed, trade_returns(net, initial_balance)
