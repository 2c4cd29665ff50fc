"""The trade server's return codes, and what each one allows next.

Source: MetaTrader's `enum_trade_return_codes` and the class table of docs/bridge.md.
"""

from dataclasses import dataclass
from enum import Enum


class RetcodeClass(Enum):
    """What may be done after an answer.

    OK: it stands. FRESH: retry at most twice with a new quote and fresh gates. WAIT: back off.
    UNKNOWN: reconcile before anything else. FINAL: drop the signal. HALT: no entries, call a
    person. REREAD: our picture was old, read it again.
    """

    OK = "ok"
    FRESH = "fresh"
    WAIT = "wait"
    UNKNOWN = "unknown"
    FINAL = "final"
    HALT = "halt"
    REREAD = "reread"


@dataclass(frozen=True, slots=True)
class Retcode:
    """One row of the table.

    `retries`: FRESH, how often an entry may be asked again. `wait_ms`: WAIT, the least pause;
    0 where waiting makes no sense for an entry. `halts`: HALT, what stops: account or symbol.
    For entries: a close is asked again until it is done (`trading.execution.ladder`).
    """

    code: int
    name: str
    class_: RetcodeClass
    action: str
    retries: int = 0
    wait_ms: int = 0
    halts: str = ""


CHECK_PASSED = 0
REQUOTE = 10004
PLACED = 10008
DONE = 10009
DONE_PARTIAL = 10010
INVALID_EXPIRATION = 10022
NO_CHANGES = 10025
INVALID_STOPS = 10016
LOCKED = 10028
INVALID_FILL = 10030
ORDER_CHANGED = 10023
POSITION_CLOSED = 10036
PRICE_CHANGED = 10020

_OK, _FRESH, _WAIT = RetcodeClass.OK, RetcodeClass.FRESH, RetcodeClass.WAIT
_UNKNOWN, _FINAL, _HALT = RetcodeClass.UNKNOWN, RetcodeClass.FINAL, RetcodeClass.HALT
_REREAD = RetcodeClass.REREAD

_TABLE = (
    Retcode(0, "CHECK_PASSED", _OK, "order_check only: the request would pass"),
    Retcode(10004, "REQUOTE", _FRESH, "re-price within the deviation budget", retries=2),
    Retcode(10006, "REJECT", _FINAL, "drop the signal"),
    Retcode(10007, "CANCEL", _FINAL, "cancelled by a dealer: drop the signal"),
    Retcode(10008, "PLACED", _OK, "pending order: done; market order: wait for its deal"),
    Retcode(10009, "DONE", _OK, "verify position, SL and TP"),
    Retcode(10010, "DONE_PARTIAL", _OK, "adopt the filled volume; go on with the rest of a close"),
    Retcode(10011, "ERROR", _UNKNOWN, "reconcile"),
    Retcode(10012, "TIMEOUT", _UNKNOWN, "reconcile, though it says cancelled"),
    Retcode(10013, "INVALID", _FINAL, "a bug of ours: log the request"),
    Retcode(10014, "INVALID_VOLUME", _FINAL, "read the symbol's volume limits again"),
    Retcode(10015, "INVALID_PRICE", _FRESH, "retry once; price 0 means no quote yet", retries=1),
    Retcode(
        10016, "INVALID_STOPS", _FRESH, "retry once with stops further away, or drop", retries=1
    ),
    Retcode(10017, "TRADE_DISABLED", _HALT, "the symbol does not trade: stop it", halts="symbol"),
    Retcode(10018, "MARKET_CLOSED", _WAIT, "wait for the session; do not loop"),
    Retcode(10019, "NO_MONEY", _FINAL, "sizing is wrong: alarm"),
    Retcode(10020, "PRICE_CHANGED", _FRESH, "read the quote again and re-run the gates", retries=2),
    Retcode(10021, "PRICE_OFF", _WAIT, "no quotes: wait 1-5 s", wait_ms=1000),
    Retcode(10022, "INVALID_EXPIRATION", _FINAL, "the request came too late: drop the signal"),
    Retcode(10023, "ORDER_CHANGED", _REREAD, "read the order again"),
    Retcode(10024, "TOO_MANY_REQUESTS", _WAIT, "back off 5 s or more, growing", wait_ms=5000),
    Retcode(10025, "NO_CHANGES", _OK, "already as asked"),
    Retcode(
        10026,
        "SERVER_DISABLES_AT",
        _HALT,
        "the server forbids automated trading here",
        halts="account",
    ),
    Retcode(
        10027,
        "CLIENT_DISABLES_AT",
        _HALT,
        "switch Algo Trading on in the terminal",
        halts="account",
    ),
    Retcode(10028, "LOCKED", _WAIT, "being processed: wait, then reconcile", wait_ms=3000),
    Retcode(
        10029, "FROZEN", _WAIT, "too close to the market: wait for the next quote", wait_ms=1000
    ),
    Retcode(10030, "INVALID_FILL", _FRESH, "retry once with the next allowed filling", retries=1),
    Retcode(10031, "CONNECTION", _UNKNOWN, "reconcile; usually nothing was sent"),
    Retcode(10032, "ONLY_REAL", _FINAL, "allowed on real accounts only"),
    Retcode(10033, "LIMIT_ORDERS", _FINAL, "too many pending orders"),
    Retcode(10034, "LIMIT_VOLUME", _FINAL, "too much volume in this symbol"),
    Retcode(10035, "INVALID_ORDER", _FINAL, "no such order type here"),
    Retcode(10036, "POSITION_CLOSED", _REREAD, "the position is gone: find its closing deal"),
    Retcode(10038, "INVALID_CLOSE_VOLUME", _REREAD, "read the position's volume again"),
    Retcode(10039, "CLOSE_ORDER_EXIST", _WAIT, "a close is already working", wait_ms=3000),
    Retcode(10040, "LIMIT_POSITIONS", _FINAL, "too many open positions"),
    Retcode(10041, "REJECT_CANCEL", _REREAD, "read the order again"),
    Retcode(10042, "LONG_ONLY", _FINAL, "only long positions are allowed"),
    Retcode(10043, "SHORT_ONLY", _FINAL, "only short positions are allowed"),
    Retcode(10044, "CLOSE_ONLY", _FINAL, "only closing is allowed"),
    Retcode(10045, "FIFO_CLOSE", _FINAL, "wrong account mode: first in, first out"),
    Retcode(10046, "HEDGE_PROHIBITED", _FINAL, "wrong account mode: no hedging"),
)

_OUTCOMES = {DONE: "filled", DONE_PARTIAL: "partial", PLACED: "placed", NO_CHANGES: "placed"}

RETCODES: dict[int, Retcode] = {each.code: each for each in _TABLE}


def retcode(code: int) -> Retcode:
    """The entry of a code. An unlisted one is UNKNOWN: nobody knows what it did."""
    known = RETCODES.get(code)
    return known or Retcode(code, f"RETCODE_{code}", _UNKNOWN, "not in the table: reconcile")


def outcome(code: int) -> str:
    """The contract's word for a trade answer: filled, placed, partial or rejected.

    For a change of levels "placed" means that they stand as asked.
    """
    return _OUTCOMES.get(code, "rejected")
