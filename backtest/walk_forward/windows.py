"""Every window of some days of a record, and how many of them look like a headline.

A figure of one window says little while nobody knows how it was picked. Here are all of them: one
begins on each UTC day on which a whole window is left. They overlap, so their number is not a
number of independent observations; `disjoint` is how many fit side by side.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from backtest.statistics import binomial_tail, break_even, profit_factor, sharpe_daily
from backtest.walk_forward.blocks import DAY_MS, Pool
from market.bars import Float64s, Int64s
from trading.implausible import LEAST_TRADES, implausible

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
FIGURES = ("trades", "win_rate", "profit_factor", "sharpe", "gain", "max_drawdown")


@dataclass(frozen=True, slots=True)
class Headline:
    """What somebody says of one window. `win_rate` is a share."""

    win_rate: float
    profit_factor: float


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Windows of `days` days, one a row (w,), oldest first; NaN where a figure does not exist.

    `from_ms`: begin, UTC midnight; `trades` that closed inside; `sharpe` annual, of daily returns;
    `gain`: return of marked-to-market equity; `max_drawdown`: share of the peak inside the window.
    """

    days: int
    from_ms: Int64s
    trades: Int64s
    win_rate: Float64s
    profit_factor: Float64s
    sharpe: Float64s
    gain: Float64s
    max_drawdown: Float64s

    def __len__(self) -> int:
        return len(self.from_ms)

    @property
    def disjoint(self) -> int:
        """How many windows fit into the same days side by side."""
        if len(self) == 0:
            return 0
        return int((self.from_ms[-1] - self.from_ms[0]) // DAY_MS + self.days) // self.days

    def columns(self) -> dict[str, Any]:
        """By name, for a table."""
        return {each.name: getattr(self, each.name) for each in fields(self)[1:]}


def all_windows(pool: Pool, days: int) -> Windows:
    """Every window of `days` whole UTC days inside the pool's days."""
    first, last = int(pool.days[0]), int(pool.days[-1])
    starts = np.arange(first, last - days + 2, dtype=np.int64)
    rows = [_window(pool, start, start + days) for start in starts.tolist()]
    cells = np.array(rows, dtype=np.float64).reshape(-1, len(FIGURES)).T
    return Windows(days, starts * DAY_MS, cells[0].astype(np.int64), *cells[1:])


def _window(pool: Pool, first: int, last: int) -> tuple[float, ...]:
    """The figures of the days first … last − 1."""
    inside = slice(*np.searchsorted(pool.closed_ms, (first * DAY_MS, last * DAY_MS)))
    net, daily = pool.net[inside], pool.daily[slice(*np.searchsorted(pool.days, (first, last)))]
    won = float((net > 0).mean()) if len(net) else np.nan
    sharpe = sharpe_daily(daily).annual
    gain = float(np.prod(1 + daily) - 1)
    drawdown = _drawdown(pool, first * DAY_MS, last * DAY_MS)
    return len(net), won, profit_factor(net), sharpe, gain, drawdown


def _drawdown(pool: Pool, from_ms: int, to_ms: int) -> float:
    """As `trading.equity`, with the equity at the window's begin as the first peak."""
    curve = pool.curve
    first, last = np.searchsorted(curve.time_ms, (from_ms, to_ms), side="right").tolist()
    close, worst = curve.close[first:last], curve.worst[first:last]
    begin = curve.close[first - 1] if first else pool.blocks[0].initial_balance
    peak = np.maximum.accumulate(np.r_[begin, close[:-1]])[: len(worst)]
    return float(np.maximum(0.0, (peak - worst) / peak).max(initial=0.0))


def quantiles(windows: Windows, shares: Sequence[float] = QUANTILES) -> dict[str, list[float]]:
    """Order statistics of each figure over the windows that have it; NaN where none has."""
    found = {}
    for name in FIGURES:
        values = getattr(windows, name).astype(np.float64)
        known = np.sort(values[~np.isnan(values)])
        places = [round(share * (len(known) - 1)) for share in shares]
        found[name] = [float(known[at]) if len(known) else float("nan") for at in places]
    return found


@dataclass(frozen=True, slots=True)
class Reached:
    """How many of `windows` have at least a headline's figures.

    `both` counts windows of any number of trades, `proper` those with `LEAST_TRADES` or more, of
    which there are `judged`. `alarmed`: windows whose Sharpe ratio, profit factor or win rate is
    implausible.
    """

    windows: int
    disjoint: int
    win_rate: int
    profit_factor: int
    both: int
    judged: int
    proper: int
    alarmed: int


def reached(windows: Windows, headline: Headline) -> Reached:
    """Counts the windows that have the headline's win rate, profit factor, or both."""
    won = windows.win_rate >= headline.win_rate
    earned = windows.profit_factor >= headline.profit_factor
    enough = windows.trades >= LEAST_TRADES
    return Reached(
        len(windows), windows.disjoint, int(won.sum()), int(earned.sum()),
        int((won & earned).sum()), int(enough.sum()), int((won & earned & enough).sum()),
        _alarmed(windows),
    )  # fmt: skip


def _alarmed(windows: Windows) -> int:
    """Few trades alone are no alarm here."""
    rows = zip(windows.sharpe, windows.profit_factor, windows.win_rate, strict=True)
    return sum(
        bool(implausible(sharpe=s, profit_factor=p, win_rate=w, trades=0, whole_window=False))
        for s, p, w in rows
    )


@dataclass(frozen=True, slots=True)
class Chance:
    """The mean probability, over windows, of the headline's win rate on the window's own number of
    trades: for independent trades that win as often as all of them did (`as_measured`), and as
    often as pays for their payoffs (`break_even`)."""

    as_measured: float
    break_even: float


def chance(windows: Windows, pool: Pool, headline: Headline) -> Chance:
    """NaN where there is no trade. Windows without a trade cannot show a win rate."""
    won, even = float((pool.net > 0).mean()) if len(pool.net) else np.nan, break_even(pool.net)
    return Chance(*(_mean_tail(windows, headline, share) for share in (won, even)))


def _mean_tail(windows: Windows, headline: Headline, share: float) -> float:
    if not 0 < share < 1 or len(windows) == 0:
        return float("nan")
    tails = [
        binomial_tail(int(np.ceil(headline.win_rate * count)), count, share) if count else 0.0
        for count in windows.trades.tolist()
    ]
    return float(np.mean(tails))
