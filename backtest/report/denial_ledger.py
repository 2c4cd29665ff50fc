"""What each rule saved or cost: the entries that it alone denied, followed to their end.

In hindsight, and by stop and target alone: nobody managed these trades, they overlap each other,
and a rule that looks dear here was chosen to be looked at because it does.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from backtest.report.review import LoneDenial
from backtest.statistics import Interval, bootstrap, mean_block, wilson
from broker.simulator.feed import NEVER, Watch
from broker.simulator.rollover import Rollovers
from broker.simulator.terminal import SimulatedTerminal
from market.bars import Float64s
from market.instrument import SwapMode

WARNING = (
    "In hindsight: these entries were denied, nobody knows what else would have happened. They are "
    "followed to stop or target without active management and without slippage, overlap each "
    "other, and are as many looks at these bars as there are rows. An interval that holds 0 says "
    "nothing about the rule."
)
_REPLICATES = 1000
_LEAST = 30
_LEAST_FOR_LIMITS = 10
_NO_FLAT_SWAP = (SwapMode.DISABLED, SwapMode.REOPEN_CURRENT, SwapMode.REOPEN_BID)


@dataclass(frozen=True, slots=True)
class ShadowTrades:
    """Denied entries of one rule to their ends: net profit, and net profit over what was risked.

    Arrays (n,) in the order of the bars; `bars_held`: mean number of bars that an entry overlaps.
    """

    net: Float64s
    r: Float64s
    bars_held: float


@dataclass(frozen=True, slots=True)
class DenialRow:
    """One rule. `bars`: where it spoke; `alone`: with a side, and nothing else against an entry;
    `followed`: of those, sized and ended. `saved`: minus their net profit, deposit currency;
    `mean_r` with 95 % limits of a block bootstrap, NaN below ten followed ones; `won`: Wilson's
    interval."""

    rule: str
    bars: int
    alone: int
    followed: int
    won: Interval
    saved: float
    mean_r: float
    mean_r_low: float
    mean_r_high: float

    @property
    def verdict(self) -> str:
        if self.followed == 0:
            return "nothing to follow"
        if self.followed < _LEAST:
            return "too few to tell"
        if self.mean_r_low > 0:
            return "cost"
        return "saved" if self.mean_r_high < 0 else "not told apart from 0"


def denial_ledger(
    denied: Mapping[str, int],
    alone: Mapping[str, int],
    shadows: Mapping[str, ShadowTrades],
) -> tuple[DenialRow, ...]:
    """A row for every rule that spoke, the most frequent first."""
    rows = []
    for rule, bars in sorted(denied.items(), key=lambda each: (-each[1], each[0])):
        shadow = shadows.get(rule)
        r = shadow.r if shadow else np.zeros(0)
        net = shadow.net if shadow else np.zeros(0)
        # neighbours end in the same bars: blocks are as long as an entry lasts
        block = max(mean_block(len(r)), shadow.bars_held if shadow else 1.0)
        mean = bootstrap(r, _mean, replicates=_REPLICATES, block=block)
        low, high = (mean.low, mean.high) if len(r) >= _LEAST_FOR_LIMITS else (math.nan, math.nan)
        won = wilson(int((net > 0).sum()), len(net))
        saved = -float(net.sum()) if len(net) else 0.0
        rows.append(
            DenialRow(rule, bars, alone.get(rule, 0), len(r), won, saved, mean.value, low, high)
        )
    return tuple(rows)


def follow(
    lone: Sequence[LoneDenial], terminal: SimulatedTerminal, symbol: str, first: int
) -> dict[str, ShadowTrades]:
    """Each denied entry from the open of the next bar to its stop or target, by rule.

    `first`: the row of the feed that decided row 0 is. Fills and levels are those of the simulated
    terminal (`feed.Watch`), with commission of both sides and swap of each night.
    """
    market = _Market(terminal, symbol)
    nets: dict[str, list[float]] = defaultdict(list)
    risks: dict[str, list[float]] = defaultdict(list)
    held: dict[str, list[int]] = defaultdict(list)
    for each in lone:
        ended = market.ended(each, first + each.row + 1)
        if ended is not None:
            nets[each.rule].append(ended.net)
            risks[each.rule].append(market.risk(each))
            held[each.rule].append(ended.bars)
    return {
        rule: ShadowTrades(
            np.array(net), np.array(net) / np.array(risks[rule]), float(np.mean(held[rule]))
        )
        for rule, net in nets.items()
    }


class _Ended(NamedTuple):
    net: float
    bars: int


class _Market:
    """One symbol of the terminal that a run was decided in."""

    def __init__(self, terminal: SimulatedTerminal, symbol: str) -> None:
        self._feed, self._units = terminal.feeds[symbol], terminal.units[symbol]
        self._instrument = terminal.instruments[symbol]
        self._rollovers, self._scale = Rollovers(terminal.server_clock), terminal.scale

    def ended(self, of: LoneDenial, row: int) -> _Ended | None:
        """Net of spread, commission and swap; None where neither level was touched."""
        feed, ticks, side = self._feed, self._units.ticks, int(of.side)
        watch = Watch(feed, side, ticks(of.sl), ticks(of.tp), row, True)
        left_ms = watch.next_ms(feed.end_ms)
        if left_ms == NEVER:
            return None
        end = feed.opened(left_ms - 1)
        in_price = self._instrument.tick_value * of.volume_lots
        gross = side * (watch.fill - ticks(of.price)) * in_price
        commission = 2 * self._instrument.commission_per_lot * of.volume_lots
        net = gross - commission + self._swap(of, feed.open_ms[row], left_ms - (not watch.at_open))
        return _Ended(net, end - row)

    def risk(self, of: LoneDenial) -> float:
        """What the entry would have lost at its stop, with commission; deposit currency."""
        at_stop = abs(of.price - of.sl) / self._instrument.tick_size * self._instrument.tick_value
        return (at_stop + 2 * self._instrument.commission_per_lot) * of.volume_lots

    def _swap(self, of: LoneDenial, entered_ms: int, left_ms: int) -> float:
        """By the opening price; modes that re-open the position are not followed."""
        if self._instrument.swap_mode in _NO_FLAT_SWAP:
            return 0.0
        steps, price = self._units.steps(of.volume_lots), self._units.ticks(of.price)
        total, at_ms = 0, self._rollovers.next_ms(entered_ms)
        while at_ms <= left_ms:
            days = self._instrument.swap_days[self._rollovers.weekday_ended(at_ms)]
            total += self._units.swap(int(of.side), steps, price, days) if days else 0
            at_ms = self._rollovers.next_ms(at_ms)
        return total / self._scale


def _mean(values: Float64s) -> float:
    return float(values.mean())
