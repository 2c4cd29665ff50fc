"""What a run came to, from its journal, the broker's deals and the bars."""

import json
from pathlib import Path
from typing import Any

from broker.contract.port import Broker
from market.store import BarStore
from market.whole_file import whole_file
from trading.assemble import TIMEFRAME, Trade
from trading.errors import DaemonError
from trading.journal import Journal
from trading.results import summarise
from trading.views import instrument_view

_DAY_MS = 86_400_000


def run_summary(
    journal: Journal,
    store: BarStore,
    broker: Broker,
    trade: Trade,
    *,
    now_ms: int,
    data_sha256: str,
) -> dict[str, Any]:
    """The summary of the whole run, over every start of it. Raises `BrokerError`."""
    symbol = trade.instrument.symbol
    snapshot = broker.snapshot(symbol)
    account = snapshot.account
    since_ms = int(journal.meta("started_ms") or now_ms)
    journal.saw_deals(broker.deals(from_ms=since_ms, to_ms=now_ms + _DAY_MS))
    decided = [open_ms for open_ms, _ in journal.features(symbol)]
    first_ms, last_ms = (decided[0], decided[-1]) if decided else (now_ms, now_ms)
    return summarise(
        journal.decision_lines(symbol),
        journal.deals(),
        store.load(symbol, TIMEFRAME, from_ms=first_ms, to_ms=last_ms + 1),
        instrument_view(
            broker.symbol(symbol), snapshot.tick, account.leverage,
            commission_per_lot=trade.instrument.commission_per_lot,
        ),
        strategy_id=trade.daemon.strategy_id,
        initial_balance=float(journal.meta("initial_balance") or account.balance),
        final_equity=account.equity,
        data_sha256=data_sha256,
        decision_ms=journal.decision_times_ms(symbol),
    )  # fmt: skip


def write_summary(path: Path, summary: dict[str, Any]) -> None:
    """Writes the file whole or not at all."""
    with whole_file(path) as part:
        part.write_text(json.dumps(summary, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def require_writable(path: Path | None) -> None:
    """Says before the run, not after it, that a summary could not be written."""
    if path is None:
        return
    if (path.exists() and not path.is_file()) or not path.resolve().parent.is_dir():
        raise DaemonError(f"--summary {path}: a file in an existing folder is allowed")
