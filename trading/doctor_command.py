"""`python trading.py --doctor`: a table of checks of the configured bridge."""

import argparse
import sqlite3
import time
from pathlib import Path

from rich.console import Console

from broker.client.connect import connect
from ml.features.catalogue import LOOKBACK_MS
from trading.assemble import TIMEFRAME, known_instrument
from trading.doctor import Known, Patient, examine, failed, table_of
from trading.journal_reads import JournalReads
from trading.live_command import bridge_token, state_name
from trading.state_folder import StateFolder


def run_doctor(given: argparse.Namespace) -> int:
    """0 where every check is good, 1 where one is not."""
    from settings import load_settings

    settings = load_settings(overrides=given.override, account=given.account, symbol=given.symbol)
    broker = connect(settings.bridge, bridge_token())
    is_paper = broker.health().mode == "paper"
    patient = Patient(
        broker, known_instrument(settings.symbol), TIMEFRAME, settings.daemon.strategy_id,
        history_ms=settings.decision.prediction.quantile.lookback_ms + LOOKBACK_MS,
        limits=settings.daemon.health_limits,
        known=_known(given.state / state_name(given), settings.symbol),
        now_ms=None if is_paper else lambda: time.time_ns() // 1_000_000,
    )  # fmt: skip
    checks = examine(patient)
    broker.close()
    Console().print(table_of(checks))
    return 1 if failed(checks) else 0


def _known(folder: Path, symbol: str) -> Known:
    """What the journal has pinned; the daemon may be running meanwhile."""
    path = StateFolder(folder).journal
    if not path.exists():
        return Known()
    journal = JournalReads(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True))
    known = Known(
        journal.meta("account"), journal.meta("account_trade_mode"), journal.meta(f"spec {symbol}")
    )
    journal.close()
    return known
