"""What somebody else does to the account: the broker, the owner by hand, another program."""

from collections.abc import Callable

from broker.contract.constants import DealReason, Filling
from broker.simulator.book import Book
from broker.simulator.faults.plan import Fault
from broker.simulator.feed import Watch
from broker.simulator.records import OpenPosition
from broker.simulator.stopout import StopOut


def happen(fault: Fault, book: Book, now_ms: int) -> None:
    """Lets an event of the catalogue happen at an instant; without a position some do nothing."""
    _EVENTS[fault.name](fault, book, now_ms)


def touch(book: Book, symbol: str, now_ms: int) -> None:
    """Stops, targets (B3, B4) and stop-out at the quote in force."""
    for position in list(book.positions.values()):
        if position.symbol == symbol:
            _touch(book, position, now_ms)
    StopOut(book).at_first_ticks(now_ms)


def _touch(book: Book, position: OpenPosition, now_ms: int) -> None:
    price, side = book.exit_ticks(position, now_ms), position.side
    if position.sl and side * (price - position.sl) <= 0:
        name, level, reason = "sl", position.sl, DealReason.SL
    elif position.tp and side * (price - position.tp) >= 0:
        name, level, reason = "tp", position.tp, DealReason.TP
    else:
        return
    units = book.units[position.symbol]
    comment = f"[{name} {units.price(level):.{units.instrument.digits}f}]"
    book.leave(position, position.steps, price, reason, magic=0, comment=comment, time_ms=now_ms)


def _stop_out(fault: Fault, book: Book, now_ms: int) -> None:
    """B15: the largest loser goes, reason SO."""
    if not book.positions:
        return
    worth = {
        ticket: book.profit_at(p, book.exit_ticks(p, now_ms)) + p.swap
        for ticket, p in book.positions.items()
    }
    loser = book.positions[min(worth, key=lambda ticket: (worth[ticket], ticket))]
    level = book.equity(now_ms) * 100 / book.margin()
    book.leave(
        loser, loser.steps, book.exit_ticks(loser, now_ms), DealReason.SO, magic=0,
        comment=f"[so {level:.2f}%]", time_ms=now_ms,
    )  # fmt: skip


def _manual_close(fault: Fault, book: Book, now_ms: int) -> None:
    """B21: a close by hand has reason CLIENT and no magic."""
    wanted, symbol = fault.int_of("position"), fault.order.match.symbol
    for position in list(book.positions.values()):
        if wanted in (0, position.identifier) and symbol in ("", position.symbol):
            book.leave(
                position, position.steps, book.exit_ticks(position, now_ms), DealReason.CLIENT,
                magic=0, comment="", time_ms=now_ms,
            )  # fmt: skip
            return


def _foreign_position(fault: Fault, book: Book, now_ms: int) -> None:
    """A position that is none of ours."""
    symbol = fault.order.match.symbol or next(iter(book.feeds))
    units, feed = book.units[symbol], book.feeds[symbol]
    quote = feed.quote(now_ms)
    if quote is None:
        return
    side = 1 if fault.int_of("side") > 0 else -1
    price, base = (quote.ask, quote.bid) if side > 0 else (quote.bid, quote.ask)
    sl, tp = fault.int_of("sl_points"), fault.int_of("tp_points")
    sl_ticks = base - side * round(units.points_in_ticks(sl)) if sl else 0
    tp_ticks = base + side * round(units.points_in_ticks(tp)) if tp else 0
    book.enter(
        symbol, side, max(1, units.steps(fault.float_of("lots"))), price, sl=sl_ticks, tp=tp_ticks,
        magic=fault.int_of("magic"), comment=fault.text_of("comment"), filling=Filling.IOC,
        time_ms=now_ms, watch=Watch(feed, side, sl_ticks, tp_ticks, *feed.ahead(now_ms)),
    )  # fmt: skip


def _deposit(fault: Fault, book: Book, now_ms: int) -> None:
    """B17: a balance operation, which is no trading result."""
    minor = round(fault.float_of("amount") * 10**book.terms.currency_digits)
    book.ledger.deposit(minor, now_ms)
    book.version += 1


_EVENTS: dict[str, Callable[[Fault, Book, int], None]] = {
    "stop_out": _stop_out,
    "manual_close": _manual_close,
    "foreign_position": _foreign_position,
    "deposit": _deposit,
}
