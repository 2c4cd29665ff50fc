"""An account's days and weeks as the guards see them: a fold over decided closes and deals. Pure.

At each decided close, in this order: `add` the deals seen, ask for the `state`, decide, then tell
what the bar has `seen` at its worst. The same calls with the same numbers give the same states, in
the daemon as in the backtest. A restarted daemon goes on from the guard of its last journalled
decision (`restore`), and makes up for the closes that it missed (`catch_up`).
"""

from bisect import bisect_left, insort
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from broker.contract.constants import DealType
from broker.contract.messages import Deal
from market.local_days import LocalPeriods
from market.quick import quick
from trading.decision.records import DayState, GuardState, PropState
from trading.trade_book import TradeBook

_TRADES = (DealType.BUY, DealType.SELL)
_EVER_MS = 1 << 62

_Cash = tuple[int, float]  # when, and how much


@dataclass(frozen=True, slots=True)
class PastClose:
    """A close that was not decided, and the account's money then; `worst_equity`: inside its bar.

    `balance`: after every deal up to the close.
    """

    close_ms: int
    balance: float
    equity: float
    worst_equity: float


@dataclass(frozen=True, slots=True)
class PropAccount:
    """The clock and the size of a prop firm's account. `initial_balance`: deposit currency."""

    zone: str
    initial_balance: float


class DayBook:
    """One account's day, week and prop day.

    A period begins at the local midnight of its zone (`day_zone` for day and ISO week, the firm's
    for prop). Its `start_balance` is the balance before any deal at or after that midnight; its
    `start_equity` that of the first decided close at or after it, and not less than the balance
    where something was traded in between. Deposits and withdrawals made after that close move both,
    and what is lowest, with them: they are no profit and no loss. Those made before it are in them,
    however late the history shows them.

    `book`: our own trades, kept up to date by its owner. `recent_trades`: how many net profits
    `recent_net` holds at most.
    """

    def __init__(
        self, book: TradeBook, *, day_zone: str, recent_trades: int = 0,
        prop: PropAccount | None = None,
    ) -> None:  # fmt: skip
        self._book = book
        self._recent = recent_trades
        self._prop = prop
        self._days, self._weeks = LocalPeriods(day_zone), LocalPeriods(day_zone, weeks=True)
        self._prop_days = LocalPeriods(prop.zone if prop else day_zone)
        self._history = _History()
        self._own = _OwnDays(book, self._prop_days)
        self._day: DayState | None = None
        self._week: DayState | None = None
        self._prop_day: DayState | None = None
        self._highest = prop.initial_balance if prop else 0.0
        self._known_ms: int | None = None
        # The close whose balance a period began with: payments up to it are in it.
        self._taken_ms: dict[LocalPeriods, int] = {}
        # The last state, as long as nothing has changed it, and when its first period ends.
        self._last: GuardState | None = None
        self._until_ms = 0

    @property
    def last_close_ms(self) -> int | None:
        """The close of the last state; None before the first."""
        return self._known_ms

    @property
    def until_ms(self) -> int:
        """Before this instant no period of the last state ends; 0 before the first."""
        return self._until_ms

    def begins_ms(self, now_ms: int) -> int:
        """When the longest of the periods that hold an instant began."""
        periods = (self._days, self._weeks, self._prop_days)
        return min(each.start_ms(now_ms) for each in periods)

    def add(self, deals: Collection[Deal]) -> None:
        """Deals of the whole account, each once or often."""
        if deals:
            self._history.add(deals)
            self._last = None

    def state(self, now_ms: int, *, balance: float, equity: float) -> GuardState:
        """The guards' state at a decided close, before anything is decided there.

        Money in deposit currency, as the snapshot of that close has it.
        """
        if self._last is not None and now_ms < self._until_ms and not self._own.has_news:
            self._known_ms = now_ms
            return self._last
        self._last = self._state(_Close(now_ms, balance, equity))
        periods = (self._days, self._weeks, self._prop_days)
        self._until_ms = min(each.end_ms for each in periods)
        return self._last

    def _state(self, at: "_Close") -> GuardState:
        paid = self._history.paid(at.until_ms)
        self._known_ms = at.now_ms
        self._day = self._rolled(self._day, self._days, at, paid)
        self._week = self._rolled(self._week, self._weeks, at, paid)
        self._own.read()
        return GuardState(
            self._day, self._week, self._own.opened_since(self._day.start_ms),
            self._recent_net(), self._prop_state(at, paid),
        )  # fmt: skip

    def seen(self, worst_equity: float) -> None:
        """The lowest equity inside the bar that was just decided (`guards.worst_equity`).

        A bar that closes at midnight lies in the period before, which is over.
        """
        if self._day is None or self._week is None or self._known_ms is None:
            raise RuntimeError("day book: `seen` belongs after `state` of the same close")
        at_ms, day, week, prop_day = self._known_ms, self._day, self._week, self._prop_day
        self._day, self._week = _lower(day, worst_equity, at_ms), _lower(week, worst_equity, at_ms)
        if prop_day is not None:
            self._prop_day = _lower(prop_day, worst_equity, at_ms)
        if not (self._day is day and self._week is week and self._prop_day is prop_day):
            self._last = None

    def restore(self, guard: GuardState, close_ms: int, *, worst_equity: float) -> None:
        """Goes on from the last journalled decision: its guard, its close, and its bar's worst."""
        self._day, self._week = guard.day, guard.week
        if guard.prop is not None and self._prop is not None:
            self._prop_day = guard.prop.day
            self._highest = max(self._highest, guard.prop.highest_midnight_balance)
        self._last, self._known_ms = None, close_ms
        for each in (self._days, self._weeks, self._prop_days):
            self._taken_ms[each] = close_ms
        self.seen(worst_equity)

    def catch_up(self, missed: Iterable[PastClose]) -> None:
        """Folds closes that were not decided, oldest first, all after `last_close_ms`. The deals
        since then must have been added."""
        self._last = None
        for each in missed:
            self._state(_Close(each.close_ms, each.balance, each.equity, each.close_ms))
            self.seen(each.worst_equity)

    def _rolled(
        self, before: DayState | None, periods: LocalPeriods, at: "_Close", paid: list[_Cash]
    ) -> DayState:
        start_ms = periods.start_ms(at.now_ms)
        if before is not None and before.start_ms == start_ms:
            taken_ms = self._taken_ms[periods]
            moved = sum(cash for at_ms, cash in paid if at_ms > taken_ms)
            return _moved(before, moved) if moved else before
        self._taken_ms[periods] = at.now_ms
        traded = self._history.traded(start_ms, at.until_ms)
        if not traded:
            return DayState(start_ms, at.balance, at.equity)
        balance = _money(at.balance - traded)
        return DayState(start_ms, balance, max(balance, at.equity))

    def _recent_net(self) -> tuple[float, ...]:
        if not self._recent:
            return ()
        return tuple([trade.net_profit for trade in self._book.closed[-self._recent :]])

    def _prop_state(self, at: "_Close", paid: list[_Cash]) -> PropState | None:
        if self._prop is None:
            return None
        before = self._prop_day
        self._prop_day = self._rolled(before, self._prop_days, at, paid)
        if before is None or before.start_ms != self._prop_day.start_ms:
            past = self._history.midnight_balances(
                at.balance, self._prop_days, before.start_ms if before else 0, at.until_ms
            )
            self._highest = max(self._highest, self._prop_day.start_balance, *past)
        return PropState(
            self._prop_day, self._prop.initial_balance, self._highest, self._own.days_traded,
            self._own.best_day_profit, self._own.total_profit,
        )  # fmt: skip


@quick
@dataclass(frozen=True, slots=True)
class _Close:
    """A close and the account's money then. `until_ms`: the newest deal in it; all that were added
    where the close is the present one."""

    now_ms: int
    balance: float
    equity: float
    until_ms: int = _EVER_MS


class _History:
    """The account's deals as money: what was traded when, and what was paid in or out."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._traded: list[_Cash] = []
        self._all: list[_Cash] = []
        self._untold: list[_Cash] = []

    def add(self, deals: Iterable[Deal]) -> None:
        for deal in deals:
            if deal.ticket in self._seen:
                continue
            self._seen.add(deal.ticket)
            cash = (deal.time_msc, deal.profit + deal.swap + deal.commission + deal.fee)
            insort(self._all, cash)
            if deal.type in _TRADES:
                insort(self._traded, cash)
            else:
                self._untold.append(cash)

    def paid(self, until_ms: int) -> list[_Cash]:
        """Payments in or out up to an instant that were not told before."""
        if not self._untold:
            return []
        told = [each for each in self._untold if each[0] <= until_ms]
        self._untold = [each for each in self._untold if each[0] > until_ms]
        return told

    def traded(self, from_ms: int, until_ms: int) -> float:
        """What deals from `from_ms` to `until_ms` have earned or cost."""
        first = bisect_left(self._traded, (from_ms,))
        return _money(sum(cash for at_ms, cash in self._traded[first:] if at_ms <= until_ms))

    def midnight_balances(
        self, balance: float, days: LocalPeriods, from_ms: int, until_ms: int
    ) -> list[float]:
        """Balances at the local midnights between the days with deals from `from_ms` on, back from
        the balance after the last deal up to `until_ms`."""
        found: list[float] = []
        day_ms: int | None = None
        for at_ms, cash in reversed(self._all[bisect_left(self._all, (from_ms,)) :]):
            if at_ms > until_ms:
                continue
            if day_ms is not None and days.start_ms(at_ms) != day_ms:
                found.append(_money(balance))
            day_ms = days.start_ms(at_ms)
            balance -= cash
        return found


class _OwnDays:
    """Our own trades and deals by day; days of the firm's clock."""

    def __init__(self, book: TradeBook, days: LocalPeriods) -> None:
        self._book, self._days = book, days
        self._opened: list[int] = []
        self._opened_days: set[int] = set()
        self._cash_read = 0
        self._profits: dict[int, float] = {}
        self._total = self.total_profit = self.best_day_profit = 0.0

    @property
    def has_news(self) -> bool:
        """Whether the book holds what was not read yet."""
        opened, cash = self._book.opened, self._book.cash
        return len(opened) != len(self._opened) or len(cash) != self._cash_read

    def read(self) -> None:
        """Takes in what is new in the book."""
        opened, cash = self._book.opened, self._book.cash
        if len(opened) > len(self._opened):
            for at_ms in opened[len(self._opened) :]:
                insort(self._opened, at_ms)
                self._opened_days.add(self._days.start_ms(at_ms))
        if len(cash) == self._cash_read:
            return
        new = cash[self._cash_read :]
        for at_ms, amount in new:
            day_ms = self._days.start_ms(at_ms)
            self._profits[day_ms] = self._profits.get(day_ms, 0.0) + amount
            self._total += amount
        self._cash_read += len(new)
        self.total_profit = _money(self._total)
        self.best_day_profit = _money(max(0.0, max(self._profits.values())))

    def opened_since(self, from_ms: int) -> int:
        """How many of our trades were opened at or after an instant."""
        return len(self._opened) - bisect_left(self._opened, from_ms)

    @property
    def days_traded(self) -> int:
        """Days on which a trade was opened."""
        return len(self._opened_days)


def _moved(day: DayState, amount: float) -> DayState:
    return replace(
        day, start_balance=_money(day.start_balance + amount),
        start_equity=_money(day.start_equity + amount), low_equity=_money(day.low_equity + amount),
    )  # fmt: skip


def _lower(day: DayState, equity: float, close_ms: int) -> DayState:
    """NaN is no low yet; the comparison is false for it."""
    if day.low_equity <= equity or day.start_ms >= close_ms:
        return day
    return DayState(day.start_ms, day.start_balance, day.start_equity, equity)


def _money(amount: float) -> float:
    """A sum of minor units without what float addition left."""
    return round(amount, 8)
