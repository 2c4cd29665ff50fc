"""What the trial ledger knows for the deflated Sharpe ratio, and a look at out-of-sample bars."""

import math
from collections.abc import Mapping
from typing import Any

from backtest.statistics import TrialSharpes
from ml.training.trials import Kind, Trial, TrialLedger

_DAY_MS = 86_400_000


def trial_sharpes(
    ledger: TrialLedger,
    *kinds: Kind,
    symbol: str | None = None,
    data_sha256: str | None = None,
    days_a_year: int = 365,
) -> TrialSharpes:
    """How many trials there were (of all kinds, where none is named), and the variance of their
    daily Sharpe ratios.

    Every row counts: failed, pruned, stopped and repeated trials and looks too, because each was
    a chance to find something by luck. Trials resemble each other, so the number of independent
    ones is smaller; the raw count errs on the safe side. Ratios are those that rows hold as
    `sharpe` (annual, null where there was none), each with the days behind it; one whose row does
    not say how many counts as the longest of the others. Raises `TrialLedgerError` where the ledger
    was changed around its chain: a count of it proves nothing.
    """
    ledger.verify()
    count, ratios, days = 0, [], []
    for trial in ledger.rows(*kinds):
        if symbol not in (None, trial.what.get("symbol")):
            continue
        if data_sha256 not in (None, trial.data_sha256):
            continue
        count += 1
        annual = trial.result.get("sharpe")
        if annual is not None:
            ratios.append(float(annual) / math.sqrt(days_a_year))
            days.append(_days(trial))
    longest = max((each for each in days if each), default=None)
    lengths = [] if longest is None else [each or longest for each in days]
    return TrialSharpes.of(ratios, count, periods=lengths)


def _days(trial: Trial) -> int | None:
    """UTC days behind a row's ratio; None where the row does not say."""
    told, what = trial.result.get("days"), trial.what
    if told is not None:
        return max(2, int(told))
    if "from_ms" not in what:
        return None
    return max(2, math.ceil((what["to_ms"] - what["from_ms"]) / _DAY_MS))


def record_look(
    ledger: TrialLedger,
    *,
    symbol: str,
    graphs: Mapping[str, str],
    settings_sha256: str,
    train_cutoff_ms: int,
    from_ms: int,
    to_ms: int,
    data_sha256: str,
    result: Mapping[str, Any],
) -> int | None:
    """Writes a look at bars [from_ms, to_ms) that the models have not seen; None where they have
    seen all of them, which is no look.

    `result`: figures of the run; `sharpe` (annual) and `trades` are wanted, None where there are
    none. Raises `TrialLedgerError`.
    """
    if to_ms <= train_cutoff_ms:
        return None
    what = {
        "symbol": symbol, "graphs": dict(graphs), "settings_sha256": settings_sha256,
        "train_cutoff_ms": train_cutoff_ms, "from_ms": max(from_ms, train_cutoff_ms),
        "to_ms": to_ms,
    }  # fmt: skip
    return ledger.record("look", what=what, data_sha256=data_sha256, result=result)
