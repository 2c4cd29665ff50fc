"""Trade requests over the HTTP API: sent once, and what each answer proves.

201 and 200 both carry a trade result whose retcode alone decides. Everything that does not surely
mean "never sent" is `OutcomeUnknown`; a change of levels that was refused is read back, since the
bridge keeps the retcode to itself.
"""

import math
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import httpx

from broker.client.connection import Connection, read_json, where
from broker.client.httpapi.bodies import Row, error_text
from broker.contract.constants import Filling, OrderType, TradeAction, TypeTime
from broker.contract.errors import (
    BadAnswer,
    BrokerError,
    BrokerRefused,
    BrokerUnavailable,
    OutcomeUnknown,
)
from broker.contract.retcodes import NO_CHANGES, POSITION_CLOSED
from broker.contract.wire import encode

PositionsOf = Callable[[], list[Row]]

_REJECT = 10006
_NOT_SENT = frozenset((400, 401, 403, 404, 405, 413, 415))
_INVALID_PARAMS = re.compile(r"order_send failed: \(-2\b")
_NO_RESULT = re.compile(r"Failed to update position: \(-?\d+,")
_BLANK: dict[str, Any] = {
    "order": 0, "deal": 0, "volume": 0.0, "price": 0.0, "bid": 0.0, "ask": 0.0, "comment": "",
    "request_id": 0,
}  # fmt: skip
_NUMBERS = ("retcode", *(name for name, blank in _BLANK.items() if blank != ""))


def send(
    connection: Connection, request: dict[str, Any], positions: Callable[..., list[Row]]
) -> SimpleNamespace:
    """`order_send` with a dictionary of the package: a market or pending order, or levels."""
    action = request["action"]
    if action in (TradeAction.DEAL, TradeAction.PENDING):
        body = encode(_order_body(request))
        return _result(connection.exchange_trade("POST", "/orders", body=body))
    if action == TradeAction.SLTP:
        return _set_levels(connection, request, lambda: positions(ticket=request["position"]))
    raise BrokerRefused(f"order_send: action {action}: not sent, this client has no path for it")


def _order_body(request: dict[str, Any]) -> dict[str, Any]:
    """POST /orders wants names where the package wants numbers, and infers the action."""
    names = {"type": OrderType, "type_filling": Filling, "type_time": TypeTime}
    body = {name: value for name, value in request.items() if name != "action"}
    return body | {name: kind(body[name]).name for name, kind in names.items() if name in body}


def _set_levels(
    connection: Connection, request: dict[str, Any], there: PositionsOf
) -> SimpleNamespace:
    body = encode({"sl": request["sl"], "tp": request["tp"]})
    answer = connection.exchange_trade("PUT", f"/positions/{request['position']}", body=body)
    said = error_text(answer)
    if answer.status_code == 500 or (answer.status_code == 404 and said is not None):
        return _read_back(answer, said, request, there)
    return _result(answer)


def _read_back(
    answer: httpx.Response, said: str | None, request: dict[str, Any], there: PositionsOf
) -> SimpleNamespace:
    """What a refused change of levels means: the position itself tells."""
    try:
        found = there()
    except BrokerError as error:
        raise OutcomeUnknown(f"{where(answer)}: {said}; reading back: {error}") from error
    if not found:
        return _row(retcode=POSITION_CLOSED, comment=said or "")
    if _stand(found[0], request):
        return _row(retcode=NO_CHANGES, comment=said or "")
    if answer.status_code == 404:
        raise BrokerUnavailable(f"{where(answer)}: {said}, though the position is open")
    if said is None or _NO_RESULT.match(said):
        raise OutcomeUnknown(f"{where(answer)}: {said}; the levels are not as asked yet")
    return _row(retcode=_REJECT, comment=said)


def _stand(position: Row, request: dict[str, Any]) -> bool:
    try:
        return all(
            math.isclose(getattr(position, name), request[name], rel_tol=1e-9, abs_tol=1e-9)
            for name in ("sl", "tp")
        )
    except (BadAnswer, TypeError) as error:
        raise OutcomeUnknown(f"/positions: levels cannot be read back: {error}") from None


def _result(answer: httpx.Response) -> SimpleNamespace:
    """The trade result, or the error that an answer without one means."""
    if answer.status_code not in (200, 201):
        raise _without_result(answer)
    try:
        body = read_json(dict[str, Any], answer)
    except BadAnswer as error:
        raise OutcomeUnknown(str(error)) from error
    row = _BLANK | {name: value for name, value in body.items() if value is not None}
    wrong = [name for name in _NUMBERS if not isinstance(row.get(name), int | float)]
    if wrong:
        raise OutcomeUnknown(f"{where(answer)}: {wrong[0]}: {row.get(wrong[0])!r} came, no number")
    return _row(**row)


def _without_result(answer: httpx.Response) -> BrokerError:
    status, said = answer.status_code, error_text(answer)
    text = f"{where(answer)}: {said if said is not None else answer.text[:120]!r}"
    if status in _NOT_SENT or (said is not None and _INVALID_PARAMS.match(said)):
        return BrokerRefused(text)
    if status == 429 or (status == 503 and said is not None):
        return BrokerUnavailable(f"{text}; not sent")
    return OutcomeUnknown(f"{text}; ask for its outcome")


def _row(**fields: Any) -> SimpleNamespace:
    return SimpleNamespace(**(_BLANK | fields))
