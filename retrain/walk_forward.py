"""Trains at one cutoff after the other and trades what follows each with models that have not seen
it. What was trained or traded is kept, so a killed run goes on where it was.
"""

import argparse
import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from backtest.decided_run import ONE_MORE_BAR_MS, DecidedRun, costs_of, decided_run, settings_of
from backtest.evidence import system_of
from backtest.looks import look
from backtest.report.analysis import plain_summary
from backtest.report.review import Review
from backtest.run_options import contradiction
from backtest.statistics import TrialSharpes, sharpe_daily
from backtest.walk_forward.blocks import Block, Pool, TradedBlock, cut_blocks, pooled, traded_block
from backtest.walk_forward.random_twin import random_twin
from market.bars import Bars, utc_text
from ml.predictors.settings import PROJECT_ROOT
from ml.training.signal_task import Progress
from ml.training.trial_sharpes import record_look, trial_sharpes
from ml.training.trials import TrialLedger
from retrain.block_store import BlockStore, key_of, source_sha256
from retrain.errors import ActFirst
from retrain.walk_ledger import count_stored, is_looked_at
from retrain.walk_options import WalkOptions
from retrain.walk_training import Trainings
from trading.assemble import known_instrument

YEAR_MS = 365 * 86_400_000
_DAY_MS = 86_400_000
_TRADES = (
    "backtest/decided_run.py",
    "backtest/walk_forward/random_twin.py",
    "backtest/walk_forward/blocks.py",
)


@dataclass(frozen=True, slots=True, eq=False)
class Walked:
    """A finished run. `twins`: by seed, the blocks as the random twin traded them. `compared`:
    settings that the ledger knows of sweeps of the symbol, at least 1. `left_out`: models that
    could not be had, by cutoff, in words."""

    pool: Pool
    twins: tuple[Pool, ...]
    trials: TrialSharpes
    compared: int
    left_out: tuple[str, ...]


class WalkForward:
    """One run over all blocks; `say` hears what a person should know."""

    def __init__(
        self, options: WalkOptions, store: BlockStore, *,
        progress_of: Callable[[str], Progress], say: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._options, self._store = options, store
        self._trainings = Trainings(options, store, progress_of=progress_of, say=say)
        given = self._trading_options(None, None)
        if problem := contradiction(given):
            raise ActFirst(problem)
        self.settings = settings_of(given)
        self.costs = costs_of(given, self.settings)  # refused before hours of training
        self._ledger = TrialLedger(self.settings.ml.study.ledger_path)

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The plan. `ActFirst` where the bars leave no block."""
        bars, asked = self._bars, self._options
        first_ms = asked.first_ms
        if first_ms is None:
            first_ms = -(-(int(bars.open_ms[0]) + YEAR_MS) // _DAY_MS) * _DAY_MS
        found = cut_blocks(first_ms, self._end_ms, every_weeks=asked.every_weeks)
        if not found or first_ms <= int(bars.open_ms[0]):
            raise ActFirst(
                f"--first: a date inside the bars ({utc_text(int(bars.open_ms[0]))} to "
                f"{utc_text(self._end_ms)} UTC) with history before it is allowed, "
                f"{utc_text(first_ms)} came"
            )
        return found

    def kept(self, block: Block) -> bool:
        """Whether a block and its twins need nothing any more."""
        folder_key = self._trainings.key(block)
        has_models = set(self._store.finished(folder_key)) >= set(self._options.kinds)
        return has_models and all(map(self._store.find, self._traded_keys(block, folder_key)))

    def run(self, ended: Callable[[Block], None] = lambda block: None) -> Walked:
        """Every block in order; `ended` hears of each. The ledger has every training and look."""
        traded: list[list[TradedBlock]] = []
        left_out = []
        for block in self.blocks:
            key = self._trainings.done(block)
            traded.append(self._traded(block, key))
            reasons = self._store.finished(key)
            left_out += [f"{block.name}: no {kind} model: {why}"
                         for kind, why in reasons.items() if why]  # fmt: skip
            ended(block)
        own, *twins = (pooled(each) for each in zip(*traded, strict=True))
        trials = self._looked(own)
        compared = max(1, self._ledger.count("sweep", symbol=self.settings.symbol))
        return Walked(own, tuple(twins), trials, compared, tuple(left_out))

    def _trading_options(self, block: Block | None, models: Path | None) -> argparse.Namespace:
        asked = self._options
        return argparse.Namespace(
            data=asked.data, m1=asked.m1, calendar=asked.calendar, costs=asked.costs,
            from_ms=None if block is None else block.cutoff_ms,
            to_ms=None if block is None else block.to_ms, days=None, oos_only=False,
            override=[*asked.train_overrides, *asked.overrides], models=models, max_lot=None,
            cent_account=False, symbol=asked.symbol, account=None, seed=None,
        )  # fmt: skip

    def _traded(self, block: Block, folder_key: str) -> list[TradedBlock]:
        """The block as the models traded it, then as each twin did."""
        keys = self._traded_keys(block, folder_key)
        found = [self._store.find(key) for key in keys]
        if any(each is None for each in found):
            models = self._store.models(folder_key)
            done = decided_run(self._trading_options(block, models))
            for seed, key in enumerate(keys):
                found[seed] = found[seed] or self._trade(done, block, key, seed)
        return [each for each in found if each is not None]

    def _trade(self, done: DecidedRun, block: Block, key: str, seed: int) -> TradedBlock:
        graphs = system_of(done.models, done.settings.decision).graphs
        if seed:
            made = traded_block(block, random_twin(done.run, seed), {})
        else:
            # the look is in the ledger before anything is kept of what it showed
            look(done, plain_summary(done, Review(done.run)), is_block=True)
            made = traded_block(block, done.run, graphs)
        self._store.keep(key, made)
        return made

    def _traded_keys(self, block: Block, folder_key: str) -> list[str]:
        """Of the block as the models traded it, then of each twin."""
        return [
            self._traded_key(block, folder_key, seed) for seed in range(self._options.twins + 1)
        ]

    def _traded_key(self, block: Block, folder_key: str, seed: int) -> str:
        settings, asked = self.settings, self._options
        bars = self._bars.between(int(self._bars.open_ms[0]), block.to_ms + ONE_MORE_BAR_MS)
        files = [None if file is None else hashlib.sha256(file.read_bytes()).hexdigest()
                 for file in (asked.m1, asked.calendar, asked.costs)]  # fmt: skip
        return key_of(
            folder_key, seed, block.cutoff_ms, block.to_ms, bars.sha256(), files, settings.symbol,
            settings.decision.model_dump(mode="json"), settings.paper.model_dump(mode="json"),
            settings.daemon.strategy_id, self._trade_source,
        )  # fmt: skip

    def _looked(self, pool: Pool) -> TrialSharpes:
        """Writes the look at the pool, once; the ledger's trials with it."""
        symbol, last = self.settings.symbol, pool.blocks[-1]
        ratio = sharpe_daily(pool.daily).annual
        result = {"sharpe": None if math.isnan(ratio) else ratio, "trades": len(pool.net),
                  "net_profit": float(pool.net.sum()), "blocks": len(pool.blocks)}  # fmt: skip

        decision = self.settings.decision
        settings_sha256 = key_of(decision.model_dump(mode="json"))
        count_stored(
            self._ledger, pool.blocks, symbol=symbol, decision=decision,
            data_sha256=self._bars.sha256(),
        )  # fmt: skip

        def record() -> dict[str, Any]:
            row = record_look(
                self._ledger, symbol=symbol, graphs=last.facts["graphs"],
                settings_sha256=settings_sha256,
                train_cutoff_ms=pool.from_ms, from_ms=pool.from_ms, to_ms=pool.to_ms,
                data_sha256=self._bars.sha256(), result=result,
            )  # fmt: skip
            return {"row": row}

        graphs: Sequence[Any] = [each.facts["graphs"] for each in pool.blocks]
        name = key_of(graphs, result, symbol, pool.from_ms, pool.to_ms)
        if not is_looked_at(self._ledger, last.facts["graphs"], settings_sha256):
            self._store.forget(name)
        self._store.once(name, record)
        return trial_sharpes(self._ledger, symbol=symbol)

    @cached_property
    def _bars(self) -> Bars:
        from market.sources.files import read_bars

        of, paper = known_instrument(self.settings.symbol), self.settings.paper
        return read_bars(self._options.data, of, server_zone=paper.server_timezone)

    @property
    def _end_ms(self) -> int:
        end_ms, asked_ms = int(self._bars.close_ms[-1]), self._options.to_ms
        return end_ms if asked_ms is None else min(end_ms, asked_ms)

    @cached_property
    def _trade_source(self) -> str:
        return source_sha256(PROJECT_ROOT, *_TRADES)
