"""Whether the trade server takes a request: small checks in the order of bridge semantics B.

Each check looks at an `Attempt` and returns a retcode, 0 for nothing wrong. The first failure wins
and nothing is sent.
"""

from collections.abc import Callable

from broker.contract.constants import Filling, OrderType, TypeTime
from broker.simulator.book import Book
from broker.simulator.feed import Feed, QuoteTicks
from broker.simulator.records import OpenPosition, TradeRequest, WorkingOrder
from broker.simulator.settings import AccountTerms
from broker.simulator.units import SymbolUnits
from market.instrument import FILL_FOK_BIT, FILL_IOC_BIT, Execution, TradeMode

OK = 0
REQUOTE = 10004
DONE = 10009
PLACED = 10008
INVALID = 10013
INVALID_VOLUME = 10014
INVALID_PRICE = 10015
INVALID_STOPS = 10016
TRADE_DISABLED = 10017
MARKET_CLOSED = 10018
NO_MONEY = 10019
PRICE_OFF = 10021
INVALID_EXPIRATION = 10022
NO_CHANGES = 10025
SERVER_DISABLES_AT = 10026
CLIENT_DISABLES_AT = 10027
FROZEN = 10029
INVALID_FILL = 10030
LIMIT_ORDERS = 10033
LIMIT_VOLUME = 10034
INVALID_ORDER = 10035
POSITION_CLOSED = 10036
INVALID_CLOSE_VOLUME = 10038
LIMIT_POSITIONS = 10040
LONG_ONLY = 10042
SHORT_ONLY = 10043
CLOSE_ONLY = 10044

# Bound once: an enumeration's member costs ten times a plain name, several times a trade.
_SELL = OrderType.SELL
_FOK, _IOC, _RETURN = Filling.FOK, Filling.IOC, Filling.RETURN
_MARKET, _PRICED = Execution.MARKET, (Execution.REQUEST, Execution.INSTANT)

_LIMITS = (OrderType.BUY_LIMIT, OrderType.SELL_LIMIT)
_STOPS = (OrderType.BUY_STOP, OrderType.SELL_STOP)


class Attempt:
    """A request on its way through the checks, with what they all need looked up once.

    `type` is the order type it is judged as (a change of levels: a market order's).
    `side` is that of the position it would open, or of the opposite deal when it closes one.
    `price_ticks`: the price the order is judged from: the quote for market orders, else its own.
    """

    __slots__ = (
        "book", "client_allows", "feed", "now_ms", "order", "position", "price_ticks", "quote",
        "request", "side", "sl_ticks", "steps", "tp_ticks", "type", "units",
    )  # fmt: skip

    book: Book
    request: TradeRequest
    now_ms: int
    client_allows: bool
    units: SymbolUnits
    feed: Feed
    quote: QuoteTicks
    type: int
    side: int
    steps: int
    price_ticks: int
    sl_ticks: int
    tp_ticks: int
    position: OpenPosition
    order: WorkingOrder


Check = Callable[[Attempt], int]


def first_failure(attempt: Attempt, checks: tuple[Check, ...]) -> int:
    """The retcode of the first check that fails, else 0."""
    for check in checks:
        if code := check(attempt):
            return code
    return OK


def rights(attempt: Attempt) -> int:
    """10026 where the account may not trade, 10027 where the terminal's Algo Trading is off."""
    terms = attempt.book.terms
    if not (terms.trade_allowed and terms.trade_expert):
        return SERVER_DISABLES_AT
    return OK if attempt.client_allows else CLIENT_DISABLES_AT


def trade_mode(attempt: Attempt) -> int:
    """What may be opened in this symbol."""
    mode = attempt.units.instrument.trade_mode
    if mode is TradeMode.FULL:
        return OK
    if mode is TradeMode.DISABLED:
        return TRADE_DISABLED
    if mode is TradeMode.CLOSE_ONLY:
        return CLOSE_ONLY
    if mode is TradeMode.LONG_ONLY:
        return OK if attempt.side > 0 else LONG_ONLY
    return OK if attempt.side < 0 else SHORT_ONLY


def not_disabled(attempt: Attempt) -> int:
    """Closing and changing need no more than a symbol that trades at all."""
    disabled = attempt.units.instrument.trade_mode is TradeMode.DISABLED
    return TRADE_DISABLED if disabled else OK


def session(attempt: Attempt) -> int:
    """10018 outside the symbol's trading hours (B28)."""
    units = attempt.units
    if units.always_open or units.instrument.sessions.is_open(attempt.now_ms):
        return OK
    return MARKET_CLOSED


def quotes(attempt: Attempt) -> int:
    """10021 where no bar is running: hours are open, but the data has nothing to trade on."""
    quote = attempt.feed.quote(attempt.now_ms)
    if quote is None or not quote.live:
        return PRICE_OFF
    attempt.quote = quote
    if attempt.type <= _SELL:
        attempt.price_ticks = quote.ask if attempt.side > 0 else quote.bid
    return OK


def volume(attempt: Attempt) -> int:
    """B9: between minimum and maximum, on the step."""
    units, lots = attempt.units, attempt.request.volume
    steps = units.steps(lots)
    if not units.min_steps <= steps <= units.max_steps or units.lots(steps) != lots:
        return INVALID_VOLUME
    attempt.steps = steps
    return OK


def limits(attempt: Attempt) -> int:
    """10034 above the symbol's volume on one side, 10040 above the account's positions."""
    book, limit = attempt.book, attempt.units.limit_steps
    if limit and _side_steps(attempt) + attempt.steps > limit:
        return LIMIT_VOLUME
    most = book.terms.max_positions
    return LIMIT_POSITIONS if most and len(book.positions) >= most else OK


def _side_steps(attempt: Attempt) -> int:
    book, symbol, side = attempt.book, attempt.request.symbol, attempt.side
    held = sum(p.steps for p in book.positions.values() if p.symbol == symbol and p.side == side)
    asked = (w.row for w in book.orders.values() if w.row.symbol == symbol)
    return held + sum(r.steps_current for r in asked if order_side(r.type) == side)


def close_volume(attempt: Attempt) -> int:
    """10038 above the position, 10014 where less than the minimum would remain (B9)."""
    units, position = attempt.units, attempt.position
    steps = units.steps(attempt.request.volume)
    if steps < 1 or units.lots(steps) != attempt.request.volume:
        return INVALID_VOLUME
    if steps > position.steps:
        return INVALID_CLOSE_VOLUME
    rest = position.steps - steps
    if 0 < rest < units.min_steps:
        return INVALID_VOLUME
    attempt.steps = steps
    return OK


def filling(attempt: Attempt) -> int:
    """B11: FOK and IOC by the symbol's bits; RETURN not for market orders in market execution.

    Pending orders take RETURN always.
    """
    policy, instrument = attempt.request.type_filling, attempt.units.instrument
    if policy == _FOK:
        return OK if instrument.filling_bits & FILL_FOK_BIT else INVALID_FILL
    if policy == _IOC:
        return OK if instrument.filling_bits & FILL_IOC_BIT else INVALID_FILL
    is_market = attempt.type <= _SELL
    if policy != _RETURN or (is_market and instrument.execution is _MARKET):
        return INVALID_FILL
    return OK


def market_price(attempt: Attempt) -> int:
    """Instant and request execution need the price that the requester saw; 0 is none."""
    execution = attempt.units.instrument.execution
    if attempt.request.price < 0:
        return INVALID_PRICE
    needs_price = execution in _PRICED
    return INVALID_PRICE if needs_price and attempt.request.price == 0 else OK


def pending_price(attempt: Attempt) -> int:
    """A limit lies on the better side of the quote, a stop on the worse, by the stops level."""
    request, units, quote = attempt.request, attempt.units, attempt.quote
    asked = units.grid_ticks(request.price)
    if request.price <= 0 or asked is None:
        return INVALID_PRICE
    attempt.price_ticks = asked
    market = quote.ask if attempt.side > 0 else quote.bid
    toward = -attempt.side if attempt.type in _LIMITS else attempt.side
    distance = toward * (attempt.price_ticks - market)
    return INVALID_PRICE if distance < units.least_stop_ticks else OK


def stops(attempt: Attempt) -> int:
    """B7: levels on the grid, on their side, at least the stops level from the exit price."""
    request, units = attempt.request, attempt.units
    attempt.sl_ticks = attempt.tp_ticks = 0
    stop, target = request.sl, request.tp
    if stop == 0 and target == 0:
        return OK
    if stop < 0 or target < 0:
        return INVALID_STOPS
    sl, tp = units.grid_ticks(stop), units.grid_ticks(target)
    if sl is None or tp is None:
        return INVALID_STOPS
    side, base, least = attempt.side, _exit_base(attempt), units.least_stop_ticks
    if (sl and side * (base - sl) < least) or (tp and side * (tp - base) < least):
        return INVALID_STOPS
    attempt.sl_ticks, attempt.tp_ticks = sl, tp
    return OK


def _exit_base(attempt: Attempt) -> int:
    """Where stops are measured from: the closing side of the quote, or a pending order's price."""
    if attempt.type > _SELL:
        return attempt.price_ticks
    return attempt.quote.bid if attempt.side > 0 else attempt.quote.ask


def margin(attempt: Attempt) -> int:
    """B14: what is free after the trade must not be below zero."""
    own = attempt.units.margin(attempt.steps, attempt.price_ticks)
    fee = attempt.units.commission(attempt.steps)
    symbol, side = attempt.request.symbol, attempt.side
    return OK if attempt.book.affords(symbol, side, own, fee, attempt.now_ms) else NO_MONEY


def requote(attempt: Attempt) -> int:
    """B2: instant execution refuses when the price moved by more than `deviation` points."""
    units, request = attempt.units, attempt.request
    if units.instrument.execution not in _PRICED:
        return OK
    moved = abs(attempt.price_ticks - units.ticks(request.price))
    return REQUOTE if moved > units.points_in_ticks(request.deviation) else OK


def frozen(attempt: Attempt) -> int:
    """B8: no change or close while the price is within the freeze level of a stop or target."""
    units, position = attempt.units, attempt.position
    level = units.points_in_ticks(units.instrument.freeze_level_points)
    if level == 0:
        return OK
    price = attempt.quote.bid if position.side > 0 else attempt.quote.ask
    near = [at for at in (position.sl, position.tp) if at and abs(price - at) <= level]
    return FROZEN if near else OK


def order_frozen(attempt: Attempt) -> int:
    """B8 for pending orders: the market is within the freeze level of the order's price."""
    units, row = attempt.units, attempt.order.row
    level = units.points_in_ticks(units.instrument.freeze_level_points)
    market = attempt.quote.ask if attempt.side > 0 else attempt.quote.bid
    return FROZEN if level and abs(market - row.price_ticks) <= level else OK


def known_pending_type(attempt: Attempt) -> int:
    """Limits and stops; stop-limits are not kept here."""
    return OK if attempt.type in (*_LIMITS, *_STOPS) else INVALID_ORDER


def order_limit(attempt: Attempt) -> int:
    """10033 above the account's pending orders."""
    most = attempt.book.terms.max_orders
    return LIMIT_ORDERS if most and len(attempt.book.orders) >= most else OK


def expiration(attempt: Attempt) -> int:
    """SPECIFIED needs an instant ahead; SPECIFIED_DAY is not kept here."""
    request = attempt.request
    if request.type_time in (TypeTime.GTC, TypeTime.DAY):
        return OK
    if request.type_time == TypeTime.SPECIFIED and request.expiration > attempt.now_ms:
        return OK
    return INVALID_EXPIRATION


def order_side(order_type: int) -> int:
    """+1 for buying types, −1 for selling ones."""
    return 1 if order_type in (OrderType.BUY, OrderType.BUY_LIMIT, OrderType.BUY_STOP) else -1


ENTRY: tuple[Check, ...] = (
    rights, trade_mode, session, quotes, volume, limits, filling, market_price, stops, margin,
    requote,
)  # fmt: skip


def entry_checks(units: SymbolUnits, terms: AccountTerms) -> tuple[Check, ...]:
    """`ENTRY` less the checks that never fail in this symbol on this account."""
    instrument = units.instrument
    cannot_fail: dict[Check, bool] = {
        trade_mode: instrument.trade_mode is TradeMode.FULL,
        session: units.always_open,
        limits: not (units.limit_steps or terms.max_positions),
        requote: instrument.execution not in _PRICED,
    }
    return tuple(check for check in ENTRY if not cannot_fail.get(check))


CLOSE: tuple[Check, ...] = (
    rights, not_disabled, session, quotes, close_volume, filling, market_price, frozen, requote,
)  # fmt: skip
PENDING: tuple[Check, ...] = (
    rights, known_pending_type, trade_mode, session, quotes, volume, limits, order_limit,
    filling, expiration, pending_price, stops, margin,
)  # fmt: skip
LEVELS: tuple[Check, ...] = (rights, not_disabled, session, quotes, frozen, stops)
CHANGE: tuple[Check, ...] = (
    rights, not_disabled, session, quotes, order_frozen, expiration, pending_price, stops,
)  # fmt: skip
REMOVE: tuple[Check, ...] = (rights, not_disabled, session, quotes, order_frozen)
