"""From journals, backtests and tables to days by the firm's clock."""

import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from backtest.prop.days import Moment, PastTrade, days_of_account, days_of_trades
from backtest.prop.record import record_of_lines, record_of_table
from broker.contract.constants import DealEntry, DealType
from market.sources.errors import SourceError
from tests.builders import MONDAY_MS, make_deal, make_input
from trading.canonical import decision_line
from trading.decision.records import (
    AccountView,
    Decision,
    DecisionInput,
    Enter,
    OpenTrade,
    Side,
)

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def moment(hours: float, balance: float, equity: float | None = None, worst: float | None = None):
    stands = balance if equity is None else equity
    return Moment(
        MONDAY_MS + round(hours * HOUR_MS), balance, stands, stands if worst is None else worst
    )


def test_days_are_shares_of_the_balance_they_begin_with() -> None:
    days = days_of_account(
        [
            moment(1, 1000), moment(12, 1000, 980, 950), moment(24, 1010, 1030),
            moment(30, 1060.5, 1060.5, 1000), moment(48, 1060.5),
        ],
        [MONDAY_MS + HOUR_MS, MONDAY_MS + 30 * HOUR_MS], "UTC",
    )  # fmt: skip
    assert days.start_ms.tolist() == [MONDAY_MS, MONDAY_MS + DAY_MS]
    assert days.net.tolist() == pytest.approx([0.01, 0.05])
    assert days.low.tolist() == pytest.approx([-0.05, -10 / 1010])
    assert days.floating.tolist() == pytest.approx([0.02, 0.0])
    assert days.traded.tolist() == [True, True]


def test_firms_midnight_cuts_the_days_over_a_change_of_its_clocks() -> None:
    """Prague goes to summer time on 2025-03-30: its midnights are 23:00 UTC, then 22:00 UTC."""
    cuts = ["2025-03-28T23:00", "2025-03-29T23:00", "2025-03-30T22:00", "2025-03-31T22:00"]
    closes = [ms(each) + shift for each in cuts for shift in (0, 900_000)]
    moments = [Moment(at, 1000.0 + place, 1000.0 + place, 1000.0)
               for place, at in enumerate(closes)]  # fmt: skip
    days = days_of_account(moments, [], "Europe/Prague")
    assert days.start_ms.tolist() == [ms("2025-03-27T23:00"), *(ms(each) for each in cuts)]
    assert [round(each, 3) for each in (days.net[1:4] * 1000).tolist()] == [2.0, 1.996, 1.992]


def test_payments_are_no_profit_and_no_loss() -> None:
    payments = [(MONDAY_MS - DAY_MS, 1000.0), (MONDAY_MS + 30 * HOUR_MS, 500.0),
                (MONDAY_MS + 60 * HOUR_MS, -700.0)]  # fmt: skip
    moments = [
        moment(1, 1000), moment(24, 1020), moment(26, 1020), moment(40, 1520), moment(48, 1530),
        moment(50, 1530), moment(62, 830, 830, 820), moment(72, 840),
    ]  # fmt: skip
    days = days_of_account(moments, [], "UTC", payments)
    assert days.net.tolist() == pytest.approx([0.02, 10 / 1020, 10 / 1530])
    assert days.low.tolist() == pytest.approx([0.0, 0.0, -10 / 1530])


def test_day_that_begins_without_money_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 0 is needed at the start of each day"):
        days_of_account([moment(1, 1000), moment(24, 0), moment(25, 0)], [], "UTC")


def trade(opened_h: float, closed_h: float, net: float, worst: float | None = None) -> PastTrade:
    return PastTrade(
        MONDAY_MS + round(opened_h * HOUR_MS), MONDAY_MS + round(closed_h * HOUR_MS), net, worst
    )


def test_finished_trades_alone_give_days_none_left_out() -> None:
    days = days_of_trades(
        [trade(1, 2, 10, -30), trade(3, 4, -20, -50), trade(70, 75, 40)], 1000.0, "UTC"
    )
    assert len(days) == 4
    assert days.net.tolist() == pytest.approx([-0.01, 0.0, 0.0, 40 / 990])
    assert days.low.tolist() == pytest.approx([-0.04, 0.0, 0.0, 0.0])
    assert days.traded.tolist() == [True, False, True, False]


def line(hours: float, balance: float, *, entry: float | None = None, price: float = 0.0) -> str:
    """A decided bar: its close, its balance, perhaps an open long from `price`, an entry's risk."""
    close_ms = MONDAY_MS + round(hours * HOUR_MS)
    held = OpenTrade(1, Side.BUY, 0.1, price, 0.0, 0.0, close_ms - HOUR_MS, -10.0, 0.0)
    now: DecisionInput = make_input(
        market={"open_ms": close_ms - 900_000, "close_ms": close_ms},
        account=AccountView(balance, balance - (10.0 if price else 0.0), balance),
        open_trades=(held,) if price else (),
    )
    intents = () if entry is None else (Enter(Side.BUY, 0.1, 250.0, 250.0, 25.0, entry),)
    return decision_line(now, Decision("BTCUSD", close_ms - 900_000, intents, ()))


def test_decision_lines_and_deals_make_a_record() -> None:
    """A long of 0.1 lot from 100,000; the bar went down to 99,900, where it stood at −10."""
    lines = [line(1, 1000, entry=2.0), line(2, 1000, price=100_000.0), line(3, 1005, entry=1.0)]
    deals = [
        make_deal(1, MONDAY_MS, type=DealType.BALANCE, profit=1000.0, position_id=0, magic=0),
        make_deal(2, MONDAY_MS + HOUR_MS, position_id=5),
        make_deal(3, MONDAY_MS + 2 * HOUR_MS + 1, position_id=5, type=DealType.SELL,
                  entry=DealEntry.OUT, profit=5.0),
    ]  # fmt: skip
    record = record_of_lines("a journal", lines, deals, 7719)
    assert [(each.opened_ms, each.net_profit) for each in record.trades] == [
        (MONDAY_MS + HOUR_MS, 5.0)
    ]
    assert record.risk_pct == 1.5
    assert record.knows_lows
    assert record.payments == ((MONDAY_MS, 1000.0),)
    days = record.days("UTC")
    assert len(days) == 1
    assert days.net.tolist() == pytest.approx([0.005])
    assert days.low.tolist() == pytest.approx([-0.01])
    assert days.traded.tolist() == [True]


TABLE = "opened,closed,net_profit,worst\n"


def test_table_of_trades_is_read(tmp_path: Path) -> None:
    path = tmp_path / "trades.csv"
    path.write_text(
        TABLE + "2025-06-02T08:00:00Z,2025-06-02T09:00:00Z,12.5,-3\n"
        "2025-06-03T08:00:00Z,2025-06-03T09:00:00Z,-4.5,\n"
    )
    record = record_of_table(path, 1000.0, 1.5)
    assert [each.net_profit for each in record.trades] == [12.5, -4.5]
    assert [each.worst for each in record.trades] == [-3.0, None]
    assert not record.knows_lows
    assert record.risk_pct == 1.5
    assert np.allclose(record.days("UTC").net, [0.0125, -4.5 / 1012.5])
    assert math.isnan(record_of_table(path, 1000.0).risk_pct)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b\n1,2\n", "columns: opened, closed, net_profit must be there"),
        ("opened,closed,net_profit\nsoon,later,1\n", "opened: ISO text"),
        (
            "opened,closed,net_profit\n2025-06-02T08:00:00Z,2025-06-02T07:00:00Z,1\n",
            "row 1: opened before closed",
        ),
        (
            "opened,closed,net_profit\n2025-06-02T08:00:00Z,2025-06-02T09:00:00Z,\n",
            "row 1: opened before closed and a net_profit",
        ),
        (
            "opened,closed,net_profit\n2025-06-02T08:00:00Z,2025-06-02T09:00:00Z,much\n",
            "correct the file",
        ),
    ],
    ids=["columns", "times", "order", "no_profit", "no_number"],
)
def test_table_with_a_mistake_is_refused_with_its_place(
    tmp_path: Path, content: str, said: str
) -> None:
    path = tmp_path / "trades.csv"
    path.write_text(content)
    with pytest.raises(SourceError, match=r"trades\.csv: ") as refused:
        record_of_table(path, 1000.0)
    assert said in str(refused.value)


def test_table_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no such file"):
        record_of_table(tmp_path / "none.csv", 1000.0)
