"""What was left out of a measurement: unseen bars, trials that the ledger lost.

A door of its own, beside `evidence_figures`: reads the trial ledger.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backtest.decided_run import DecidedRun
    from ml.training.trials import Head, TrialLedger


def gaps(done: "DecidedRun", earlier: Path) -> dict[str, tuple[str, ...]]:
    """`window_gaps`, `ledger_gaps` of `GoLiveFigures`. `earlier`: where an evidence
    file may lie that names a row of the ledger."""
    from backtest.evidence import system_of
    from ml.training.ledger_proof import ledger_gaps, window_gaps

    ledger, bars = _ledger(done), done.run.bars.bars
    system = system_of(done.models, done.settings.decision)
    return {
        "window_gaps": window_gaps(
            ledger, graphs=system.graphs, train_cutoff_ms=done.train_cutoff_ms,
            from_ms=int(bars.open_ms[0]), to_ms=int(bars.close_ms[-1]),
            data_to_ms=int(done.plan.bars.close_ms[-1]),
        ),
        "ledger_gaps": ledger_gaps(
            ledger, [each.metadata for each in done.models.all], _noted(earlier)
        ),
    }  # fmt: skip


def swept(given: argparse.Namespace, done: "DecidedRun") -> dict[str, Any]:
    """`chosen_among`, `overfitting` and `overfitting_why` of `GoLiveFigures`: of the sweeps that
    the ledger knows behind the settings in force, the one whose table `--sweep` names among them.
    """
    from backtest.evidence import system_of
    from ml.training.ledger_proof import swept_for

    symbol, system = done.settings.symbol, system_of(done.models, done.settings.decision)
    named = () if given.sweep is None else (_named(given.sweep, symbol),)
    found = swept_for(
        _ledger(done), symbol=symbol, graphs=system.graphs, settings=system.settings, named=named
    )
    return {
        "chosen_among": found.settings, "overfitting": found.pbo, "overfitting_why": found.why
    }  # fmt: skip


def _named(file: Path, symbol: str) -> str:
    import json

    from trading.errors import DaemonError

    try:
        told: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        name, swept = str(told["sweep"]), told["symbol"]
    except (ValueError, KeyError, TypeError) as error:
        raise DaemonError(f"{file}: a sweep's JSON table is needed: {error!r}") from None
    if swept != symbol:
        raise DaemonError(f"{file}: a sweep of {symbol} is needed, one of {swept} came")
    return name


def _ledger(done: "DecidedRun") -> "TrialLedger":
    from ml.training.trials import TrialLedger

    return TrialLedger(done.settings.ml.study.ledger_path)


def _noted(earlier: Path) -> "tuple[Head, ...]":
    """The row that an earlier evidence names; none where it cannot be read."""
    from backtest.evidence import EvidenceError, read_evidence
    from ml.training.trials import Head

    try:
        found = read_evidence(earlier)
    except EvidenceError:
        return ()
    return () if found is None else (Head(found.ledger_id, found.ledger_hash),)
