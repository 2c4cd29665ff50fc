"""The trade server's desk: takes requests, checks them, and executes them at the quote in force."""

from collections.abc import Callable
from dataclasses import replace

from broker.contract.constants import DealReason, Filling, OrderType, TradeAction, TypeTime
from broker.simulator import validation as check
from broker.simulator.book import Book
from broker.simulator.draws import draw_between
from broker.simulator.feed import Watch
from broker.simulator.records import (
    STATE_CANCELED,
    STATE_PLACED,
    OpenPosition,
    OrderRow,
    SendResult,
    TradeRequest,
    WorkingOrder,
)
from broker.simulator.rollover import Rollovers
from broker.simulator.validation import Attempt, first_failure
from market.instrument import Execution

COMMENTS = {
    check.REQUOTE: "Requote",
    check.PLACED: "Request placed",
    check.DONE: "Request executed",
    check.INVALID: "Invalid request",
    check.INVALID_VOLUME: "Invalid volume",
    check.INVALID_PRICE: "Invalid price",
    check.INVALID_STOPS: "Invalid stops",
    check.TRADE_DISABLED: "Trade is disabled",
    check.MARKET_CLOSED: "Market closed",
    check.NO_MONEY: "No money",
    check.PRICE_OFF: "No prices",
    check.INVALID_EXPIRATION: "Invalid expiration",
    check.NO_CHANGES: "No changes",
    check.SERVER_DISABLES_AT: "AutoTrading disabled by server",
    check.CLIENT_DISABLES_AT: "AutoTrading disabled by client",
    check.FROZEN: "Order or position frozen",
    check.INVALID_FILL: "Unsupported filling mode",
    check.LIMIT_ORDERS: "Orders limit reached",
    check.LIMIT_VOLUME: "Volume limit reached",
    check.INVALID_ORDER: "Invalid order",
    check.POSITION_CLOSED: "Position doesn't exist",
    check.INVALID_CLOSE_VOLUME: "Invalid close volume",
    check.LIMIT_POSITIONS: "Positions limit reached",
    check.LONG_ONLY: "Only long positions are allowed",
    check.SHORT_ONLY: "Only short positions are allowed",
    check.CLOSE_ONLY: "Only position closing is allowed",
}

# Bound once: an enumeration's member costs ten times a plain name, several times a trade.
_BUY, _SELL = OrderType.BUY, OrderType.SELL

# Several times faster than `Filling(…)`; a policy that is none was refused before.
_FILLINGS: dict[int, Filling] = {int(policy): policy for policy in Filling}


class TradingDesk:
    """Executes trade requests on a book. Requests never move the clock.

    `client_allows`: the terminal's Algo Trading switch.
    """

    def __init__(
        self, book: Book, rollovers: Rollovers, *, seed: int, slippage_points: int,
        slippage_table: tuple[int, ...] = (),
    ) -> None:  # fmt: skip
        self._book, self._rollovers = book, rollovers
        self._seed = seed
        self._most_slip = {
            symbol: int(units.points_in_ticks(slippage_points))
            if units.instrument.execution is Execution.MARKET
            else 0
            for symbol, units in book.units.items()
        }
        self._slips = {
            symbol: tuple([round(units.points_in_ticks(points)) for points in slippage_table])
            for symbol, units in book.units.items()
            if units.instrument.execution is Execution.MARKET
        }
        self._entry_checks = {s: check.entry_checks(u, book.terms) for s, u in book.units.items()}
        self.requests = 0
        self.client_allows = True

    def send(self, request: TradeRequest, now_ms: int) -> SendResult:
        """`order_send`: validates and executes."""
        self.requests += 1
        handler = _HANDLERS.get(request.action)
        if handler is None:
            return self._refused(check.INVALID, request, now_ms)
        return handler(self, request, now_ms, True)

    def check(self, request: TradeRequest, now_ms: int) -> SendResult:
        """`order_check`: the same validation, nothing sent. retcode 0 means it would pass."""
        handler = _HANDLERS.get(request.action)
        if handler is None:
            return self._refused(check.INVALID, request, now_ms)
        return handler(self, request, now_ms, False)

    def _deal(self, request: TradeRequest, now_ms: int, execute: bool) -> SendResult:
        if request.position:
            return self._close(request, now_ms, execute)
        if request.symbol not in self._book.units or request.type > _SELL:
            return self._refused(check.INVALID, request, now_ms)
        attempt = self._attempt(request, request.symbol, request.type, now_ms)
        attempt.side = 1 if request.type == _BUY else -1
        code = first_failure(attempt, self._entry_checks[request.symbol])
        if code or not execute:
            return self._refused(code, request, now_ms)
        price = attempt.price_ticks + self._slippage(attempt, request.magic, request.comment)
        side, sl, tp, feed = attempt.side, attempt.sl_ticks, attempt.tp_ticks, attempt.feed
        row, past_first = feed.ahead(now_ms)
        position = self._book.enter(
            request.symbol, side, attempt.steps, price, sl=sl, tp=tp, magic=request.magic,
            comment=request.comment, filling=_FILLINGS[request.type_filling], time_ms=now_ms,
            watch=Watch(feed, side, sl, tp, row, past_first),
        )  # fmt: skip
        return self._done(attempt, self._book.ledger.last_deal, position.ticket, position, price)

    def _close(self, request: TradeRequest, now_ms: int, execute: bool) -> SendResult:
        position = self._book.positions.get(request.position)
        if position is None:
            return self._refused(check.POSITION_CLOSED, request, now_ms)
        opposite = OrderType.SELL if position.side > 0 else OrderType.BUY
        if request.type != opposite or request.symbol not in ("", position.symbol):
            return self._refused(check.INVALID, request, now_ms)
        attempt = self._attempt(request, position.symbol, request.type, now_ms)
        attempt.side, attempt.position = -position.side, position
        code = first_failure(attempt, check.CLOSE)
        if code or not execute:
            return self._refused(code, request, now_ms)
        price = attempt.price_ticks + self._slippage(attempt, position.ticket, position.steps)
        deal = self._book.leave(
            position, attempt.steps, price, DealReason.EXPERT, magic=request.magic,
            comment=request.comment, time_ms=now_ms, filling=Filling(request.type_filling),
        )  # fmt: skip
        return self._done(attempt, deal.ticket, deal.order, position, price)

    def _set_levels(self, request: TradeRequest, now_ms: int, execute: bool) -> SendResult:
        position = self._book.positions.get(request.position)
        if position is None:
            return self._refused(check.POSITION_CLOSED, request, now_ms)
        if request.symbol not in ("", position.symbol):
            return self._refused(check.INVALID, request, now_ms)
        attempt = self._attempt(request, position.symbol, OrderType.BUY, now_ms)
        attempt.side, attempt.position = position.side, position
        if attempt.units.same_levels(request.sl, request.tp, position.sl, position.tp):
            return self._refused(check.NO_CHANGES, request, now_ms)
        code = first_failure(attempt, check.LEVELS)
        if code or not execute:
            return self._refused(code, request, now_ms)
        position.sl, position.tp = attempt.sl_ticks, attempt.tp_ticks
        position.time_update_ms = now_ms
        feed = attempt.feed
        position.watch = Watch(feed, position.side, position.sl, position.tp, *feed.ahead(now_ms))
        self._book.version += 1
        attempt.steps = position.steps
        return self._done(attempt, 0, 0, position, 0)

    def _place(self, request: TradeRequest, now_ms: int, execute: bool) -> SendResult:
        if request.symbol not in self._book.units:
            return self._refused(check.INVALID, request, now_ms)
        attempt = self._attempt(request, request.symbol, request.type, now_ms)
        attempt.side = check.order_side(request.type)
        code = first_failure(attempt, check.PENDING)
        if code or not execute:
            return self._refused(code, request, now_ms)
        ticket = self._book.ledger.next_order()
        row = OrderRow(
            ticket, now_ms, 0, self._expires_ms(request, now_ms), OrderType(request.type),
            TypeTime(request.type_time), Filling(request.type_filling), STATE_PLACED,
            request.magic, 0, DealReason.EXPERT, attempt.steps, attempt.steps, attempt.price_ticks,
            attempt.sl_ticks, attempt.tp_ticks, request.symbol, request.comment,
        )  # fmt: skip
        self._book.orders[ticket] = WorkingOrder(row, trigger_watch(self._book, row, now_ms))
        return self._placed(attempt, ticket)

    def _change_order(self, request: TradeRequest, now_ms: int, execute: bool) -> SendResult:
        working = self._book.orders.get(request.order)
        if working is None:
            return self._refused(check.INVALID_ORDER, request, now_ms)
        attempt = self._order_attempt(request, working, now_ms)
        row, units = working.row, attempt.units
        same = units.ticks(request.price) == row.price_ticks and units.same_levels(
            request.sl, request.tp, row.sl_ticks, row.tp_ticks
        )
        expires_ms = self._expires_ms(request, now_ms)
        if same and (request.type_time, expires_ms) == (row.type_time, row.time_expiration_ms):
            return self._refused(check.NO_CHANGES, request, now_ms)
        code = first_failure(attempt, check.CHANGE)
        if code or not execute:
            return self._refused(code, request, now_ms)
        working.row = replace(
            row, price_ticks=attempt.price_ticks, sl_ticks=attempt.sl_ticks,
            tp_ticks=attempt.tp_ticks, type_time=TypeTime(request.type_time),
            time_expiration_ms=expires_ms,
        )  # fmt: skip
        working.watch = trigger_watch(self._book, working.row, now_ms)
        return self._placed(attempt, row.ticket)

    def _remove_order(self, request: TradeRequest, now_ms: int, execute: bool) -> SendResult:
        working = self._book.orders.get(request.order)
        if working is None:
            return self._refused(check.INVALID_ORDER, request, now_ms)
        attempt = self._order_attempt(request, working, now_ms)
        code = first_failure(attempt, check.REMOVE)
        if code or not execute:
            return self._refused(code, request, now_ms)
        self._book.finish(working, STATE_CANCELED, now_ms)
        return self._placed(attempt, working.row.ticket)

    def _expires_ms(self, request: TradeRequest, now_ms: int) -> int:
        if request.type_time == TypeTime.DAY:
            return self._rollovers.next_ms(now_ms)
        return request.expiration if request.type_time == TypeTime.SPECIFIED else 0

    def _attempt(self, request: TradeRequest, symbol: str, kind: int, now_ms: int) -> Attempt:
        attempt = Attempt()
        attempt.book, attempt.request, attempt.now_ms = self._book, request, now_ms
        attempt.client_allows, attempt.type = self.client_allows, kind
        attempt.units, attempt.feed = self._book.units[symbol], self._book.feeds[symbol]
        return attempt

    def _order_attempt(self, request: TradeRequest, working: WorkingOrder, now_ms: int) -> Attempt:
        row = working.row
        attempt = self._attempt(request, row.symbol, row.type, now_ms)
        attempt.side, attempt.order, attempt.steps = (
            check.order_side(row.type), working, row.steps_current
        )  # fmt: skip
        return attempt

    def _slippage(self, attempt: Attempt, *key: object) -> int:
        """Ticks added to a fill: uniform in ± `slippage_points`, market execution only (B2); or
        one of `slippage_table`, points of which those above 0 are worse for the trader.

        Keyed by what the request is and the bar it falls in, so a repeated request slips alike.
        """
        symbol = attempt.units.instrument.symbol
        most = self._most_slip[symbol]
        if table := self._slips.get(symbol):
            drawn = draw_between(
                0, len(table) - 1, self._seed, "slippage", symbol, attempt.quote.time_ms,
                attempt.side, *key,
            )  # fmt: skip
            return attempt.side * table[drawn]
        if most == 0:
            return 0
        return draw_between(
            -most, most, self._seed, "slippage", symbol, attempt.quote.time_ms, attempt.side, *key
        )

    def _done(
        self, attempt: Attempt, deal: int, order: int, position: OpenPosition, price: int
    ) -> SendResult:
        units, quote = attempt.units, attempt.quote
        return SendResult(
            check.DONE, deal, order, position.identifier, units.lots(attempt.steps),
            units.price(price), units.price(quote.bid), units.price(quote.ask),
            COMMENTS[check.DONE], self.requests,
        )  # fmt: skip

    def _placed(self, attempt: Attempt, order: int) -> SendResult:
        """A pending order was placed, changed or removed. The package answers 10009."""
        units, quote = attempt.units, attempt.quote
        return SendResult(
            check.DONE, 0, order, 0, units.lots(attempt.steps), 0.0, units.price(quote.bid),
            units.price(quote.ask), COMMENTS[check.DONE], self.requests,
        )  # fmt: skip

    def _refused(self, retcode: int, request: TradeRequest, now_ms: int) -> SendResult:
        """A rejection, or retcode 0 when a check passed. Carries the quote, as a requote needs."""
        bid = ask = 0.0
        if request.symbol in self._book.feeds:
            quote = self._book.feeds[request.symbol].quote(now_ms)
            units = self._book.units[request.symbol]
            if quote is not None:
                bid, ask = units.price(quote.bid), units.price(quote.ask)
        comment = COMMENTS[retcode] if retcode else "Done"
        return SendResult(retcode, 0, 0, 0, request.volume, 0.0, bid, ask, comment, self.requests)


_HANDLERS: dict[int, Callable[[TradingDesk, TradeRequest, int, bool], SendResult]] = {
    TradeAction.DEAL: TradingDesk._deal,
    TradeAction.PENDING: TradingDesk._place,
    TradeAction.SLTP: TradingDesk._set_levels,
    TradeAction.MODIFY: TradingDesk._change_order,
    TradeAction.REMOVE: TradingDesk._remove_order,
}


def trigger_watch(book: Book, row: OrderRow, now_ms: int) -> Watch:
    """The watch that triggers a pending order: the stop or target whose touch is the same event."""
    feed, price = book.feeds[row.symbol], row.price_ticks
    is_stop = row.type in (OrderType.BUY_STOP, OrderType.SELL_STOP)
    sl, tp = (price, 0) if is_stop else (0, price)
    return Watch(feed, -check.order_side(row.type), sl, tp, *feed.ahead(now_ms))
