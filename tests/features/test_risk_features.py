"""The account's state as the risk model sees it, by hand."""

import numpy as np
import pytest

from ml.features.catalogue import feature_hash
from ml.features.risk import RISK_FEATURES, account_inputs, risk_row, utc_hour
from tests.builders import MONDAY_MS


def state(net: list[float], balance: float, equity: float | None = None) -> tuple[float, ...]:
    equity = balance if equity is None else equity
    return account_inputs(np.array(net, dtype=np.float64), balance, equity)


def test_an_account_without_trades_is_neutral() -> None:
    assert state([], 1000.0) == (0.0, 1.0, 0.5, 0.0)


def test_drawdown_counts_from_the_highest_balance_to_the_equity_of_now() -> None:
    """1000 → 1200 (peak) → 900; open loss of 60: 840 is 30 % below 1200."""
    assert state([200.0, -300.0], 900.0, 840.0)[0] == pytest.approx(30.0)
    assert state([200.0, -300.0], 900.0, 840.0)[1] == pytest.approx(0.84)


def test_an_open_profit_above_the_peak_is_no_drawdown() -> None:
    assert state([200.0, -300.0], 900.0, 1300.0)[0] == 0.0


def test_losses_in_a_row_end_at_a_trade_that_did_not_lose() -> None:
    assert state([-5.0, 3.0, -1.0, -2.0], 1000.0)[3] == 2.0
    assert state([-5.0, 0.0, -1.0], 1000.0)[3] == 1.0
    assert state([-5.0, 4.0], 1000.0)[3] == 0.0


def test_win_rate_looks_at_twenty_trades_and_missing_ones_count_half() -> None:
    assert state([1.0, 1.0, -1.0, 0.0], 1000.0)[2] == (0.5 * 16 + 2) / 20
    assert state([1.0] * 30 + [-1.0] * 5, 1000.0)[2] == 15 / 20


def test_profits_larger_than_what_is_left_leave_the_ratio_at_its_limit() -> None:
    assert state([5000.0], 500.0)[1] == 10.0


def test_the_row_keeps_the_fixed_order() -> None:
    assert RISK_FEATURES == (
        "drawdown_pct", "equity_ratio", "win_rate_recent", "consecutive_losses", "volatility_20",
        "atr_14", "hour",
    )  # fmt: skip
    row = risk_row(**{name: float(i) for i, name in enumerate(RISK_FEATURES)})
    assert row.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert len(feature_hash(RISK_FEATURES)) == 64


def test_the_hour_is_that_of_the_close_in_utc() -> None:
    assert utc_hour(MONDAY_MS) == 0
    assert utc_hour(MONDAY_MS + 15 * 60_000) == 0
    assert utc_hour(MONDAY_MS + 24 * 3_600_000 - 1) == 23
