"""What a prop firm's rules would make of an account's days, drawn again and again. Pure.

A path is a sequence of recorded days, drawn as a stationary block bootstrap; it begins at the
firm's initial balance and ends when the phase is passed or a limit is broken. Money is in units of
the initial balance. The limits are those of `trading.decision.prop_rules`, on columns.
"""

import math
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from backtest.prop.days import TradingDays
from backtest.statistics.bootstrap import mean_block
from backtest.statistics.proportions import Interval, wilson
from market.bars import Float64s
from trading.decision.prop_rules import Phase, PropProfile

Rows = NDArray[np.int32]
_NEARLY = 1e-9
# How often a funded account pays out; firms differ, and limits of the initial balance make a
# profit that stays on the account a risk.
PAYOUT_DAYS = 30


class End(IntEnum):
    """How a path ended; `OPEN`: it had not when the days were over."""

    OPEN = 0
    PASSED = 1
    DAILY_LIMIT = 2
    TOTAL_LIMIT = 3


@dataclass(frozen=True, slots=True)
class Game:
    """One phase of one product. `target`: None where nothing can be passed (a funded account); its
    profit is then paid out every `PAYOUT_DAYS` days, and it goes on as it began."""

    profile: PropProfile
    phase: Phase

    @property
    def target(self) -> float | None:
        pct = self.profile.phase(self.phase).target_pct
        return None if pct is None else pct / 100


@dataclass(frozen=True, slots=True, eq=False)
class Played:
    """`end` (paths,): how each path ended (`End`); `day` (paths,): on which day, from 1 on."""

    end: NDArray[np.int8]
    day: NDArray[np.int32]

    def share(self, *ends: End) -> Interval:
        """The share of paths that ended so, with the limits of the drawing alone."""
        return wilson(int(np.isin(self.end, ends).sum()), len(self.end))

    def days_to(self, end: End) -> Float64s:
        """How many days the paths took that ended so."""
        return self.day[self.end == end].astype(np.float64)


def draw_rows(count: int, paths: int, length: int, seed: int, block: float | None = None) -> Rows:
    """(length, paths): which recorded day stands where on each path.

    The stationary bootstrap of `backtest.statistics.bootstrap`, all paths at once.
    """
    rng, mean = np.random.default_rng(seed), mean_block(count) if block is None else block
    rows = np.empty((length, paths), dtype=np.int32)
    at = rng.integers(count, size=paths, dtype=np.int32)
    for place in range(length):
        if place:
            fresh = rng.integers(count, size=paths, dtype=np.int32)
            at = np.where(rng.random(paths) < 1 / mean, fresh, (at + 1) % count)
        rows[place] = at
    return rows


def play(days: TradingDays, game: Game, rows: Rows, *, scale: float = 1.0) -> Played:
    """Plays every path of `rows` (length, paths). `scale`: of the recorded risk per trade."""
    length, paths = rows.shape
    played = Played(np.zeros(paths, dtype=np.int8), np.full(paths, length, dtype=np.int32))
    state = _Accounts(paths)
    for place in range(length):
        if not len(state.path):
            break
        ended = state.day(days, game, rows[place, state.path], scale)
        over = ended != End.OPEN
        played.end[state.path[over]] = ended[over]
        played.day[state.path[over]] = place + 1
        state.keep(~over)
        if game.target is None and (place + 1) % PAYOUT_DAYS == 0:
            state.pay_out()
    return played


class _Accounts:
    """The accounts that still play, one for each path."""

    def __init__(self, paths: int) -> None:
        self.path = np.arange(paths)
        self.balance = np.ones(paths)
        self.floating = np.zeros(paths)
        self.highest = np.ones(paths)
        self.best_day = np.zeros(paths)
        self.days_traded = np.zeros(paths, dtype=np.int32)

    def day(self, days: TradingDays, game: Game, rows: Rows, scale: float) -> NDArray[np.int8]:
        """One recorded day each; how it ended."""
        start = self.balance
        np.maximum(self.highest, start, out=self.highest)
        daily, total = floors(game.profile, start, start + self.floating, self.highest)
        lowest = start * (1 + scale * days.low[rows])
        broken = lowest < np.maximum(daily, total) - _NEARLY
        self.balance = start * (1 + scale * days.net[rows])
        self.floating = start * scale * days.floating[rows]
        self.days_traded += days.traded[rows]
        np.maximum(self.best_day, self.balance - start, out=self.best_day)
        limit = np.where(daily >= total, End.DAILY_LIMIT, End.TOTAL_LIMIT)
        won = np.where(self._passes(game), End.PASSED, End.OPEN)
        return np.where(broken, limit, won).astype(np.int8)

    def _passes(self, game: Game) -> NDArray[np.bool_]:
        """Whether the day's closed profit passes the phase."""
        target, rules = game.target, game.profile.phase(game.phase)
        if target is None:
            return np.zeros(len(self.path), dtype=np.bool_)
        profit = self.balance - 1
        passes = (profit >= target - _NEARLY) & (self.days_traded >= rules.min_days)
        if rules.best_day_pct is not None:
            passes &= self.best_day <= rules.best_day_pct / 100 * profit + _NEARLY
        return passes

    def pay_out(self) -> None:
        """Profit leaves the account; one that has none goes on."""
        has_profit = self.balance > 1
        self.balance = np.where(has_profit, 1.0, self.balance)
        self.highest = np.where(has_profit, 1.0, self.highest)

    def keep(self, which: NDArray[np.bool_]) -> None:
        if which.all():
            return
        for name in ("path", "balance", "floating", "highest", "best_day", "days_traded"):
            setattr(self, name, getattr(self, name)[which])


def floors(
    profile: PropProfile, balance: Float64s, equity: Float64s, highest: Float64s
) -> tuple[Float64s, Float64s]:
    """(daily, total) floors of accounts of initial balance 1, at the firm's midnight.

    `prop_rules.daily_floor` and `total_floor` on columns (n,): balance and equity at that midnight,
    and the highest balance at any midnight so far.
    """
    match profile.daily.reference:
        case "initial":
            reference = np.ones_like(balance)
        case "balance":
            reference = balance
        case _:
            reference = np.maximum(balance, equity)
    base = reference if profile.daily.of == "reference" else 1.0
    daily = reference - profile.daily.pct / 100 * base
    top = np.maximum(1.0, highest) if profile.total.trailing == "end_of_day" else 1.0
    return daily, np.broadcast_to(top - profile.total.pct / 100, balance.shape)


@dataclass(frozen=True, slots=True)
class RiskRow:
    """One risk: `scale` of the recorded one; shares of paths that pass every phase with a target,
    and of those that break a limit before."""

    scale: float
    passes: float
    breaks: float


def passing(played: list[Played]) -> float:
    """The share that passes all of these phases one after another; each begins anew."""
    return math.prod(each.share(End.PASSED).share for each in played)


def breaking(played: list[Played]) -> float:
    """The share that breaks a limit in one of them, having passed those before."""
    broken, reached = 0.0, 1.0
    for each in played:
        broken += reached * each.share(End.DAILY_LIMIT, End.TOTAL_LIMIT).share
        reached *= each.share(End.PASSED).share
    return broken


def best_risk(rows: list[RiskRow], paths: int) -> RiskRow:
    """The smallest risk that passes as often as any, but for the error of the drawing."""
    top = max(row.passes for row in rows)
    error = math.sqrt(top * (1 - top) / paths)
    return next(row for row in rows if row.passes >= top - error)
