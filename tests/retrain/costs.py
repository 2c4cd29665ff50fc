"""A cost file above what the generated market charges, and a run as if it had begun with it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from backtest.costs import LearnedCosts, Sample, write_costs
from retrain.phase import Run
from retrain.runs import costs_sha256, read_facts


def dear_costs(path: Path, **other: Any) -> Path:
    """Spreads of 24 to 26 USD, 20 USD a lot and side, market orders 10 USD worse."""
    plain = {
        "symbol": "BTCUSD", "currency": "USD", "from_ms": 0, "to_ms": 1, "deals": 40,
        "quotes": 500, "spread": Sample(count=3, points=(2400, 2500, 2600)),
        "spread_by_hour": {}, "slippage": Sample(count=1, points=(1000,)),
        "commission_per_lot": 20.0,
    }  # fmt: skip
    write_costs(path, LearnedCosts.model_validate(plain | other))
    return path


def charged(run: Run, costs: Path) -> Run:
    """The run as if it had begun with that cost file."""
    made = replace(run, options=replace(run.options, costs=costs))
    facts = replace(read_facts(run.folder), costs_sha256=costs_sha256(made.options))
    replace(facts, options=made.options.as_dict()).write(run.folder)
    return made
