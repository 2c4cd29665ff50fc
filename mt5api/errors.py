"""Errors as the contract's JSON, always: status, type, outcome, and whether repeating may help."""

import math
import uuid

from starlette.responses import Response

from broker.contract.errors import (
    BrokerError,
    BrokerRefused,
    BrokerUnavailable,
    IntentInFlight,
    IntentReused,
    OutcomeUnknown,
    WrongAccount,
)
from broker.contract.messages import TradeResult
from broker.contract.retcodes import RetcodeClass, retcode
from broker.contract.wire import ErrorBody, ErrorWord, WireError, encode

JSON = "application/json"


class Busy(BrokerUnavailable):
    """The bridge cannot ask the terminal now: too many wait, or it is not connected."""


class TooSlow(BrokerUnavailable):
    """A read was asked for and not answered in time."""


_REPEATABLE = (RetcodeClass.FRESH, RetcodeClass.WAIT)
_READ_STATUS: dict[type[Exception], tuple[int, bool]] = {
    WireError: (400, False),
    BrokerRefused: (404, False),
    WrongAccount: (403, False),
    BrokerUnavailable: (502, True),
    Busy: (503, True),
    TooSlow: (504, True),
    OutcomeUnknown: (504, True),
}
_TRADE_STATUS: dict[type[Exception], tuple[int, str]] = {
    BrokerRefused: (404, "not_sent"),
    WrongAccount: (403, "not_sent"),
    IntentReused: (422, "not_sent"),
    IntentInFlight: (409, "unknown"),
    BrokerUnavailable: (503, "not_sent"),
    Busy: (503, "not_sent"),
    TooSlow: (503, "not_sent"),
}


def answer(message: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A message as a response."""
    return Response(encode(message), status, headers, JSON)


def error_answer(
    status: int, kind: str, message: str, *, outcome: str = "", result: TradeResult | None = None,
    retryable: bool = False, last_error: tuple[int, str] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:  # fmt: skip
    """The contract's error body."""
    word = ErrorWord(
        type=kind,
        message=message,
        retcode=result.retcode if result else None,
        retcode_name=result.retcode_name if result else None,
        last_error=last_error,
        outcome=outcome,
        retryable=retryable,
        request_id=uuid.uuid4().hex,
    )
    return answer(ErrorBody(word, result), status, headers)


def refused_read(error: BrokerError | WireError, last_error: tuple[int, str]) -> Response:
    """The answer to a read that failed, or to a body that cannot be read."""
    status, retryable = _READ_STATUS.get(type(error), (500, False))
    outcome = "not_sent" if status == 400 else ""
    return error_answer(
        status, type(error).__name__, str(error), outcome=outcome, retryable=retryable,
        last_error=last_error, headers={"Retry-After": "1"} if status == 503 else {},
    )  # fmt: skip


def refused_trade(error: BrokerError) -> Response:
    """The answer to a trade request that got no trade result."""
    status, outcome = _TRADE_STATUS.get(type(error), (504, "unknown"))
    headers = {"Retry-After": "1"} if status in (409, 503) else {}
    return error_answer(
        status, type(error).__name__, str(error), outcome=outcome, retryable=status == 503,
        headers=headers,
    )  # fmt: skip


def too_many(wait_s: float) -> Response:
    """The answer to an opening order above the bridge's rate limit."""
    seconds = math.ceil(wait_s)
    return error_answer(
        429, "TooManyOrders", f"the bridge's limit of opening orders; again in {seconds} s",
        outcome="not_sent", retryable=True, headers={"Retry-After": str(seconds)},
    )  # fmt: skip


def trade_answer(result: TradeResult, *, replayed: bool) -> Response:
    """201 for what was filled or placed, 422 with the whole result for what was not."""
    headers = {"Idempotent-Replayed": "true"} if replayed else {}
    if result.outcome in ("filled", "partial", "placed"):
        return answer(result, 201, headers)
    known = retcode(result.retcode)
    return error_answer(
        422, "TradeRejected", f"{known.code} {known.name}: {result.comment or known.action}",
        outcome=result.outcome, result=result, retryable=known.class_ in _REPEATABLE,
        headers=headers,
    )  # fmt: skip
