"""Planted fakes: trades whose truth is known, through the gates that do not know it.

A leak must raise the alarm, the luckiest of 1,000 random strategies and a dead one must stay not
proven, and a truly good one must be proven. Trades are drawn, not traded: every one wins or loses
one R (with costs, where there are any) at `RISK` of the balance, on a random day of the window.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from backtest.gates import GoLiveSettings, Verdict, verdict
from backtest.gates.measure import measure
from backtest.statistics import Overfitting, TrialSharpes, overfitting
from market.bars import Float64s

RISK = 0.005
DAYS = 1000
TRADES = 600


@dataclass(frozen=True, slots=True, eq=False)
class Planted:
    """`r`: (n,) multiples of risk after costs; `daily`: (days,) returns; `trials`: how many were
    tried, this one included; `sweep`: their overfitting, None where nothing was compared."""

    r: Float64s
    daily: Float64s
    trials: TrialSharpes
    sweep: Overfitting | None = None


def planted_verdict(planted: Planted, settings: GoLiveSettings, *, seed: int = 0) -> Verdict:
    """What the gates say of trades whose truth they do not know."""
    figures = measure(
        planted.r, planted.daily, weeks=len(planted.daily) / 7, trials=planted.trials,
        sweep=planted.sweep, chosen_among=1, seed=seed,
    )  # fmt: skip
    return verdict(figures, settings)


def leak(seed: int) -> Planted:
    """What a forming H1, H4 and D1 bar "earns": 16 trades a day, 82.5 % won (design, the table)."""
    return _one(seed, win_rate=0.825, trades=16 * 180, days=180, trials=1)


def good(seed: int) -> Planted:
    """A true 60 % at 1:1 over 600 trades; the third thing that was tried."""
    return _one(seed, win_rate=0.60, trials=3)


def dead(seed: int) -> Planted:
    """Random entries that lose their costs, 0.125 R each."""
    return _one(seed, win_rate=0.5, cost=0.125, trials=1)


def lucky(seed: int, *, many: int = 1000, blocks: int = 8) -> Planted:
    """The best by Sharpe ratio of `many` random strategies without costs, and the whole sweep."""
    draw = np.random.default_rng(seed)
    results = np.where(draw.random((many, TRADES)) < 0.5, 1.0, -1.0)
    days = np.sort(draw.integers(DAYS, size=(many, TRADES)), axis=1)
    daily = np.zeros((DAYS, many))
    np.add.at(daily, (days, np.arange(many)[:, None]), RISK * results)
    ratios = daily.mean(axis=0) / daily.std(axis=0, ddof=1)
    best = int(np.argmax(ratios))
    trials = TrialSharpes.of(ratios.tolist())
    return Planted(results[best], daily[:, best], trials, overfitting(daily, blocks=blocks))


PLANTED: Mapping[str, tuple[Callable[[int], Planted], Verdict]] = {
    "leak": (leak, Verdict.ALARM),
    "lucky, best of 1,000": (lucky, Verdict.NOT_PROVEN),
    "good, 60 % at 1:1": (good, Verdict.PROVEN),
    "dead": (dead, Verdict.NOT_PROVEN),
}


@dataclass(frozen=True, slots=True)
class ErrorRate:
    """How often a fake got another verdict than it should."""

    name: str
    expected: Verdict
    wrong: int
    seeds: int

    @property
    def text(self) -> str:
        share = self.wrong / self.seeds
        return (
            f"{self.name}: {self.expected.value}, {self.wrong} of {self.seeds} wrong ({share:.1%})"
        )


def error_rates(seeds: int, settings: GoLiveSettings) -> tuple[ErrorRate, ...]:
    """Every fake, drawn with seeds 0 … seeds − 1."""
    found = []
    for name, (make, expected) in PLANTED.items():
        said = [planted_verdict(make(seed), settings, seed=seed) for seed in range(seeds)]
        found.append(ErrorRate(name, expected, sum(each is not expected for each in said), seeds))
    return tuple(found)


def _one(
    seed: int, *, win_rate: float, trials: int, trades: int = TRADES, days: int = DAYS,
    cost: float = 0.0,
) -> Planted:  # fmt: skip
    draw = np.random.default_rng(seed)
    r = np.where(draw.random(trades) < win_rate, 1.0, -1.0) - cost
    daily = np.zeros(days)
    np.add.at(daily, np.sort(draw.integers(days, size=trades)), RISK * r)
    return Planted(r, daily, TrialSharpes.of([], count=trials))
