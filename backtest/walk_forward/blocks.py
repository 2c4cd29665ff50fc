"""Walk-forward blocks, one after the other, and what they come to together.

A block is traded by models that learned from bars before it alone, on an account that begins it
with the initial balance: a block depends on nothing but its own bars and models, so it can be made
alone and kept. The pool chains the blocks' returns; trades keep the money of their block.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from backtest.driver import BacktestRun
from backtest.report.costs import run_costs, trade_costs
from backtest.report.proof import proof_of_days, proof_of_trades
from backtest.report.trades import r_multiples, trades_with_levels
from backtest.statistics import TrialSharpes, bootstrap, cost_share, max_drawdown, profit_factor
from market.bars import Float64s, Int64s, utc_text
from market.whole_file import whole_file
from trading.equity import EquityCurve
from trading.implausible import implausible
from trading.risk_state import net_profits
from trading.sharpe import daily_returns

DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
_NOTHING = 1e-6  # what lost everything is left with: a return needs equity above 0
_COSTS = ("spread", "commission", "swap", "slippage")
_ARRAYS = ("opened_ms", "closed_ms", "net", "r", "paid", "time_ms", "close", "worst")


@dataclass(frozen=True, slots=True)
class Block:
    """Models learn from bars before `cutoff_ms` and trade those that open in
    [cutoff_ms, to_ms)."""

    cutoff_ms: int
    to_ms: int

    @property
    def name(self) -> str:
        """The UTC date of the cutoff."""
        return utc_text(self.cutoff_ms)[:10]


def cut_blocks(first_ms: int, end_ms: int, *, every_weeks: int) -> tuple[Block, ...]:
    """Blocks from the first cutoff to the end of the bars; the last may be shorter, but not
    shorter than a day."""
    step = every_weeks * WEEK_MS
    cutoffs = range(first_ms, end_ms - DAY_MS + 1, step)
    return tuple(Block(cutoff, min(cutoff + step, end_ms)) for cutoff in cutoffs)


@dataclass(frozen=True, slots=True, eq=False)
class TradedBlock:
    """What one block came to.

    Trades in order of closing (n,): `opened_ms`, `closed_ms`, `net` (money after costs), `r`
    (multiples of what the first stop risked), `paid` (spread, commission, swap). Bars (b,):
    `time_ms` of the close, marked-to-market equity at the `close` and at its `worst` inside.
    `facts`: JSON: initial_balance, costs, ambiguous_exits, rejected, graphs, open_at_end,
    confidence (of the block's forecasts: median, 99th percentile, largest).
    """

    block: Block
    opened_ms: Int64s
    closed_ms: Int64s
    net: Float64s
    r: Float64s
    paid: Float64s
    time_ms: Int64s
    close: Float64s
    worst: Float64s
    facts: Mapping[str, Any]

    @property
    def initial_balance(self) -> float:
        return float(self.facts["initial_balance"])

    @property
    def curve(self) -> EquityCurve:
        return _curve(self.time_ms, self.close, self.worst, self.initial_balance)

    def write(self, path: Path) -> None:
        """Writes the file, whole or not at all."""
        span = {"cutoff_ms": self.block.cutoff_ms, "to_ms": self.block.to_ms}
        told = json.dumps({"block": span, "facts": dict(self.facts)}, allow_nan=False)
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        with whole_file(path) as part, part.open("wb") as stream:
            np.savez(stream, told=np.array(told), **arrays)

    @staticmethod
    def read(path: Path) -> "TradedBlock":
        """The inverse of `write`."""
        with np.load(path, allow_pickle=False) as stored:
            told = json.loads(str(stored["told"]))
            arrays = {name: stored[name] for name in _ARRAYS}
        return TradedBlock(Block(**told["block"]), **arrays, facts=told["facts"])


def traded_block(block: Block, run: BacktestRun, graphs: Mapping[str, str]) -> TradedBlock:
    """A finished run over a block. `graphs`: SHA-256 of the models by kind."""
    curve, costs = run.curve, run_costs(run)
    facts = {
        "initial_balance": run.initial_balance,
        "costs": {name: getattr(costs, name) for name in _COSTS},
        "ambiguous_exits": sum(deal.ambiguous for deal in run.venue.terminal.ledger.deals),
        "rejected": costs.rejected,
        "graphs": dict(graphs),
        "open_at_end": run.venue.holds,
        "confidence": _confidence(run.bars.forecasts.confidence),
    }
    return TradedBlock(
        block,
        np.array([trade.opened_ms for trade in run.trades], dtype=np.int64),
        np.array([trade.closed_ms for trade in run.trades], dtype=np.int64),
        net_profits(run.trades), r_multiples(trades_with_levels(run), run.terms),
        trade_costs(run), curve.time_ms, curve.close, curve.worst, facts,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Blocks in order of time, as one record.

    `closed_ms`, `net`, `r`, `paid`: their trades (n,). `curve`: their equity, each block scaled to
    begin where the one before ended. `daily`: its returns (d,), of the UTC days `days` since 1970.
    """

    blocks: tuple[TradedBlock, ...]
    closed_ms: Int64s
    net: Float64s
    r: Float64s
    paid: Float64s
    curve: EquityCurve
    days: Int64s
    daily: Float64s

    @property
    def from_ms(self) -> int:
        return self.blocks[0].block.cutoff_ms

    @property
    def to_ms(self) -> int:
        return self.blocks[-1].block.to_ms

    @property
    def costs(self) -> dict[str, float]:
        """Money that was paid, by kind. Of spread, commission and swap: `share_of_gross`, over what
        winners earned before them; `r_paid`, the mean per trade in R; `profit_factor_before`,
        that of the trades without them."""
        found = {name: sum(each.facts["costs"][name] for each in self.blocks) for name in _COSTS}
        known = np.isfinite(self.r) & (self.r != 0)
        paid = self.paid[known] * np.abs(self.r[known] / self.net[known])
        return found | {
            "share_of_gross": cost_share(self.net, self.paid),
            "r_paid": float(paid.mean()) if len(paid) else math.nan,
            "profit_factor_before": profit_factor(self.net + self.paid),
        }


def pooled(blocks: Sequence[TradedBlock]) -> Pool:
    """The blocks as one record. `ValueError` where one begins before the last one ended."""
    if any(a.block.to_ms > b.block.cutoff_ms for a, b in pairwise(blocks)):
        raise ValueError("pooled: blocks in order of time that do not overlap are allowed")
    time_ms, close, worst = (
        np.concatenate([getattr(each, name) for each in blocks]) for name in _ARRAYS[5:]
    )
    initial, places = blocks[0].initial_balance, np.cumsum([0, *(len(b.close) for b in blocks)])
    level = initial
    for at, each in zip(places.tolist(), blocks, strict=False):
        rows, scale = slice(at, at + len(each.close)), level / each.initial_balance
        close[rows] = np.maximum(close[rows] * scale, _NOTHING * initial)
        worst[rows] *= scale
        level = float(close[rows][-1])
    curve = _curve(time_ms, close, worst, initial)
    closed_ms, net, r, paid = (
        np.concatenate([getattr(each, name) for each in blocks]) for name in _ARRAYS[1:5]
    )
    days = np.unique((time_ms - 1) // DAY_MS)
    daily = daily_returns(curve, initial)
    return Pool(tuple(blocks), closed_ms, net, r, paid, curve, days, daily)


def pool_figures(pool: Pool, trials: TrialSharpes) -> dict[str, Any]:
    """The statistics of docs/evaluation.md for the pool; NaN where a figure does not exist."""
    drawdown = max_drawdown(pool.curve)
    known = pool.r[np.isfinite(pool.r)]
    proven = proof_of_trades(pool.net, drawdown) | proof_of_days(pool.daily, trials)
    return proven | {
        "trades": len(pool.net),
        "net_profit": float(pool.net.sum()),
        "return": float(np.prod(1 + pool.daily) - 1),
        "max_drawdown": drawdown,
        "r_mean": bootstrap(known, _mean),
        "r_sum": float(known.sum()),
        "ambiguous_exits": sum(each.facts["ambiguous_exits"] for each in pool.blocks),
        "rejected": sum(each.facts["rejected"] for each in pool.blocks),
        "open_at_a_block_s_end": sum(each.facts["open_at_end"] for each in pool.blocks),
        "costs": pool.costs,
        "alarms": implausible(
            sharpe=proven["sharpe"]["value"], profit_factor=proven["profit_factor"]["value"],
            win_rate=proven["win_rate"]["value"], trades=len(pool.net),
        ),
    }  # fmt: skip


def block_figures(block: TradedBlock, trials: TrialSharpes) -> dict[str, Any]:
    """One block's figures; few trades are no alarm there."""
    found = pool_figures(pooled([block]), trials)
    alarms = implausible(
        sharpe=found["sharpe"]["value"], profit_factor=found["profit_factor"]["value"],
        win_rate=found["win_rate"]["value"], trades=found["trades"], whole_window=False,
    )  # fmt: skip
    return {
        "cutoff": block.block.name, "to": utc_text(block.block.to_ms), **found, "alarms": alarms,
        "confidence": block.facts["confidence"],
    }  # fmt: skip


def _confidence(of: Float64s) -> dict[str, float] | None:
    """None where nothing was forecast."""
    known = of[np.isfinite(of)]
    if len(known) == 0:
        return None
    return dict(zip(("median", "p99", "most"), np.quantile(known, (0.5, 0.99, 1)), strict=True))


def _curve(time_ms: Int64s, close: Float64s, worst: Float64s, initial: float) -> EquityCurve:
    peak = np.maximum.accumulate(np.r_[initial, close[:-1]]) if len(close) else close
    return EquityCurve(time_ms, close, worst, np.maximum(0.0, (peak - worst) / peak))


def _mean(values: Float64s) -> float:
    return float(values.mean())
