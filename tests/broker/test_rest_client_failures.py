"""Whatever answers in the bridge's place, the client says what may be done next."""

import socket
from collections.abc import Callable, Iterator

import pytest
from pydantic import ValidationError

from broker.client.rest import RestBroker
from broker.client.settings import BridgeSettings
from broker.contract.errors import (
    BadAnswer,
    BridgeUnreachable,
    BrokerError,
    BrokerRefused,
    BrokerUnavailable,
    IntentInFlight,
    IntentReused,
    OutcomeUnknown,
)
from broker.contract.messages import Tick
from broker.contract.wire import ErrorBody, ErrorWord, encode
from market.timeframe import Timeframe
from tests.broker.orders import make_order
from tests.broker.rude_server import RESET, http, rude
from tests.ports import free_ports

Connect = Callable[..., RestBroker]

TICK = encode(Tick(1, 1.0, 2.0, 0.0, 0, 0))
HTML = http(b"<html>502 Bad Gateway</html>", kind="text/html")


def said(status: int, outcome: str) -> bytes:
    word = ErrorWord("Kind", "the bridge's words", None, None, None, outcome, False, "id")
    return http(encode(ErrorBody(word)), status=status)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (HTML, "text/html"),
        (http(b"", kind=""), "no content type"),
        (http(b""), "EOF"),
        (http(TICK[:-9]), "JSON"),
        (http(TICK.replace(b'"ask":2.0,', b"")), "ask: Field required"),
        (http(TICK.replace(b'"ask"', b'"offer"')), "offer"),
        (http(TICK.replace(b"2.0", b'"2.0"')), r"ask: .*'2.0' came"),
        (http(TICK.replace(b"2.0", b"null")), "ask"),
        (http(TICK, kind="text/plain"), "text/plain"),
        (http(b"[]"), "Tick"),
        (http(TICK, status=500), "HTTP 500"),
    ],
    ids=["html", "nothing", "empty", "truncated", "missing", "unknown", "type", "null", "kind",
         "shape", "500"],
)  # fmt: skip
def test_read_that_cannot_be_understood_is_a_bad_answer(
    connect: Connect, answer: bytes, says: str
) -> None:
    with rude(answer) as server, pytest.raises(BadAnswer, match=says):
        connect(server.url).tick("BTCUSD")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [RESET, http(TICK, length=5000), http(b"", status=503), said(502, ""),
     HTML.replace(b"200", b"504")],
    ids=["reset", "cut", "503", "502", "html 504"],
)  # fmt: skip
def test_read_is_repeated_until_the_bridge_answers(connect: Connect, answer: bytes) -> None:
    with rude(answer, answer, http(TICK)) as server:
        assert connect(server.url).tick("BTCUSD").ask == 2.0
    assert len(server.requests) == 3


def test_read_gives_up_after_four_attempts(connect: Connect) -> None:
    with rude(RESET) as server, pytest.raises(BrokerUnavailable):
        connect(server.url).tick("BTCUSD")
    assert len(server.requests) == 4


def test_refused_read_is_not_repeated(connect: Connect) -> None:
    with rude(said(404, "")) as server, pytest.raises(BrokerRefused, match="the bridge's words"):
        connect(server.url).tick("BTCUSD")
    assert len(server.requests) == 1


ORDER_ANSWERS: list[tuple[str, bytes, type[BrokerError]]] = [
    ("reset", RESET, OutcomeUnknown),
    ("cut", http(b"{}", length=500), OutcomeUnknown),
    ("html 200", HTML, OutcomeUnknown),
    ("empty 201", http(b"", status=201), OutcomeUnknown),
    ("half json", http(b'{"retcode": 10009, ', status=201), OutcomeUnknown),
    ("html 500", HTML.replace(b"200", b"500"), OutcomeUnknown),
    ("html 502", HTML.replace(b"200", b"502"), OutcomeUnknown),
    ("html 503", HTML.replace(b"200", b"503"), OutcomeUnknown),
    ("504", said(504, "unknown"), OutcomeUnknown),
    ("409", said(409, "unknown"), IntentInFlight),
    ("503 not sent", said(503, "not_sent"), BrokerUnavailable),
    ("429 not sent", said(429, "not_sent"), BrokerUnavailable),
    ("400", said(400, "not_sent"), BrokerRefused),
    ("html 401", HTML.replace(b"200", b"401"), BrokerRefused),
    ("422 key", said(422, "not_sent"), IntentReused),
]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(answer, kind) for _, answer, kind in ORDER_ANSWERS],
    ids=[name for name, _, _ in ORDER_ANSWERS],
)
def test_order_is_sent_once_whatever_comes_back(
    connect: Connect, answer: bytes, kind: type[BrokerError]
) -> None:
    with rude(answer) as server, pytest.raises(BrokerError) as caught:
        connect(server.url).send(make_order())
    assert type(caught.value) is kind
    assert len(server.requests) == 1


def test_levels_are_sent_once_too(connect: Connect) -> None:
    with rude(RESET) as server, pytest.raises(OutcomeUnknown):
        connect(server.url).modify(1, sl=1.0, tp=2.0, client_id="m-1")
    assert len(server.requests) == 1


def test_order_carries_its_client_id_as_idempotency_key(connect: Connect) -> None:
    with rude(said(400, "not_sent")) as server, pytest.raises(BrokerRefused):
        connect(server.url).send(make_order("key-1"))
    assert b"idempotency-key: key-1" in server.requests[0].lower()


@pytest.fixture
def silent_url() -> Iterator[str]:
    """Accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_order_without_an_answer_in_time_is_unknown(connect: Connect, silent_url: str) -> None:
    with pytest.raises(OutcomeUnknown, match="ReadTimeout"):
        connect(silent_url, timeout_s=0.05).send(make_order())


def test_read_without_an_answer_in_time_is_unavailable(connect: Connect, silent_url: str) -> None:
    with pytest.raises(BrokerUnavailable, match="ReadTimeout"):
        connect(silent_url, timeout_s=0.05).account()


@pytest.mark.parametrize("ask", ["account", "send"])
def test_bridge_that_is_not_there_is_named_with_what_to_do(connect: Connect, ask: str) -> None:
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    client = connect(url)
    with pytest.raises(BridgeUnreachable, match="api_base_url") as caught:
        client.send(make_order()) if ask == "send" else client.account()
    assert url in str(caught.value)


def test_proxy_of_the_environment_is_not_used(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with rude(http(TICK)) as server:
        assert connect(server.url).tick("BTCUSD").ask == 2.0


def test_base_url_may_have_a_path_prefix(connect: Connect) -> None:
    with rude(http(TICK)) as server:
        connect(f"{server.url}/broker/123/").tick("BTCUSD")
    assert server.requests[0].startswith(b"GET /broker/123/symbols/BTCUSD/tick ")


def test_bars_of_another_symbol_are_a_bad_answer(connect: Connect) -> None:
    page = (
        b'{"symbol":"XAUUSD","timeframe":"M15","time":[],"open":[],"high":[],"low":[],"close":[],'
        b'"tick_volume":[],"spread":[],"complete":true}'
    )
    with rude(http(page)) as server, pytest.raises(BadAnswer, match="XAUUSD"):
        connect(server.url).rates("BTCUSD", Timeframe.M15, from_ms=0, to_ms=1)


@pytest.mark.parametrize("url", ["127.0.0.1:6542", "ftp://host", "http://", "http://h?x=1"])
def test_setting_that_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="api_base_url"):
        BridgeSettings(api_base_url=url)
