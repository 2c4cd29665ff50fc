"""Equity over one setting and rolling windows: what the dashboard draws as a surface."""

from collections.abc import Sequence
from typing import Any

from backtest.sweep.errors import SweepError
from backtest.sweep.search import SweepTable
from backtest.sweep.trial import Trial
from market.bars import utc_text

_DAY_MS = 86_400_000
# A threshold means nothing where the gate is not the one that looks at it.
_GATE_OF = {
    "prediction.confidence_threshold": "fixed",
    "prediction.min_probability_diff": "fixed",
    "prediction.quantile.top_share": "quantile",
}

Window = tuple[int, int]


def windows(from_ms: int, to_ms: int, *, window_days: int, step_days: int) -> list[Window]:
    """[from, to) of each window, oldest first; the last one ends at `to_ms`.

    Raises `SweepError` where not one fits.
    """
    if window_days < 1 or step_days < 1:
        raise SweepError("surface: windows and steps of 1 day or more are allowed")
    size, step = window_days * _DAY_MS, step_days * _DAY_MS
    count = (to_ms - from_ms - size) // step + 1
    if count < 1:
        raise SweepError(
            f"surface: {window_days} days or more are needed between --from and --to, "
            f"{(to_ms - from_ms) / _DAY_MS:.1f} came; give a longer span or --window-days"
        )
    ends = [to_ms - step * back for back in reversed(range(count))]
    return [(end - size, end) for end in ends]


def trials(key: str, values: Sequence[Any], spans: Sequence[Window]) -> list[Trial]:
    """Each value over each window, the windows of the first value first."""
    gate = {"prediction.gate": _GATE_OF[key]} if key in _GATE_OF else {}
    return [Trial({**gate, key: value}, *span) for value in values for span in spans]


def surface(
    table: SweepTable, key: str, values: Sequence[Any], spans: Sequence[Window]
) -> dict[str, Any]:
    """Ready for JSON. `equity[i][j]`: at the end of window j with value i, of an account that
    began that window with `initial_balance`; `cumulative_return` and `trades` likewise."""
    count = len(spans)
    rows = [table.rows[at * count : (at + 1) * count] for at in range(len(values))]
    balance = table.base.settings.paper.balance
    returns = [[row.figures["return"] for row in of] for of in rows]
    return {
        "symbol": table.base.symbol, "sweep": table.id, "key": key, "values": list(values),
        "windows": [{"from": utc_text(first), "to": utc_text(last)} for first, last in spans],
        "initial_balance": balance, "currency": table.base.settings.paper.currency,
        "equity": [[balance * (1 + each) for each in of] for of in returns],
        "cumulative_return": returns,
        "trades": [[row.figures["trades"] for row in of] for of in rows],
        "graphs": dict(table.base.graphs),
        "in_sample": table.base.from_ms < table.base.train_cutoff_ms,
    }  # fmt: skip
