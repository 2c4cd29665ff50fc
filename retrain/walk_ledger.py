"""What a walk-forward run owes the trial ledger for work that its state folder has kept.

Blocks that were traded before are not traded again. A ledger that is another one now would not
know of them, and the deflated Sharpe ratio would count too few.
"""

from collections.abc import Mapping, Sequence

from backtest.evidence import System, flat
from backtest.walk_forward.blocks import TradedBlock
from ml.training.trial_sharpes import record_look
from ml.training.trials import TrialLedger
from trading.decision.settings import DecisionSettings


def count_stored(
    ledger: TrialLedger, blocks: Sequence[TradedBlock], *, symbol: str,
    decision: DecisionSettings, data_sha256: str,
) -> None:  # fmt: skip
    """Records trainings and looks of these blocks that the ledger does not know.

    What is recorded late has no figures: they were shown before.
    """
    trained = {row.what.get("graph_sha256") for row in ledger.rows("train")}
    settings = flat(decision.model_dump(mode="json"))
    for block in blocks:
        graphs: dict[str, str] = dict(block.facts["graphs"])
        for kind, sha256 in graphs.items():
            if sha256 not in trained:
                what = {"symbol": symbol, "model": kind, "graph_sha256": sha256}
                ledger.record("train", what=what, data_sha256=data_sha256, result=_STORED)
                trained.add(sha256)
        system = System(symbol, graphs, {}, settings)
        if is_looked_at(ledger, graphs, system.settings_sha256):
            continue
        record_look(
            ledger, symbol=symbol, graphs=graphs, settings_sha256=system.settings_sha256,
            train_cutoff_ms=block.block.cutoff_ms, from_ms=block.block.cutoff_ms,
            to_ms=block.block.to_ms,
            data_sha256=data_sha256, result=_STORED | {"sharpe": None},
        )  # fmt: skip


_STORED = {"state": "stored"}


def is_looked_at(ledger: TrialLedger, graphs: Mapping[str, str], settings_sha256: str) -> bool:
    """Whether the ledger knows of a look at these models by these settings."""
    wanted = (dict(graphs), settings_sha256)
    return any(
        (row.what.get("graphs"), row.what.get("settings_sha256")) == wanted
        for row in ledger.rows("look")
    )
