"""What the trial ledger tells the deflated Sharpe ratio, and what counts as a look."""

import math
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from backtest.statistics import TrialSharpes, expected_best_sharpe
from ml.training.trial_sharpes import record_look, trial_sharpes
from ml.training.trials import TrialLedger, TrialLedgerError

DATA = "d" * 64


@pytest.fixture
def ledger(tmp_path: Path) -> TrialLedger:
    """Two tuning trials with a ratio, a failed one, a training, a look, and another symbol's."""
    made = TrialLedger(tmp_path / "trials.sqlite", now_ms=lambda: 1)
    mine, other = {"symbol": "BTCUSD"}, {"symbol": "XAUUSD"}
    made.record("tune_trial", what=mine, data_sha256=DATA, result={"sharpe": 1.0})
    made.record("tune_trial", what=mine, data_sha256=DATA, result={"sharpe": 2.0})
    made.record("tune_trial", what=mine, data_sha256="e" * 64, result={"sharpe": None})
    made.record("train", what=mine, data_sha256=DATA, result={"state": "complete"})
    made.record("look", what=mine, data_sha256=DATA, result={"sharpe": 0.0})
    made.record("sweep", what=other, data_sha256=DATA, result={"sharpe": 9.0})
    return made


def test_every_trial_counts_and_known_ratios_give_the_variance(ledger: TrialLedger) -> None:
    found = trial_sharpes(ledger, symbol="BTCUSD")
    assert (found.count, found.known) == (5, 3)
    daily = np.array([1.0, 2.0, 0.0]) / math.sqrt(365)
    assert found.variance == pytest.approx(daily.var(ddof=1))
    assert trial_sharpes(ledger).count == 6


def test_trials_can_be_narrowed_by_kind_and_data(ledger: TrialLedger) -> None:
    assert trial_sharpes(ledger, "tune_trial").count == 3
    assert trial_sharpes(ledger, "tune_trial", data_sha256=DATA).count == 2
    gold = trial_sharpes(ledger, "sweep", days_a_year=252)
    assert (gold.count, gold.known) == (1, 1)
    assert math.isnan(gold.variance)


def test_look_is_written_where_a_model_has_not_seen_the_bars(ledger: TrialLedger) -> None:
    words = {"symbol": "BTCUSD", "graphs": {"signal": "a" * 64}, "settings_sha256": "b" * 64,
             "data_sha256": DATA, "result": {"sharpe": 0.7, "trades": 120}}  # fmt: skip
    span = {"train_cutoff_ms": 100, "from_ms": 50}
    number = record_look(ledger, **words, **span, to_ms=200)  # type: ignore[arg-type]
    *_, row = ledger.rows("look")
    assert row.id == number
    assert (row.what["from_ms"], row.what["to_ms"]) == (100, 200)
    assert row.what["graphs"] == {"signal": "a" * 64}
    assert row.result["sharpe"] == 0.7
    assert record_look(ledger, **words, **span, to_ms=100) is None  # type: ignore[arg-type]
    assert ledger.count("look") == 2
    assert ledger.verify() == 7


def test_same_run_looked_at_again_does_not_narrow_the_spread_of_the_ratios() -> None:
    tried = TrialSharpes.of([-0.05, 0.0, 0.05])
    again = TrialSharpes.of([-0.05, *[0.0] * 500, 0.05])
    assert again.variance == tried.variance
    assert (again.count, again.known) == (502, 502)
    assert expected_best_sharpe(again, 300) > expected_best_sharpe(tried, 300)


def test_ratio_counts_with_the_days_that_its_row_tells(tmp_path: Path) -> None:
    ledger, day_ms = TrialLedger(tmp_path / "trials.sqlite", now_ms=lambda: 1), 86_400_000
    span = {"from_ms": 0, "to_ms": 401 * day_ms}
    ledger.record("look", what=span, data_sha256=DATA, result={"sharpe": 1.0})
    ledger.record("tune_trial", what={}, data_sha256=DATA, result={"sharpe": -6.0, "days": 101})
    ledger.record("sweep", what={}, data_sha256=DATA, result={"sharpe": 2.0})
    found = trial_sharpes(ledger)
    daily = np.array([1.0, -6.0 * math.sqrt(100 / 400), 2.0]) / math.sqrt(365)
    assert (found.known, found.periods) == (3, 401)
    assert found.variance == pytest.approx(daily.var(ddof=1))


def test_ledger_that_was_edited_around_its_chain_counts_for_nothing(ledger: TrialLedger) -> None:
    db = sqlite3.connect(ledger.path)
    db.execute("DROP TRIGGER trials_remain")
    db.execute("DELETE FROM trials WHERE id = 2")
    db.commit()
    db.close()
    with pytest.raises(TrialLedgerError, match="row 2 is missing: the count of trials cannot be"):
        trial_sharpes(ledger, symbol="BTCUSD")
