"""Writes a run over bars that its models have not seen into the trial ledger, as a look."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from backtest.decided_run import DecidedRun
from backtest.evidence import system_of
from backtest.statistics import TrialSharpes

if TYPE_CHECKING:
    from ml.predictors.model_set import ModelSet
    from settings import Settings
    from trading.paper import PaperPlan


def look(done: DecidedRun, summary: Mapping[str, Any], *, is_block: bool = False) -> TrialSharpes:
    """The ledger's trials of this symbol, this look among them.

    `is_block`: a part of a longer look, which has the Sharpe ratio that counts. The part's own is
    kept as `block_sharpe`: ratios of a few weeks spread wider than those of the whole.

    Every run that decides a bar after the cutoff of its models is one, whether `--oos-only` asked
    for it or not, on a generated market too. Raises `TrialLedgerError`.
    """
    from ml.training.trial_sharpes import record_look, trial_sharpes
    from ml.training.trials import TrialLedger

    bars, symbol = done.run.bars.bars, done.settings.symbol
    system = system_of(done.models, done.settings.decision)
    ledger = TrialLedger(done.settings.ml.study.ledger_path)
    result = {
        key: summary[key]
        for key in ("sharpe", "trades", "win_rate", "profit_factor", "net_profit",
                    "max_drawdown_pct", "deals_sha256")
    }  # fmt: skip
    if is_block:
        result |= {"sharpe": None, "block_sharpe": summary["sharpe"]}
    record_look(
        ledger,
        symbol=symbol,
        graphs=system.graphs,
        settings_sha256=system.settings_sha256,
        train_cutoff_ms=done.train_cutoff_ms,
        from_ms=int(bars.open_ms[0]),
        to_ms=int(bars.close_ms[-1]),
        data_sha256=done.plan.data_sha256,
        result=result,
    )
    return trial_sharpes(ledger, symbol=symbol)


def paper_look(settings: "Settings", models: "ModelSet", plan: "PaperPlan") -> None:
    """A paper run over a file's bars shows what they would have brought, as a backtest does: a look
    without figures, before the first bar. Raises `TrialLedgerError`."""
    from ml.training.trial_sharpes import record_look
    from ml.training.trials import TrialLedger

    system = system_of(models, settings.decision)
    record_look(
        TrialLedger(settings.ml.study.ledger_path),
        symbol=settings.symbol,
        graphs=system.graphs,
        settings_sha256=system.settings_sha256,
        train_cutoff_ms=max(each.metadata.train_cutoff_ms for each in models.all),
        from_ms=plan.limits.from_ms,
        to_ms=plan.limits.to_ms or int(plan.bars.close_ms[-1]),
        data_sha256=plan.data_sha256,
        result={"door": "paper", "sharpe": None, "trades": None},
    )
