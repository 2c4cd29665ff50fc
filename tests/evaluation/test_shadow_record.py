"""A daemon's journal as the shadow of an evidence file: what of it counts."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtest.evidence import system_of
from backtest.shadow.record import LATEST_MS, NoShadow, ShadowRecord, read_shadow
from ml.features.matrix import feature_matrix
from tests.tiny_models import GROUPS
from tests.trading.doubles import DAEMON
from tests.trading.paper_runs import BAR_MS, BTC, Case, make_case, settings_of
from tests.trading.test_evidence_of_a_live_account import DEMO, Account
from trading.decision.settings import DecisionSettings
from trading.errors import DaemonError
from trading.journal import Journal
from trading.journal_reads import JournalReads
from trading.outbox import open_read_only

BARS = 40


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return make_case(tmp_path_factory.mktemp("case"), settings_of(), bars=BARS)


def serving(folder: Path, case: Case) -> None:
    """The journal's first event: which graphs serve."""
    journal = Journal(folder / "j.sqlite")
    graphs = dict(system_of(case.models, case.decision).graphs)
    journal.record("models_served", 0, graphs=graphs)
    journal.close()


def lived(folder: Path, case: Case, late_ms: Iterable[int | None], **given: Any) -> Path:
    """The state of a demo daemon whose host's clock, bar by bar, is that far from the market's."""
    serving(folder, case)
    account = Account(folder, case, DEMO)
    for each in late_ms:
        account.late_ms = each
        account.run(1, **given)
    return folder


@pytest.fixture(scope="module")
def folder(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of a demo daemon that has decided all bars two seconds after their close."""
    folder = tmp_path_factory.mktemp("state")
    serving(folder, case)
    Account(folder, case, DEMO, late_ms=2_000).run(BARS)
    return folder


def shadow(
    case: Case, folder: Path, *, learned_until_ms: int = 0, rules: DecisionSettings | None = None,
    **graphs: str,
) -> ShadowRecord:  # fmt: skip
    system = system_of(case.models, rules or case.decision)
    journal = JournalReads(open_read_only(folder / "j.sqlite"))
    try:
        return read_shadow(
            journal, symbol="BTCUSD", strategy_id=DAEMON.strategy_id,
            graphs=dict(system.graphs) | graphs, settings=system.settings,
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
    zero = np.zeros_like(rows)
    zeros = replace(record, features=zero)
    assert zeros.differing(bars.open_ms[first:], -zero) == (BARS, BARS)
    assert zeros.differing(bars.open_ms[first:], zero) == (BARS, 0)


def test_record_has_days_trades_and_the_first_balance(case: Case, folder: Path) -> None:
    record = shadow(case, folder)
    assert record.days == pytest.approx((BARS - 1) / 96)
    assert record.trades
    assert record.has_deals
    assert record.balance == 10_000.0


def test_dry_journal_says_nothing_of_the_band(case: Case, folder: Path) -> None:
    record = replace(shadow(case, folder), has_deals=False)
    assert record.inside(None) is None  # type: ignore[arg-type]


def test_paper_run_at_full_speed_is_no_shadow(case: Case, tmp_path: Path) -> None:
    serving(tmp_path, case)
    Account(tmp_path, case, DEMO).run(3)
    with pytest.raises(NoShadow, match=r"none of 3 was, the last one .* a paper run is no shadow"):
        shadow(case, tmp_path)


@pytest.mark.parametrize(
    ("late_ms", "counts"),
    [(0, True), (LATEST_MS, True), (LATEST_MS + 1, False), (-60_000, True), (-60_001, False)],
)
def test_bar_counts_if_it_was_decided_within_minutes_of_its_close(
    case: Case, tmp_path: Path, late_ms: int, *, counts: bool
) -> None:
    record = shadow(case, lived(tmp_path, case, [0, late_ms, 0]))
    assert len(record.open_ms) == 2 + counts


def test_days_are_those_of_the_bars_that_count(case: Case, tmp_path: Path) -> None:
    record = shadow(case, lived(tmp_path, case, [None, 0, 0, None, LATEST_MS + 1, 0]))
    assert record.missed_bars == 2
    assert record.days == pytest.approx(2 / 96)


def test_record_begins_anew_after_other_settings(case: Case, tmp_path: Path) -> None:
    lived(tmp_path, case, [0, 0])
    other = case.decision.model_copy(update={"max_open_positions": 2})
    account = Account(tmp_path, case, DEMO, late_ms=0)
    account.terminal.advance(case.plan.limits.from_ms + 2 * BAR_MS)
    account.run(1, decision=other)
    with pytest.raises(NoShadow, match="the journal has none"):
        shadow(case, tmp_path)
    assert len(shadow(case, tmp_path, rules=other).open_ms) == 1
    account.run(2)
    assert len(shadow(case, tmp_path).open_ms) == 2


def test_another_risk_is_the_same_system(case: Case, folder: Path) -> None:
    other = case.decision.model_copy(update={"risk_percent": 0.5, "max_lot": 7.0})
    assert len(shadow(case, folder, rules=other).open_ms) == BARS


def test_journal_of_other_graphs_is_refused(case: Case, folder: Path) -> None:
    with pytest.raises(DaemonError, match="other graphs serve there"):
        shadow(case, folder, signal="0" * 64)


def test_bars_that_a_model_has_learned_from_are_no_shadow(case: Case, folder: Path) -> None:
    with pytest.raises(DaemonError, match="the journal has none"):
        shadow(case, folder, learned_until_ms=int(case.plan.bars.close_ms[-1]))
