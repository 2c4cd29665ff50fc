"""Trending and ranging: does one signal model serve both? The seeds' decision rule (18.3).

Two models are worth a try only where one regime wins less than 55 % and each has 20,000 training
rows. What the trades can show of that is said with its interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from backtest.statistics import Interval, profit_factor, wilson
from market.bars import Float64s

TRENDING_ADX = 0.25
LEAST_WIN_RATE = 0.55
LEAST_ROWS = 20_000
LEAST_TRADES = 30

Verdict = Literal["one model", "two models", "too few rows", "too few trades"]


@dataclass(frozen=True, slots=True)
class Regime:
    """Trades entered in one regime, and the rows that a model of its own could learn from."""

    name: str
    trades: int
    won: Interval
    profit_factor: float
    net_profit: float
    rows: int


@dataclass(frozen=True, slots=True)
class RegimeVerdict:
    """`words` say what was found and how sure it is."""

    verdict: Verdict
    words: str

    @property
    def asks_for_two(self) -> bool:
        return self.verdict == "two models"


def regime_of(adx: Float64s) -> NDArray[np.str_]:
    """`trending`, `ranging` or `unknown` (NaN) for ADX(14) in 0–1."""
    names = np.where(adx > TRENDING_ADX, "trending", "ranging")
    return np.where(np.isnan(adx), "unknown", names)


def regimes_of(
    names: NDArray[np.str_], net: Float64s, row_names: NDArray[np.str_]
) -> tuple[Regime, Regime]:
    """Trending and ranging. `names` and `net` (n,) by trade: the regime of the bar that it was
    entered on, and its net profit; `row_names` by training row."""
    trending, ranging = (_regime(name, names, net, row_names) for name in ("trending", "ranging"))
    return trending, ranging


def _regime(
    name: str, names: NDArray[np.str_], net: Float64s, row_names: NDArray[np.str_]
) -> Regime:
    mine = net[names == name]
    won = wilson(int((mine > 0).sum()), len(mine))
    rows = int((row_names == name).sum())
    return Regime(name, len(mine), won, profit_factor(mine), float(mine.sum()), rows)


def decide_regime(found: Sequence[Regime]) -> RegimeVerdict:
    """The rule, in words."""
    scarce = [each for each in found if each.trades < LEAST_TRADES]
    if scarce:
        counts = " and ".join(f"{each.trades} {each.name}" for each in scarce)
        return RegimeVerdict(
            "too few trades",
            f"Not to be judged: {counts} trades; {LEAST_TRADES} are needed in each regime. "
            "Keep one model.",
        )
    weak = [each for each in found if each.won.share < LEAST_WIN_RATE]
    if not weak:
        return RegimeVerdict(
            "one model",
            f"Both regimes win {LEAST_WIN_RATE:.0%} or more: one model serves both. Keep it."
            + _doubt(found),
        )
    named = " and ".join(f"{each.name} ({each.won.share:.1%})" for each in weak)
    short = [each for each in found if each.rows < LEAST_ROWS]
    if short:
        rows = " and ".join(f"{each.rows:,} {each.name}" for each in short)
        return RegimeVerdict(
            "too few rows",
            f"{named} below {LEAST_WIN_RATE:.0%}, but {rows} training rows are fewer than "
            f"{LEAST_ROWS:,}: keep one model." + _doubt(weak),
        )
    return RegimeVerdict(
        "two models",
        f"{named} below {LEAST_WIN_RATE:.0%} and {LEAST_ROWS:,} training rows in each: two models "
        "may be tried (train_ml_model.py --regime); they stay only if they beat the one model."
        + _doubt(weak),
    )


def _doubt(of: Sequence[Regime]) -> str:
    """Which of these win rates could as well lie on the other side of the limit."""
    unsure = [each.name for each in of if each.won.low < LEAST_WIN_RATE < each.won.high]
    if not unsure:
        return ""
    return (
        f" Not proven: the 95 % interval of {' and '.join(unsure)} holds {LEAST_WIN_RATE:.0%}, "
        "so chance alone can explain it."
    )
