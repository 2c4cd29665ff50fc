"""The simulated MetaTrader 5 terminal and its trade server, in UTC and the contract's words.

Nothing here knows the wall clock: time is what `advance` was told. What happens at an instant is
written in `events`, what a request may do in `validation`, what bars mean in `feed`.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from broker.contract.constants import MarginMode, PositionType
from broker.contract.messages import Account, Deal, Order, Position, Tick
from broker.simulator.book import Book
from broker.simulator.events import Events
from broker.simulator.faults.market import MarketFaults
from broker.simulator.faults.plan import FaultPlan
from broker.simulator.feed import Feed, QuoteTicks
from broker.simulator.inside import Minutes
from broker.simulator.ledger import Ledger
from broker.simulator.netting import NettingDesk, NettingEvents
from broker.simulator.netting_book import NettingBook
from broker.simulator.persistence import SnapshotError, SnapshotStore
from broker.simulator.records import (
    DealRow,
    OpenPosition,
    OrderRow,
    SendResult,
    TradeRequest,
)
from broker.simulator.rollover import Rollovers
from broker.simulator.settings import AccountTerms
from broker.simulator.trading_desk import TradingDesk
from broker.simulator.units import SymbolUnits
from market.bars import Bars
from market.instrument import Instrument
from market.rounding import to_minor
from market.server_clock import ServerClock

_TICK_FLAGS = 2 | 4  # bid and ask changed


class SimulatedTerminal:
    """One account at one simulated server over the bars of its symbols.

    `instruments` are those of a dollar account; on a cent account they are converted by
    `account.units_per_base`. `start_ms`: the first instant, with all bars that closed before it
    as history. `slippage_points`: market orders slip by up to so much either way;
    `slippage_table`: by one of these points instead, + is worse. `faults`: what goes wrong in its
    market. `minutes`: M1 bars that can be read; `inside_bars`: they say which of stop and target a
    bar touched first, too.
    """

    def __init__(
        self,
        *,
        bars: Mapping[str, Bars],
        instruments: Mapping[str, Instrument],
        account: AccountTerms,
        start_ms: int,
        seed: int,
        slippage_points: int = 0,
        slippage_table: tuple[int, ...] = (),
        server_zone: str = "UTC",
        faults: FaultPlan | None = None,
        minutes: Mapping[str, Bars] | None = None,
        inside_bars: bool = False,
    ) -> None:
        missing = sorted(set(bars) - set(instruments))
        if not bars or missing:
            raise ValueError(f"bars: symbols with an instrument are allowed, {missing} came")
        self.account_terms = account
        self.server_clock = ServerClock(server_zone)
        self.instruments = {symbol: _on_account(instruments[symbol], account) for symbol in bars}
        self._bars = dict(bars)
        self.minutes = dict(minutes or {})
        self._start_ms, self._now_ms = start_ms, start_ms
        self._seed, self._slippage_points = seed, slippage_points
        self._slippage_table = slippage_table
        self.scale: int = 10**account.currency_digits
        self.inside_bars = inside_bars
        self.feeds = {s: Feed(b, self.instruments[s], self._inside(s)) for s, b in bars.items()}
        self.units = {
            symbol: SymbolUnits(
                instrument, leverage=account.leverage, currency_digits=account.currency_digits
            )
            for symbol, instrument in self.instruments.items()
        }
        self._rollovers = Rollovers(self.server_clock)
        netting = account.margin_mode is MarginMode.NETTING
        self.book = (NettingBook if netting else Book)(self.feeds, self.units, account)
        self.desk = self._new_desk()
        self._events = (NettingEvents if netting else Events)(self.book, self._rollovers)
        self.ledger.deposit(to_minor(account.balance, account.currency_digits), start_ms)
        self._store: SnapshotStore | None = None
        self.faults = MarketFaults(self, faults) if faults is not None else None

    @property
    def now_ms(self) -> int:
        """The terminal's clock, epoch ms UTC."""
        return self._now_ms

    @property
    def end_ms(self) -> int:
        """Close of the last bar of any symbol."""
        return max(feed.end_ms for feed in self.feeds.values())

    @property
    def bars(self) -> dict[str, Bars]:
        """The data, without any faults of the market."""
        return self._bars

    @property
    def initial_balance(self) -> float:
        """What was deposited at the start."""
        return self.account_terms.balance

    @property
    def ledger(self) -> Ledger:
        """Finished orders and deals in whole numbers."""
        return self.book.ledger

    @property
    def balance(self) -> float:
        return self.ledger.balance / self.scale

    @property
    def equity(self) -> float:
        return self.book.equity(self._now_ms) / self.scale

    @property
    def margin_free(self) -> float:
        return (self.book.equity(self._now_ms) - self.book.margin()) / self.scale

    def funds(self) -> tuple[float, float, float]:
        """Balance, equity and free margin in the deposit currency."""
        book, scale = self.book, self.scale
        balance = book.ledger.balance / scale
        if not book.positions:
            return balance, balance, balance
        equity = book.equity(self._now_ms)
        return balance, equity / scale, (equity - book.margin()) / scale

    def advance(self, to_ms: int) -> None:
        """Moves the clock forward; everything up to and at `to_ms` happens, then requests may."""
        if to_ms < self._now_ms:
            raise ValueError(f"to_ms: {self._now_ms} or later is allowed, {to_ms} came")
        if self.faults is not None:
            self.faults.pass_until(to_ms, self._move)
        self._move(to_ms)

    def _move(self, to_ms: int) -> None:
        if self.book.positions or self.book.orders:
            self._events.run(self._now_ms, to_ms)
        self._now_ms = to_ms

    def next_event_ms(self, to_ms: int) -> int:
        """The first instant after now at which the market could do something to the account; one
        after `to_ms` where nothing does up to there. Faults of the market are not in it."""
        if not (self.book.positions or self.book.orders):
            return to_ms + 1
        return self._events.next_ms(self._now_ms, to_ms)

    def with_faults(self, plan: FaultPlan) -> MarketFaults:
        """The market faults of a plan on this terminal; a terminal has one plan for its life."""
        if self.faults is None:
            self.faults = MarketFaults(self, plan)
        if self.faults.plan is not plan:
            raise ValueError("faults: the plan that the terminal was made with is allowed")
        return self.faults

    def order_send(self, request: TradeRequest) -> SendResult:
        """Validates and executes a request at the quote in force."""
        return self.desk.send(request, self._now_ms)

    def order_check(self, request: TradeRequest) -> SendResult:
        """Validates a request; retcode 0 means that `order_send` would execute it now."""
        return self.desk.check(request, self._now_ms)

    @contextmanager
    def judging_by(self, instrument: Instrument) -> Iterator[None]:
        """While it lasts the trade server judges a symbol's requests by another specification.

        Its point, tick size and volume step must be those that the ledger counts in.
        """
        symbol, terms, desk = instrument.symbol, self.account_terms, self.desk
        there = self.units[symbol]
        self.units[symbol] = SymbolUnits(
            instrument, leverage=terms.leverage, currency_digits=terms.currency_digits
        )
        self.desk = self._new_desk()
        self.desk.requests, self.desk.client_allows = desk.requests, desk.client_allows
        try:
            yield
        finally:
            desk.requests = self.desk.requests
            self.units[symbol], self.desk = there, desk

    def _inside(self, symbol: str) -> Minutes | None:
        if not self.inside_bars:
            return None
        if symbol not in self.minutes:
            raise ValueError(f"minutes: M1 bars of {symbol} are needed for its inside, none came")
        return Minutes(self.minutes[symbol], self.instruments[symbol])

    def _new_desk(self) -> TradingDesk:
        seed, points, table = self._seed, self._slippage_points, self._slippage_table
        if isinstance(self.book, NettingBook):
            return NettingDesk(
                self.book, self._rollovers, seed=seed, slippage_points=points, slippage_table=table
            )
        return TradingDesk(
            self.book, self._rollovers, seed=seed, slippage_points=points, slippage_table=table
        )

    def quote_ticks(self, symbol: str) -> QuoteTicks | None:
        """The quote in force in ticks; None before the first bar."""
        return self.feeds[symbol].quote(self._now_ms)

    def tick(self, symbol: str) -> Tick | None:
        """The quote in force; None before the first bar."""
        quote, units = self.feeds[symbol].quote(self._now_ms), self.units[symbol]
        if quote is None:
            return None
        return Tick(
            quote.time_ms, units.price(quote.bid), units.price(quote.ask), 0.0, 0, _TICK_FLAGS
        )

    def closed_bars(self, symbol: str) -> Bars:
        """Every bar that closed at or before now, verbatim."""
        return self._bars[symbol].rows(0, self.feeds[symbol].closed(self._now_ms))

    def account(self) -> Account:
        """`account_info`; money in the deposit currency."""
        book, scale, terms = self.book, self.scale, self.account_terms
        profit, swap, margin = book.profit(self._now_ms), book.swap(), book.margin()
        equity = book.ledger.balance + profit + swap
        return Account(
            login=terms.login, server=terms.server, name=terms.name, company=terms.company,
            currency=terms.currency, currency_digits=terms.currency_digits,
            balance=book.ledger.balance / scale, credit=0.0, profit=(profit + swap) / scale,
            equity=equity / scale, margin=margin / scale, margin_free=(equity - margin) / scale,
            margin_level=equity / margin * 100 if margin else 0.0,
            margin_mode=int(terms.margin_mode), margin_so_mode=0,
            margin_so_call=terms.margin_call_pct, margin_so_so=terms.stop_out_pct,
            trade_mode=int(terms.trade_mode), leverage=terms.leverage,
            limit_orders=terms.max_orders, trade_allowed=terms.trade_allowed,
            trade_expert=terms.trade_expert, base_currency=terms.base_currency,
            unit_to_base=1 / terms.units_per_base,
        )  # fmt: skip

    def positions(self, symbol: str | None = None) -> tuple[Position, ...]:
        """Open positions in the order they were opened, valued at the quote in force."""
        return tuple(
            self._position(p)
            for p in self.book.positions.values()
            if symbol is None or p.symbol == symbol
        )

    def working_orders(self) -> tuple[Order, ...]:
        """Pending orders that have not triggered."""
        return tuple(self._order(working.row) for working in self.book.orders.values())

    def deals(self, *, from_ms: int = 0, to_ms: int | None = None) -> tuple[Deal, ...]:
        """Deals with from_ms ≤ time < to_ms, oldest first; without `to_ms` all up to now."""
        last_ms = self._now_ms + 1 if to_ms is None else to_ms
        return tuple(map(self.deal, self.ledger.deals_between(from_ms, last_ms)))

    def deal(self, row: DealRow) -> Deal:
        """A ledger row in the contract's words."""
        scale, units = self.scale, self.units.get(row.symbol)
        return Deal(
            row.ticket, row.order, row.time_ms, row.type, row.entry, row.magic, row.position_id,
            row.reason, units.lots(row.steps) if units else 0.0,
            units.price(row.price_ticks) if units else 0.0, row.commission / scale,
            row.swap / scale, row.profit / scale, 0.0, row.symbol, row.comment,
        )  # fmt: skip

    def fingerprint(self) -> str:
        """Hash of everything the future depends on but the past does not hold."""
        digest = hashlib.sha256()
        for symbol in sorted(self._bars):
            digest.update(self._bars[symbol].sha256().encode())
            digest.update(repr(asdict(self.instruments[symbol])).encode())
        rest = (asdict(self.account_terms), self._start_ms, self._seed, self._slippage_points,
                self.server_clock.zone)  # fmt: skip
        digest.update(repr(rest).encode())
        if self._slippage_table:
            digest.update(repr(self._slippage_table).encode())
        if self.inside_bars:
            for symbol in sorted(self.minutes):
                digest.update(self.minutes[symbol].sha256().encode())
        return digest.hexdigest()

    def save(self, path: Path) -> None:
        """Writes what is new since the last save; durable when it returns."""
        faults = self.faults.state() if self.faults is not None else None
        self._store_at(path).save(self.book, self._now_ms, self.desk.requests, faults)

    def restore(self, path: Path) -> None:
        """Continues where `save` left off. `SnapshotError` if it was another market or account.

        A file that holds no state yet, because its writer was killed before the first save, leaves
        the terminal at its start.
        """
        if not path.exists():
            raise SnapshotError(f"{path}: a snapshot is expected, but there is none; start anew")
        store = self._store_at(path)
        if not store.holds_state:
            return
        self._now_ms, self.desk.requests, faults = store.load(self.book)
        if faults and self.faults is not None:
            self.faults.restore(faults)
        elif faults and faults["plan"]["faults"]:
            raise SnapshotError(
                f"{path}: a terminal with a fault plan wrote it; give this one a plan too"
            )

    def reset(self) -> None:
        """Back to the start: no faults, no history but the first deposit. The file is emptied."""
        if self.faults is not None:
            self.faults.reset()
        book, terms = self.book, self.account_terms
        book.positions.clear()
        book.orders.clear()
        book.ledger = Ledger()
        book.version += 1
        self._now_ms, self.desk.requests = self._start_ms, 0
        book.ledger.deposit(to_minor(terms.balance, terms.currency_digits), self._start_ms)
        if self._store is not None:
            self._store.clear()

    def close(self) -> None:
        """Closes the snapshot file, if one is open."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def _store_at(self, path: Path) -> SnapshotStore:
        if self._store is None or self._store.path != path:
            self.close()
            self._store = SnapshotStore(path, self.fingerprint())
        return self._store

    def _position(self, p: OpenPosition) -> Position:
        units, price = self.units[p.symbol], self.book.exit_ticks(p, self._now_ms)
        return Position(
            p.ticket, p.identifier, p.time_ms, p.time_update_ms,
            PositionType.BUY if p.side > 0 else PositionType.SELL, p.magic, p.reason,
            units.lots(p.steps), units.price(p.open_ticks), units.price(p.sl), units.price(p.tp),
            units.price(price), p.swap / self.scale,
            self.book.profit_at(p, price) / self.scale, p.symbol, p.comment,
        )  # fmt: skip

    def _order(self, row: OrderRow) -> Order:
        units = self.units[row.symbol]
        return Order(
            row.ticket, row.time_setup_ms, row.time_done_ms, row.type, row.state, row.magic,
            row.position_id, row.reason, row.type_filling, units.lots(row.steps_initial),
            units.lots(row.steps_current), units.price(row.price_ticks),
            units.price(row.sl_ticks), units.price(row.tp_ticks), row.symbol, row.comment,
        )  # fmt: skip


def _on_account(instrument: Instrument, account: AccountTerms) -> Instrument:
    if account.units_per_base == 1:
        return instrument
    return instrument.in_deposit_currency(account.units_per_base)
