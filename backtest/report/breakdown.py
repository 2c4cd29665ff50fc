"""Results by group: hour, weekday, regime, filter, how trades ended; with counts and intervals."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from backtest.columns import DecidedBars
from backtest.report.trades import TradeWithLevels
from backtest.statistics import Estimate, Interval, bootstrap, wilson
from market.bars import Float64s
from market.instrument import Instrument
from trading.decision import gate
from trading.decision.settings import DecisionSettings
from trading.market_window import regimes

WARNING = (
    "Many groups are looked at here: among twenty, one lies outside its 95 % limits by chance "
    "alone. A group that looks good is an idea to be tried on other bars, not a result."
)
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday; Monday is 0
_REPLICATES = 1000
_LEAST = 10
_SPREAD_SHARES = (0.05, 0.10)

Labels = NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Group:
    """Trades of one group. `won`: Wilson's 95 % interval; `mean_r` with 95 % limits of a block
    bootstrap, with ten trades or more: net profit over what the first stop risked."""

    name: str
    trades: int
    won: Interval
    net_profit: float
    mean_r: float
    mean_r_low: float
    mean_r_high: float


def groups(labels: Sequence[str] | Labels, net: Float64s, r: Float64s) -> tuple[Group, ...]:
    """A group for every label, in the order of the labels' names. Arrays (n,) by trade."""
    names = np.asarray(labels)
    found = []
    for name in sorted(set(names.tolist())):
        mine = names == name
        known = r[mine & ~np.isnan(r)]
        mean = _mean_r(known)
        won = wilson(int((net[mine] > 0).sum()), int(mine.sum()))
        total = float(net[mine].sum())
        found.append(Group(name, len(net[mine]), won, total, mean.value, mean.low, mean.high))
    return tuple(found)


def breakdown(
    trades: Sequence[TradeWithLevels],
    r: Float64s,
    bars: DecidedBars,
    of: Instrument,
    settings: DecisionSettings,
) -> dict[str, tuple[Group, ...]]:
    """Every grouping by name. Hours and weekdays are UTC, of the entry."""
    net = np.array([each.trade.net_profit for each in trades])
    opened = np.array([each.trade.opened_ms for each in trades], dtype=np.int64)
    rows = _decided_rows(opened, bars)
    made: Mapping[str, Callable[[], Labels]] = {
        "hour (UTC)": lambda: _text(opened // _HOUR_MS % 24, "{:02d}"),
        "weekday": lambda: _weekdays(opened),
        "side": lambda: _words([each.trade.side.name for each in trades]),
        "close type": lambda: _words([each.trade.close_type for each in trades]),
        "regime (ADX)": lambda: _regimes(rows, bars, settings),
        "EMA 200 trend": lambda: _trend(rows, bars, trades),
        "spread over ATR": lambda: _spread_shares(rows, bars, of),
        "models agreeing": lambda: _words(
            [f"{votes} votes" for votes in bars.forecasts.signal.agreeing[rows].tolist()]
        ),
        "filters that are off": lambda: _others(rows, bars, of, settings),
    }
    return {name: groups(labels(), net, r) for name, labels in made.items()} if trades else {}


def _mean_r(known: Float64s) -> Estimate:
    """Without limits where there are too few trades for a bootstrap to know any."""
    if len(known) < _LEAST:
        return Estimate(_mean(known) if len(known) else math.nan, math.nan, math.nan)
    return bootstrap(known, _mean, replicates=_REPLICATES)


def _mean(values: Float64s) -> float:
    return float(values.mean())


def _decided_rows(opened_ms: NDArray[np.int64], bars: DecidedBars) -> NDArray[np.int64]:
    """The decided row that each trade was entered on: it closed when the trade opened."""
    found = np.searchsorted(bars.close_ms, opened_ms, side="right") - 1
    return np.clip(found, 0, len(bars) - 1)


def _words(values: Sequence[str]) -> Labels:
    return np.array(values, dtype=np.str_)


def _text(values: NDArray[np.int64], form: str) -> Labels:
    return _words([form.format(value) for value in values.tolist()])


def _weekdays(opened_ms: NDArray[np.int64]) -> Labels:
    days = (opened_ms // _DAY_MS + _EPOCH_WEEKDAY) % 7
    return _words([f"{day + 1} {_WEEKDAYS[day]}" for day in days.tolist()])


def _regimes(rows: NDArray[np.int64], bars: DecidedBars, settings: DecisionSettings) -> Labels:
    """By the regime filter's own thresholds and hysteresis, whether it is on or not."""
    adx, trending = regimes(bars.history, settings.adx_regime_filter, bars.first)
    here = rows + bars.first
    return np.where(
        np.isnan(adx[here]), "unknown", np.where(trending[here], "trending", "ranging")
    )  # fmt: skip


def _trend(
    rows: NDArray[np.int64], bars: DecidedBars, trades: Sequence[TradeWithLevels]
) -> Labels:  # fmt: skip
    sides = np.array([int(each.trade.side) for each in trades])
    above = bars.bars.close[rows] - bars.ema200[rows]
    return np.where(sides * above < 0, "against it", "with it")


def _spread_shares(rows: NDArray[np.int64], bars: DecidedBars, of: Instrument) -> Labels:
    shares = bars.bars.spread_points[rows] * of.point / bars.atr[rows]
    return _words([_share_name(float(share)) for share in shares])


def _share_name(share: float) -> str:
    edges = (0.0, *_SPREAD_SHARES, math.inf)
    for low, high in pairwise(edges):
        if low <= share < high:
            above = high == math.inf
            return f"{100 * low:02.0f} % " + ("and above" if above else f"to {100 * high:02.0f} %")
    return "unknown"


def _others(
    rows: NDArray[np.int64], bars: DecidedBars, of: Instrument, settings: DecisionSettings
) -> Labels:
    """What the stateless filters that are off would have said of each entry."""
    regime = settings.adx_regime_filter.model_copy(update={"enabled": True})
    on = settings.model_copy(update={"enable_ema_trend_filter": True, "adx_regime_filter": regime})
    denied = gate.evaluate(bars.asked_for(on).gate_columns(of), on).denied[rows]
    watched = {"ema_trend": settings.enable_ema_trend_filter,
               "adx_regime": settings.adx_regime_filter.enabled}  # fmt: skip
    off = [(rule, gate.RULES.index(rule)) for rule, is_on in watched.items() if not is_on]
    return _words([_said(int(mask), off) for mask in denied.tolist()])


def _said(denied: int, off: Sequence[tuple[str, int]]) -> str:
    said = [rule for rule, bit in off if denied >> bit & 1]
    return f"denied by {' and '.join(said)}" if said else "denied by none"
