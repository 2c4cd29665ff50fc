"""The prop report's figures: each phase of a product, all of them together, and at other risks."""

import math
from dataclasses import dataclass

import numpy as np

from backtest.prop.days import TradingDays
from backtest.prop.paths import (
    End,
    Game,
    Played,
    RiskRow,
    Rows,
    best_risk,
    breaking,
    draw_rows,
    passing,
    play,
)
from backtest.statistics.proportions import Interval
from trading.decision.prop_rules import Phase, PropProfile

SCALES = (0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)
_RECORDS, _PATHS_EACH = 200, 250
_LEVEL = 0.90


@dataclass(frozen=True, slots=True)
class Drawing:
    """How much is drawn. `block`: mean length of a block of days; None is ∛ of their number."""

    paths: int = 10_000
    days: int = 365
    seed: int = 7
    block: float | None = None


@dataclass(frozen=True, slots=True)
class PhaseResult:
    """Shares of paths with the limits of the drawing alone. Days are NaN where none passed.

    `still_open`: neither passed nor broken when the days were over.
    """

    phase: Phase
    passes: Interval
    daily: Interval
    total: Interval
    still_open: Interval
    mean_days: float
    days_p10: float
    days_p50: float
    days_p90: float


@dataclass(frozen=True, slots=True)
class ProfileResult:
    """One product. `passes_all`: every phase with a target, one after another, with the limits
    within which 90 of 100 records drawn anew from this one lie. `risks`: the same at other risks,
    smallest first; `best`: one of them."""

    name: str
    profile: PropProfile
    phases: tuple[PhaseResult, ...]
    passes_all: Interval
    breaks: float
    risks: tuple[RiskRow, ...]
    best: RiskRow
    best_passes: Interval

    @property
    def best_is_largest(self) -> bool:
        return self.best is self.risks[-1]


def evaluate(name: str, profile: PropProfile, days: TradingDays, how: Drawing) -> ProfileResult:
    """Plays every phase of a product on recorded days (at least one)."""
    drawn = {
        phase: draw_rows(len(days), how.paths, how.days, how.seed + place, how.block)
        for place, phase in enumerate(profile.phases)
    }
    games = {phase: Game(profile, phase) for phase in profile.phases}
    to_pass = [phase for phase, game in games.items() if game.target is not None]
    played = {phase: play(days, games[phase], drawn[phase]) for phase in games}
    risks = []
    for scale in SCALES:
        each = [
            played[phase] if scale == 1 else play(days, games[phase], drawn[phase], scale=scale)
            for phase in to_pass
        ]
        risks.append(RiskRow(scale, passing(each), breaking(each)))
    best = best_risk(risks, how.paths)
    now = next(row for row in risks if row.scale == 1)
    asked = [games[phase] for phase in to_pass]
    return ProfileResult(
        name, profile, tuple(_phase(phase, played[phase]) for phase in games),
        _with_limits(now, days, asked, how), now.breaks, tuple(risks), best,
        _with_limits(best, days, asked, how),
    )  # fmt: skip


def _phase(phase: Phase, played: Played) -> PhaseResult:
    took = played.days_to(End.PASSED)
    p10, p50, p90 = np.percentile(took, [10, 50, 90]) if len(took) else [math.nan] * 3
    return PhaseResult(
        phase, played.share(End.PASSED), played.share(End.DAILY_LIMIT),
        played.share(End.TOTAL_LIMIT), played.share(End.OPEN),
        float(took.mean()) if len(took) else math.nan, float(p10), float(p50), float(p90),
    )  # fmt: skip


def _with_limits(row: RiskRow, days: TradingDays, games: list[Game], how: Drawing) -> Interval:
    """The share with percentile limits over records drawn anew: what so few days leave open."""
    shares = np.ones(_RECORDS)
    for place, game in enumerate(games):
        rows = _rows_of_records(len(days), how, place)
        played = play(days, game, rows, scale=row.scale)
        passed = (played.end == End.PASSED).reshape(_RECORDS, _PATHS_EACH)
        shares *= passed.mean(axis=1)
    low, high = np.quantile(shares, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Interval(row.passes, min(float(low), row.passes), max(float(high), row.passes))


def _rows_of_records(count: int, how: Drawing, place: int) -> Rows:
    """Paths through records that are themselves drawn from the one there is; the same records for
    every phase and risk."""
    records = draw_rows(count, _RECORDS, count, how.seed + 1000, how.block)
    paths = draw_rows(count, _RECORDS * _PATHS_EACH, how.days, how.seed + 2000 + place, how.block)
    record = np.repeat(np.arange(_RECORDS), _PATHS_EACH)
    for step in paths:
        step[:] = records[step, record]
    return paths
