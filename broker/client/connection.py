"""One keep-alive HTTP connection to a bridge, and what each failure on it means.

Nothing here assumes that an answer is JSON: proxies, captive portals and crashed servers answer
HTML, nothing or half a body. Reads are repeated; trade requests are sent once.
"""

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter
from tenacity.wait import wait_base

from broker.client.kept_connections import KeptConnections
from broker.client.settings import BridgeSettings
from broker.contract.errors import (
    BadAnswer,
    BridgeUnreachable,
    BrokerRefused,
    BrokerUnavailable,
    IntentInFlight,
    IntentReused,
    OutcomeUnknown,
)
from broker.contract.messages import TradeResult
from broker.contract.wire import ErrorBody, WireError, decode

Message = TypeVar("Message")

_READ_ATTEMPTS = 4
_BACK_OFF = wait_exponential_jitter(multiplier=0.1, max=2.0, jitter=0.1)
_REFUSED = frozenset((400, 401, 403, 404, 405, 413, 415))
_UNAVAILABLE = frozenset((408, 429, 502, 503, 504))
_NEVER_CONNECTED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_PAPER_NOW = "X-Paper-Now"


class Connection:
    """HTTP to one bridge. `back_off` may be replaced, so that tests need not wait.

    `paper_now_ms`: what a simulated clock showed at the last answer; None on a live bridge.
    """

    def __init__(
        self, settings: BridgeSettings, token: str, *, back_off: wait_base = _BACK_OFF
    ) -> None:
        self._url = settings.api_base_url
        self.paper_now_ms: int | None = None
        self._trade_timeout = httpx.Timeout(settings.trade_timeout_s, connect=5.0)
        self._read_timeout = httpx.Timeout(settings.read_timeout_s, connect=5.0)
        self._http = KeptConnections(settings.api_base_url, token)
        self._retrying = Retrying(
            retry=retry_if_exception_type(BrokerUnavailable),
            stop=stop_after_attempt(_READ_ATTEMPTS),
            wait=back_off,
            reraise=True,
        )

    def close(self) -> None:
        self._http.close()

    def read(self, kind: type[Message], path: str, **params: Any) -> Message:
        """GET, repeated while the bridge is unavailable."""
        return self.repeated(lambda: self.ask(kind, "GET", path, params=params))

    def repeated(self, read: Callable[[], Message]) -> Message:
        """A read, again while it raises `BrokerUnavailable`, four times at most."""
        message: Message = self._retrying(read)
        return message

    def ask(
        self, kind: type[Message], method: str, path: str, *, body: bytes | None = None,
        params: dict[str, Any] | None = None, timeout_s: float | None = None,
    ) -> Message:  # fmt: skip
        """One request that changes nothing at the venue."""
        answer = self.exchange(method, path, body=body, params=params, timeout_s=timeout_s)
        if answer.status_code != 200:
            refuse_read(answer)
        return read_json(kind, answer)

    def exchange(
        self, method: str, path: str, *, body: bytes | None = None,
        params: dict[str, Any] | None = None, timeout_s: float | None = None,
    ) -> httpx.Response:  # fmt: skip
        """The answer to one request that changes nothing at the venue, whatever its status."""
        timeout = self._read_timeout if timeout_s is None else httpx.Timeout(timeout_s)
        try:
            answer = self._http.ask(
                method, path, body=body, params=params, headers=_headers(body), timeout=timeout
            )
        except _NEVER_CONNECTED as error:
            raise self._unreachable(error) from error
        except httpx.TransportError as error:
            raise BrokerUnavailable(f"{method} {self._url}{path}: {_said(error)}") from error
        except httpx.DecodingError as error:
            raise BadAnswer(f"{method} {self._url}{path}: {_said(error)}") from error
        return self._stamped(answer)

    def trade(self, method: str, path: str, *, body: bytes, idempotency_key: str) -> TradeResult:
        """One trade request, sent once. Whatever is not surely unsent or answered is unknown."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return _trade_result(self.exchange_trade(method, path, body=body, headers=headers))

    def exchange_trade(
        self, method: str, path: str, *, body: bytes, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """The answer to one trade request, sent once, whatever its status."""
        headers = _headers(body) | (headers or {})
        try:
            answer = self._http.ask(
                method, path, body=body, headers=headers, timeout=self._trade_timeout
            )
        except _NEVER_CONNECTED as error:
            raise self._unreachable(error) from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise OutcomeUnknown(
                f"{method} {self._url}{path}: sent, then {_said(error)}; ask for its outcome"
            ) from error
        return self._stamped(answer)

    def _stamped(self, answer: httpx.Response) -> httpx.Response:
        now = answer.headers.get(_PAPER_NOW, "")
        if now.isdecimal():
            self.paper_now_ms = int(now)
        return answer

    def _unreachable(self, error: Exception) -> BridgeUnreachable:
        return BridgeUnreachable(
            f"no bridge at {self._url} ({_said(error)}). Start it, or correct "
            "bridge.api_base_url in config.json"
        )


def _headers(body: bytes | None) -> dict[str, str]:
    return {} if body is None else {"Content-Type": "application/json"}


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def where(answer: httpx.Response) -> str:
    """Which request, and its status."""
    request = answer.request
    return f"{request.method} {request.url}: HTTP {answer.status_code}"


def read_json(kind: type[Message], answer: httpx.Response) -> Message:
    """The message in an answer's body; `BadAnswer` where it is none."""
    try:
        return decode(kind, _json_of(answer))
    except WireError as error:
        raise BadAnswer(f"{where(answer)}: {error}") from error


def _json_of(answer: httpx.Response) -> bytes:
    """The body, if it says that it is JSON; `WireError` otherwise."""
    kind = answer.headers.get("content-type", "")
    if kind.split(";")[0].strip().lower() != "application/json":
        raise WireError(f"JSON expected, {kind or 'no content type'} came: {_start(answer)}")
    return answer.content


def _start(answer: httpx.Response) -> str:
    return repr(answer.text[:120]) if answer.content else "an empty body"


def _error_body(answer: httpx.Response) -> ErrorBody | None:
    """The contract's error, or None where something else answered."""
    try:
        return decode(ErrorBody, _json_of(answer))
    except WireError:
        return None


def refuse_read(answer: httpx.Response) -> NoReturn:
    """Raises what a read's status means."""
    error = _error_body(answer)
    text = error.error.message if error else f"{where(answer)}: {_start(answer)}"
    if answer.status_code in _REFUSED:
        raise BrokerRefused(text)
    if answer.status_code in _UNAVAILABLE:
        raise BrokerUnavailable(text)
    raise BadAnswer(text)


def _trade_result(answer: httpx.Response) -> TradeResult:
    if answer.status_code in (200, 201):
        try:
            return decode(TradeResult, _json_of(answer))
        except WireError as error:
            raise OutcomeUnknown(f"{where(answer)}: {error}") from error
    refusal = _error_body(answer)
    if refusal and refusal.result:
        return refusal.result
    text = refusal.error.message if refusal else f"{where(answer)}: {_start(answer)}"
    if answer.status_code == 422:
        raise IntentReused(text)
    if answer.status_code == 409:
        raise IntentInFlight(text)
    if answer.status_code in _REFUSED:
        raise BrokerRefused(text)
    if refusal and refusal.error.outcome == "not_sent":
        raise BrokerUnavailable(text)
    raise OutcomeUnknown(text)
