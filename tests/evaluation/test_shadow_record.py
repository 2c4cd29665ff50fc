"""A paper daemon's journal as the shadow of an evidence file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backtest.evidence import system_of
from backtest.shadow_record import ShadowRecord, read_shadow
from ml.features.matrix import feature_matrix
from tests.tiny_models import GROUPS
from tests.trading.doubles import DAEMON
from tests.trading.paper_runs import BTC, Case, make_case, settings_of
from tests.trading.test_evidence_of_a_live_account import DEMO, Account
from trading.errors import DaemonError
from trading.journal import Journal
from trading.journal_reads import JournalReads
from trading.outbox import open_read_only

BARS = 40


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return make_case(tmp_path_factory.mktemp("case"), settings_of(), bars=BARS)


@pytest.fixture(scope="module")
def folder(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of a demo daemon that has decided all bars."""
    folder = tmp_path_factory.mktemp("state")
    journal = Journal(folder / "j.sqlite")
    graphs = dict(system_of(case.models, case.decision).graphs)
    journal.record("models_served", 0, graphs=graphs)
    journal.close()
    Account(folder, case, DEMO).run(BARS)
    return folder


def shadow(case: Case, folder: Path, *, learned_until_ms: int = 0, **graphs: str) -> ShadowRecord:
    served = dict(system_of(case.models, case.decision).graphs) | graphs
    journal = JournalReads(open_read_only(folder / "j.sqlite"))
    try:
        return read_shadow(
            journal, symbol="BTCUSD", strategy_id=DAEMON.strategy_id, graphs=served,
            learned_until_ms=learned_until_ms,
        )  # fmt: skip
    finally:
        journal.close()


def test_features_of_the_daemon_are_those_of_the_batch(case: Case, folder: Path) -> None:
    record, bars = shadow(case, folder), case.plan.bars
    first = int(bars.open_ms.searchsorted(case.plan.limits.from_ms))
    rows = feature_matrix(
        bars, groups=GROUPS, round_step=BTC.round_step,
        calendar=case.outside.calendar.at(int(bars.close_ms[-1])).events,
        onchain=case.outside.onchain, first_row=first,
    )  # fmt: skip
    assert record.differing(bars.open_ms[first:], rows) == (BARS, 0)
    rows[3, 0] = np.nextafter(rows[3, 0], np.inf)
    assert record.differing(bars.open_ms[first:], rows) == (BARS, 1)


def test_record_has_days_trades_and_the_first_balance(case: Case, folder: Path) -> None:
    record = shadow(case, folder)
    assert record.days == pytest.approx((BARS - 1) / 96)
    assert record.trades
    assert record.has_deals
    assert record.balance == 10_000.0


def test_dry_journal_says_nothing_of_the_band(case: Case, folder: Path) -> None:
    record = replace(shadow(case, folder), has_deals=False)
    assert record.inside(None) is None  # type: ignore[arg-type]


def test_journal_of_other_graphs_is_refused(case: Case, folder: Path) -> None:
    with pytest.raises(DaemonError, match="other graphs serve there"):
        shadow(case, folder, signal="0" * 64)


def test_bars_that_a_model_has_learned_from_are_no_shadow(case: Case, folder: Path) -> None:
    with pytest.raises(DaemonError, match="the journal has none"):
        shadow(case, folder, learned_until_ms=int(case.plan.bars.close_ms[-1]))
