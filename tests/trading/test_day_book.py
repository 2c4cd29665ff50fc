"""The account's day, week and prop day: when they begin, what is lowest in them, what survives."""

import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.contract.constants import DealEntry, DealType
from broker.contract.messages import Deal
from market.local_days import LocalPeriods
from tests.builders import make_deal
from trading.day_book import DayBook, PastClose, PropAccount
from trading.decision.records import DayState, GuardState
from trading.trade_book import TradeBook

HOUR_MS = 3_600_000
BAR_MS = 900_000
DAY_MS = 24 * HOUR_MS


def at(text: str, zone: str = "UTC") -> int:
    """`2026-03-29 01:15` in a zone, as epoch ms."""
    when = datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=ZoneInfo(zone))
    return round(when.timestamp() * 1000)


class Account:
    """An account whose deals and closes a test tells one after the other."""

    def __init__(self, *, zone: str = "UTC", recent: int = 3, prop: str | None = None) -> None:
        self._terms: dict[str, Any] = {
            "day_zone": zone, "recent_trades": recent,
            "prop": PropAccount(prop, 10_000.0) if prop else None,
        }  # fmt: skip
        self.balance = 10_000.0
        self.deals: list[Deal] = []
        self._open()

    def _open(self) -> None:
        self.book = TradeBook(7719)
        self.days = DayBook(self.book, **self._terms)

    def deal(self, at_ms: int, profit: float = 0.0, position: int = 1, **fields: Any) -> None:
        out = DealEntry.OUT if profit else DealEntry.IN
        words = {"entry": out, "position_id": position, "profit": profit} | fields
        made = make_deal(len(self.deals) + 1, at_ms, **words)
        self.deals.append(made)
        self.balance += made.profit + made.commission + made.swap

    def trade(self, from_ms: int, to_ms: int, profit: float) -> None:
        position = len(self.deals) + 1
        self.deal(from_ms, position=position)
        self.deal(to_ms, profit, position)

    def pay(self, at_ms: int, amount: float) -> None:
        self.deal(at_ms, amount, 0, type=DealType.BALANCE, magic=0, symbol="")

    def close(self, now_ms: int, floating: float = 0.0, worst: float | None = None) -> GuardState:
        """A decided close with so much open profit; `worst`: of the bar, else that of the close."""
        self.book.add(self.deals)
        self.days.add(self.deals)
        equity = self.balance + floating
        state = self.days.state(now_ms, balance=self.balance, equity=equity)
        self.days.seen(equity if worst is None else self.balance + worst)
        return state

    def restart(self, last: GuardState, close_ms: int, worst_equity: float) -> None:
        self._open()
        self.days.restore(last, close_ms, worst_equity=worst_equity)


def same(one: Any, other: Any) -> bool:
    return repr(one) == repr(other)  # NaN equals NaN


def test_first_close_begins_day_and_week() -> None:
    state = Account().close(at("2026-11-18 09:15"), floating=-50.0)
    assert same(state.day, DayState(at("2026-11-18 00:00"), 10_000.0, 9_950.0))
    assert same(state.week, DayState(at("2026-11-16 00:00"), 10_000.0, 9_950.0))
    assert (state.trades_today, state.recent_net, state.prop) == (0, (), None)


def test_lowest_equity_is_that_of_earlier_bars() -> None:
    account = Account()
    assert math.isnan(account.close(at("2026-11-18 09:15"), worst=-200.0).day.low_equity)
    assert account.close(at("2026-11-18 09:30"), worst=-90.0).day.low_equity == 9_800.0
    assert account.close(at("2026-11-18 09:45"), worst=-300.0).day.low_equity == 9_800.0
    assert account.close(at("2026-11-18 10:00")).week.low_equity == 9_700.0


def test_midnight_begins_a_day_with_the_equity_of_its_close_and_forgets_the_low() -> None:
    account = Account()
    account.close(at("2026-11-17 23:45"), floating=-100.0, worst=-900.0)
    state = account.close(at("2026-11-18 00:00"), floating=-120.0, worst=-800.0)
    assert same(state.day, DayState(at("2026-11-18 00:00"), 10_000.0, 9_880.0))
    state = account.close(at("2026-11-18 00:15"), floating=-130.0, worst=-140.0)
    assert math.isnan(state.day.low_equity), "the bar before midnight is the old day's"
    assert state.week.low_equity == 9_100.0
    assert account.close(at("2026-11-18 00:30")).day.low_equity == 9_860.0


def test_monday_begins_a_week_also_where_the_weekend_had_no_bars() -> None:
    account = Account()
    account.close(at("2026-11-13 21:45"))
    account.trade(at("2026-11-13 21:50"), at("2026-11-13 21:55"), -400.0)
    account.close(at("2026-11-13 22:00"))
    state = account.close(at("2026-11-16 00:15"))
    assert state.week.start_ms == state.day.start_ms == at("2026-11-16 00:00")
    assert state.week.start_balance == 9_600.0


def test_balance_at_midnight_is_exact_where_the_daemon_slept_over_it() -> None:
    account = Account()
    account.close(at("2026-11-17 22:00"))
    account.trade(at("2026-11-17 22:00"), at("2026-11-17 23:50"), 120.5)
    account.trade(at("2026-11-17 22:00"), at("2026-11-18 02:10"), -900.25)
    state = account.close(at("2026-11-18 03:00"))
    assert state.day.start_balance == 10_120.5
    assert state.day.start_equity == 10_120.5, "the loss since midnight counts against the day"


def test_deal_at_the_very_midnight_belongs_to_the_new_day() -> None:
    account = Account()
    account.close(at("2026-11-17 23:45"), floating=-390.0)
    account.trade(at("2026-11-17 22:00"), at("2026-11-18 00:00"), -400.0)
    state = account.close(at("2026-11-18 00:00"))
    assert (state.day.start_balance, state.day.start_equity) == (10_000.0, 10_000.0)


@pytest.mark.parametrize("amount", [2_500.0, -2_500.0])
def test_payments_are_no_profit_and_no_loss(amount: float) -> None:
    account = Account(prop="UTC")
    account.pay(at("2026-11-18 08:00"), 0.5)
    account.close(at("2026-11-18 09:15"), worst=-100.0)
    account.pay(at("2026-11-18 09:20"), amount)
    state = account.close(at("2026-11-18 09:30"))
    start = 10_000.5 + amount
    expected = DayState(at("2026-11-18 00:00"), start, start, start - 100.0)
    assert state.day == expected
    assert state.prop is not None
    assert state.prop.day == expected
    assert state.week.start_equity == start
    assert account.close(at("2026-11-18 09:45")).day == expected, "once"


@pytest.mark.parametrize("amount", [10_000.0, -2_500.0])
def test_payment_of_before_the_first_close_that_is_shown_late_moves_nothing(amount: float) -> None:
    """The balance that the day began with has it already."""
    account = Account(prop="UTC")
    account.balance += amount
    first = account.close(at("2026-11-18 09:15"))
    account.balance -= amount
    account.pay(at("2026-11-18 09:00"), amount)
    again = account.close(at("2026-11-18 09:30"))
    assert again.prop is not None
    assert first.prop is not None
    for then, now in ((first.day, again.day), (first.week, again.week),
                      (first.prop.day, again.prop.day)):  # fmt: skip
        assert (now.start_balance, now.start_equity) == (then.start_balance, then.start_equity)


def test_trades_opened_since_midnight_count_also_open_and_partly_closed_ones() -> None:
    account = Account(zone="Asia/Jakarta")
    account.trade(at("2026-11-17 16:00"), at("2026-11-17 18:00"), 10.0)
    account.trade(at("2026-11-17 17:00"), at("2026-11-17 18:00"), 10.0)
    account.deal(at("2026-11-17 20:00"), position=77)
    account.deal(at("2026-11-17 21:00"), 5.0, position=77, volume=0.04)
    assert account.close(at("2026-11-17 22:00")).trades_today == 2, "midnight there is 17:00 UTC"
    assert account.close(at("2026-11-18 17:00")).trades_today == 0


def test_net_profits_of_the_last_trades_are_oldest_first() -> None:
    account = Account(recent=2)
    for number, profit in enumerate((1.0, -2.0, 3.0)):
        opened_ms = at("2026-11-18 08:00") + number * BAR_MS
        account.trade(opened_ms, opened_ms + 60_000, profit)
    assert account.close(at("2026-11-18 09:15")).recent_net == (-2.0, 3.0)


# the prop firm's clock


def test_prop_day_goes_by_its_own_clock() -> None:
    account = Account(zone="Asia/Jakarta", prop="Europe/Prague")
    account.close(at("2026-11-17 22:45"), worst=-500.0)
    state = account.close(at("2026-11-17 23:00"))
    assert state.prop is not None
    assert state.prop.day.start_ms == at("2026-11-17 23:00")
    assert state.day.start_ms == at("2026-11-17 17:00")
    assert state.day.low_equity == 9_500.0


def test_days_traded_best_day_and_profit_go_by_the_firms_days() -> None:
    account = Account(prop="Europe/Prague")
    account.trade(at("2026-11-16 10:00"), at("2026-11-16 22:59"), 300.0)
    account.trade(at("2026-11-16 12:00"), at("2026-11-16 23:00"), 450.0)
    account.trade(at("2026-11-18 12:00"), at("2026-11-18 13:00"), -100.0)
    prop = account.close(at("2026-11-18 14:00")).prop
    assert prop is not None
    assert (prop.days_traded, prop.best_day_profit, prop.total_profit) == (2, 450.0, 650.0)


def test_part_of_a_trade_counts_on_the_day_it_was_closed() -> None:
    account = Account(prop="UTC")
    account.deal(at("2026-11-16 10:00"), position=5, commission=-1.0)
    account.deal(at("2026-11-16 11:00"), 200.0, position=5, volume=0.04)
    account.deal(at("2026-11-17 11:00"), 150.0, position=5, volume=0.06)
    prop = account.close(at("2026-11-17 14:00")).prop
    assert prop is not None
    assert (prop.best_day_profit, prop.total_profit, prop.days_traded) == (199.0, 349.0, 1)


def test_no_day_with_a_profit_has_a_best_day_of_nothing() -> None:
    account = Account(prop="UTC")
    account.trade(at("2026-11-16 10:00"), at("2026-11-16 11:00"), -5.0)
    prop = account.close(at("2026-11-16 12:00")).prop
    assert prop is not None
    assert (prop.best_day_profit, prop.total_profit) == (0.0, -5.0)


def test_highest_midnight_balance_only_rises() -> None:
    account = Account(prop="UTC")
    highest = []
    for day, profit in enumerate((500.0, -800.0, 100.0)):
        opened_ms = at("2026-11-16 10:00") + day * DAY_MS
        account.trade(opened_ms, opened_ms + HOUR_MS, profit)
        account.close(opened_ms + 2 * HOUR_MS, floating=700.0)
        prop = account.close(at("2026-11-17 00:00") + day * DAY_MS, floating=900.0).prop
        assert prop is not None
        highest.append(prop.highest_midnight_balance)
    assert highest == [10_500.0, 10_500.0, 10_500.0]


@pytest.mark.parametrize("slept", [False, True], ids=["from deals alone", "after a sleep"])
def test_highest_midnight_balance_is_found_in_the_deals(slept: bool) -> None:
    account = Account(prop="UTC")
    account.pay(at("2026-11-09 08:00"), 1.0)
    account.balance = 10_000.0
    if slept:
        account.close(at("2026-11-10 08:00"))
    account.trade(at("2026-11-10 10:00"), at("2026-11-10 11:00"), 800.0)
    account.trade(at("2026-11-11 10:00"), at("2026-11-11 11:00"), -600.0)
    prop = account.close(at("2026-11-16 09:00")).prop
    assert prop is not None
    assert prop.highest_midnight_balance == 10_800.0
    assert prop.day.start_balance == 10_200.0


# clocks


@pytest.fixture(params=["UTC", "America/Los_Angeles", "Asia/Kolkata"])
def host_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("host_zone")
@pytest.mark.parametrize(
    ("instant", "day", "week"),
    [
        ("2026-03-28 23:30", "2026-03-28 23:00", "2026-03-22 23:00"),
        ("2026-03-29 21:59", "2026-03-28 23:00", "2026-03-22 23:00"),
        ("2026-03-29 22:00", "2026-03-29 22:00", "2026-03-29 22:00"),
        ("2026-10-24 22:00", "2026-10-24 22:00", "2026-10-18 22:00"),
        ("2026-10-25 22:59", "2026-10-24 22:00", "2026-10-18 22:00"),
        ("2026-10-25 23:00", "2026-10-25 23:00", "2026-10-25 23:00"),
    ],
)
def test_days_and_weeks_follow_the_clocks_of_prague(instant: str, day: str, week: str) -> None:
    days, weeks = LocalPeriods("Europe/Prague"), LocalPeriods("Europe/Prague", weeks=True)
    assert days.start_ms(at(instant)) == at(day)
    assert weeks.start_ms(at(instant)) == at(week)


def test_day_of_a_clock_that_skips_midnight_begins_with_its_first_instant() -> None:
    days = LocalPeriods("Africa/Cairo")  # 2026-04-24: 00:00 becomes 01:00
    assert days.start_ms(at("2026-04-23 21:59")) == at("2026-04-22 22:00")
    assert days.start_ms(at("2026-04-23 22:00")) == at("2026-04-23 22:00")


@given(
    zone=st.sampled_from(["Europe/Prague", "America/New_York", "Asia/Jakarta", "UTC"]),
    when=st.integers(1_600_000_000_000, 1_900_000_000_000), weeks=st.booleans(),
)  # fmt: skip
def test_period_holds_its_instant_and_begins_at_a_local_midnight(
    zone: str, when: int, weeks: bool
) -> None:
    start_ms = LocalPeriods(zone, weeks=weeks).start_ms(when)
    local = datetime.fromtimestamp(start_ms / 1000, UTC).astimezone(ZoneInfo(zone))
    assert 0 <= when - start_ms < (7 if weeks else 1) * DAY_MS + HOUR_MS
    assert (local.hour, local.minute) == (0, 0)
    assert not weeks or local.weekday() == 0
    assert LocalPeriods(zone, weeks=weeks).start_ms(start_ms) == start_ms


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_prop_day_of_a_clock_change_has_23_or_25_hours(day: str) -> None:
    account = Account(prop="Europe/Prague")
    first_ms = at(f"{day} 00:00", "Europe/Prague")
    starts = set()
    for number in range(4 * 26):
        prop = account.close(first_ms + number * BAR_MS).prop
        assert prop is not None
        starts.add(prop.day.start_ms)
    assert max(starts) - min(starts) == (23 if day == "2026-03-29" else 25) * HOUR_MS


# restarts

moves = st.lists(
    st.tuples(st.integers(1, 40), st.integers(-300, 300), st.integers(-400, 0),
              st.sampled_from(["", "", "trade", "pay"])),
    min_size=2, max_size=30,
)  # fmt: skip


def play(account: Account, told: list[tuple[int, int, int, str]], restart_at: int | None) -> str:
    """The last state after closes some bars apart, with deals and payments between them."""
    now_ms, state = at("2026-10-20 00:00"), None
    for number, (bars, floating, worst, event) in enumerate(told):
        before_ms, now_ms = now_ms, now_ms + bars * BAR_MS * 7
        if event == "trade":
            account.trade(before_ms, now_ms - 60_000, float(worst or 5))
        elif event == "pay":
            account.pay(now_ms - 60_000, float(floating or 1))
        state = account.close(now_ms, floating, float(worst))
        if number == restart_at:
            account.restart(state, now_ms, account.balance + worst)
    return repr(state)


@given(told=moves, data=st.data())
def test_restarted_daemon_has_the_state_of_one_that_ran_on(told: Any, data: Any) -> None:
    when = data.draw(st.integers(0, len(told) - 2))
    terms: dict[str, Any] = {"zone": "Asia/Jakarta", "prop": "Europe/Prague"}
    assert play(Account(**terms), told, None) == play(Account(**terms), told, when)


@pytest.mark.parametrize("sleep", ["2026-11-17 23:45", "2026-11-18 00:00", "2026-11-18 00:15"])
def test_missed_closes_are_made_up_for(sleep: str) -> None:
    """The daemon sleeps from one close to 02:00; a trade opened before runs on."""
    both = Account(prop="UTC"), Account(prop="UTC")
    closes = [at("2026-11-17 23:30") + n * BAR_MS for n in range(11)]
    floating = dict(zip(closes, [0, -40, -90, -20, 60, -310, -30, -20, -10, 20, 30], strict=True))
    told = []
    for account in both:
        account.deal(at("2026-11-17 23:31"), position=9, commission=-2.0)
    for now_ms in closes:
        both[0].close(now_ms, floating[now_ms], floating[now_ms] - 25.0)
        if now_ms <= at(sleep):
            state = both[1].close(now_ms, floating[now_ms], floating[now_ms] - 25.0)
            worst = both[1].balance + floating[now_ms] - 25.0
            last = (state, now_ms, worst)
        else:
            balance = both[1].balance
            equity = balance + floating[now_ms]
            told.append(PastClose(now_ms, balance, equity, equity - 25.0))
    both[1].restart(*last)
    both[1].book.add(both[1].deals)
    both[1].days.add(both[1].deals)
    both[1].days.catch_up(told)
    now_ms = closes[-1] + BAR_MS
    assert same(both[0].close(now_ms), both[1].close(now_ms))


def test_worst_of_a_bar_before_any_state_is_a_fault() -> None:
    with pytest.raises(RuntimeError, match="belongs after"):
        Account().days.seen(1.0)
